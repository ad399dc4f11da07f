use core::fmt::Debug;
use core::ops::Range;

use crate::{Blocked, Epilogue, Isa, Matrix, MatrixMut, Output, PackedBlocks, PackedF32, PackedWeights, Weights};

/// One operand of [`Kernel::add`]: `x = (value - zero_point) * scale`.
#[derive(Clone, Copy, Debug)]
pub struct Quantized<'a> {
    /// The quantized elements.
    pub values: &'a [u8],
    /// Real distance between two neighbouring levels.
    pub scale: f32,
    /// The level that stands for 0.
    pub zero_point: u8,
}

/// How [`Kernel::add`] quantizes its sum: `clamp(round_half_even(x / scale) + zero_point, min, max)`.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    /// Real distance between two neighbouring levels.
    pub scale: f32,
    /// The level that stands for 0.
    pub zero_point: u8,
    /// Lowest level written; `zero_point` here is a fused ReLU.
    pub min: u8,
    /// Highest level written.
    pub max: u8,
}

/// One instruction set's implementation of every operation; results are the same bits on all of them.
///
/// Get one from [`best`](crate::best), [`with_isa`](crate::with_isa) or [`available`](crate::available). Scales are meant to be positive
/// and finite; with any other the formulas below still hold in IEEE arithmetic, so nothing panics and all kernels agree.
pub trait Kernel: Send + Sync + Debug {
    /// The instruction set this kernel is written for.
    fn isa(&self) -> Isa;

    /// Copies symmetric row-major int8 weights `[k, n]` (inputs, outputs) into the layout of this kernel.
    ///
    /// # Panics
    ///
    /// If `weights.len() != k * n`.
    fn pack(&self, weights: &[i8], k: usize, n: usize) -> PackedWeights {
        self.pack_weights(&Weights::new(weights, k, n))
    }

    /// [`Kernel::pack`] for weights with zero points, or of which it is known what inputs they will meet.
    ///
    /// # Panics
    ///
    /// If a slice has another length than the shapes say, or the lowest input level is above the highest.
    fn pack_weights(&self, weights: &Weights<'_>) -> PackedWeights;

    /// Multiplies `input` `[rows, k]` by `weights` `[k, n]`, adds `bias` `[n]` and writes `[rows, n]` in the form `output` asks for.
    ///
    /// The accumulator is `bias[c] + sum_i input[r, i] * (weights[i, c] - zero_points[c])` modulo 2^32. An input zero point is the caller's to
    /// fold into the bias: `bias[c] - zero_point * weights.column_sums()[c]`. With `k = 0` the accumulator is the bias; with `rows = 0` or `n = 0` nothing
    /// is written.
    ///
    /// # Panics
    ///
    /// If a slice has another length than the shapes say, if `weights` were packed by a kernel of another [`Isa`], or if a requantization's
    /// `min` is above its `max`.
    fn matmul(&self, input: &[u8], rows: usize, weights: &PackedWeights, bias: &[i32], output: Output<'_>) {
        self.matmul_columns(input, rows, weights, 0..weights.n(), bias, output);
    }

    /// [`Kernel::matmul`] for the output channels `columns` alone, so that threads can share a layer: `bias`, multipliers, scales and the rows
    /// of the output are those of these channels.
    ///
    /// # Panics
    ///
    /// As [`Kernel::matmul`]; also if `columns` reaches beyond `n`, or starts or ends inside a panel: at neither a multiple of
    /// [`PackedWeights::panel`] nor `n`.
    fn matmul_columns(
        &self,
        input: &[u8],
        rows: usize,
        weights: &PackedWeights,
        columns: Range<usize>,
        bias: &[i32],
        output: Output<'_>,
    );

    /// Copies f32 weights `[k, n]` (inputs, outputs) into the layout of this kernel.
    ///
    /// # Panics
    ///
    /// If they exceed the address space, which only a matrix that repeats its elements can.
    fn pack_f32(&self, weights: Matrix<'_>) -> PackedF32;

    /// [`Kernel::pack_f32`] into the memory of weights that are no longer needed.
    ///
    /// # Panics
    ///
    /// As [`Kernel::pack_f32`]; also if `packed` belongs to a kernel of another [`Isa`].
    fn repack_f32(&self, weights: Matrix<'_>, packed: &mut PackedF32);

    /// [`Kernel::repack_f32`] of weights `[k, n]` that are nowhere: `fill` gets the index of each row in turn and writes all of it.
    ///
    /// # Panics
    ///
    /// As [`Kernel::repack_f32`].
    fn repack_rows_f32(&self, shape: (usize, usize), fill: &mut dyn FnMut(usize, &mut [f32]), packed: &mut PackedF32);

    /// Multiplies `input` `[rows, k]` by `weights` `[k, n]` in f32 and writes `[rows, n]` after the `epilogue`.
    ///
    /// With `fma(x, y, z) = x * y + z` rounded once, element `[r, c]` is `0`, then `sum = fma(input[r, i], weights[i, c], sum)` for `i`
    /// ascending, then the epilogue. That is one chain per element, so nothing but its own row and column has a say in its bits: not
    /// the number of rows, not the other channels, not the instruction set, not the strides. With `k = 0` the sum is 0.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit each other, or if `weights` were packed by a kernel of another [`Isa`].
    fn matmul_f32(&self, input: Matrix<'_>, weights: &PackedF32, epilogue: Epilogue<'_>, out: MatrixMut<'_>);

    /// [`Kernel::matmul_f32`] whose sums begin with what `out` holds instead of 0, and have no epilogue. A product cut along `k` into several
    /// that follow each other so gives the same bits as in one piece.
    ///
    /// # Panics
    ///
    /// As [`Kernel::matmul_f32`].
    fn matmul_add_f32(&self, input: Matrix<'_>, weights: &PackedF32, out: MatrixMut<'_>);

    /// Copies integer weights with a scale for each block into the layout of this kernel.
    ///
    /// # Panics
    ///
    /// If a slice has another length than the shapes say, the block is empty, or an integer leaves the range of its bits.
    fn pack_blocked(&self, weights: &Blocked<'_>) -> PackedBlocks;

    /// [`Kernel::matmul_f32`] with the numbers that blocked `weights` stand for, without ever writing them down: the same bits as from
    /// [`Kernel::pack_f32`] of these numbers, for a fraction of the memory that has to be read.
    ///
    /// # Panics
    ///
    /// As [`Kernel::matmul_f32`].
    fn matmul_blocked(&self, input: Matrix<'_>, weights: &PackedBlocks, epilogue: Epilogue<'_>, out: MatrixMut<'_>);

    /// `out = saturate(round_half_even(input / scale) + zero_point)`, as ONNX `QuantizeLinear` to uint8; NaN gives `zero_point`.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn quantize_u8(&self, input: &[f32], scale: f32, zero_point: u8, out: &mut [u8]);

    /// `out = saturate(round_half_even(input / scale) + zero_point)`, as ONNX `QuantizeLinear` to int8; NaN gives `zero_point`.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn quantize_i8(&self, input: &[f32], scale: f32, zero_point: i8, out: &mut [i8]);

    /// `out = (input - zero_point) as f32 * scale`, as ONNX `DequantizeLinear` from uint8.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn dequantize_u8(&self, input: &[u8], scale: f32, zero_point: u8, out: &mut [f32]);

    /// `out = (input - zero_point) as f32 * scale`, as ONNX `DequantizeLinear` from int8.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn dequantize_i8(&self, input: &[i8], scale: f32, zero_point: i8, out: &mut [f32]);

    /// `out = table[input]`: any unary function between two quantized tensors.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    fn lookup(&self, table: &[u8; 256], input: &[u8], out: &mut [u8]);

    /// Adds two quantized tensors element by element and quantizes the sum.
    ///
    /// In `f32`, each step rounded on its own, in this order: `x = (a - a.zero_point) * a.scale`, `y = (b - b.zero_point) * b.scale`,
    /// `s = x + y`, `q = s / to.scale`; then `clamp(round_half_even(q) + to.zero_point, to.min, to.max)`, NaN counting as 0. These are the
    /// steps of ONNX `DequantizeLinear` twice, `Add`, `QuantizeLinear`.
    ///
    /// # Panics
    ///
    /// If the three slices differ in length, or `to.min` is above `to.max`.
    fn add(&self, a: Quantized<'_>, b: Quantized<'_>, to: Rescale, out: &mut [u8]);
}

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;

use super::blocks::Blocks;
use super::elementwise::{Add, Bytes, Dequantize, Lookup, Quantize, Summand};
use super::float_tile::Plain;
use super::vector::Vector;
use super::{float_tile, tile};
use crate::arguments::{check_bounds, check_isa, check_lengths, check_matmul, check_matmul_f32};
use crate::levels::Levels;
use crate::packed::Layout;
use crate::{
    Bits, Blocked, Epilogue, Isa, Kernel, Matrix, MatrixMut, Output, PackedBlocks, PackedF32, PackedWeights, Quantized,
    Rescale, Weights,
};

/// The kernel of the instruction set `V`. A reference to one is the proof that the CPU has it.
pub(crate) struct Vectorized<V>(PhantomData<V>);

impl<V: Vector> Vectorized<V> {
    /// # Safety
    ///
    /// A reference may be handed out only on a CPU that has `V`'s instruction set.
    pub(crate) const unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// How weights in f32 are packed.
    const FLOATS: Layout = Layout { lanes: V::LANES, panel: float_tile::panel::<V>() };

    /// [`Kernel::matmul_f32`] with an epilogue, [`Kernel::matmul_add_f32`] without one.
    fn multiply(&self, input: Matrix<'_>, weights: &PackedF32, epilogue: Option<Epilogue<'_>>, out: MatrixMut<'_>) {
        let shape = (weights.k(), weights.n());
        check_matmul_f32(V::ISA, (weights.isa(), shape.0, shape.1), &input, epilogue.as_ref(), &out);
        let panel_at = |first| Plain(weights.as_slice()[weights.panel_start(first)..].as_ptr());
        // SAFETY: `self` proves the CPU has `V`; the arguments were checked; a panel holds its channels rounded up to whole vectors for every
        // input.
        unsafe { float_tile::matmul::<V, _>(shape, V::FLOAT_TILES, panel_at, input, epilogue, out) };
    }
}

impl<V: Vector> fmt::Debug for Vectorized<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vectorized({})", V::ISA)
    }
}

impl<V: Vector> Kernel for Vectorized<V> {
    fn isa(&self) -> Isa {
        V::ISA
    }

    fn pack_weights(&self, weights: &Weights<'_>) -> PackedWeights {
        PackedWeights::new(weights, V::ISA, Layout { lanes: V::LANES, panel: tile::panel::<V>() })
    }

    fn matmul_columns(
        &self,
        input: &[u8],
        rows: usize,
        weights: &PackedWeights,
        columns: Range<usize>,
        bias: &[i32],
        output: Output<'_>,
    ) {
        check_matmul(V::ISA, input, rows, weights, &columns, bias, &output);
        // SAFETY: `self` proves the CPU has `V`; the arguments were checked.
        unsafe { tile::matmul::<V>(input, rows, weights, columns, bias, output) };
    }

    fn pack_f32(&self, weights: Matrix<'_>) -> PackedF32 {
        PackedF32::new(weights, V::ISA, Self::FLOATS)
    }

    fn repack_f32(&self, weights: Matrix<'_>, packed: &mut PackedF32) {
        check_isa(packed.isa(), V::ISA);
        packed.replace(weights, Self::FLOATS);
    }

    fn repack_rows_f32(&self, shape: (usize, usize), fill: &mut dyn FnMut(usize, &mut [f32]), packed: &mut PackedF32) {
        check_isa(packed.isa(), V::ISA);
        packed.replace_rows(shape, fill, Self::FLOATS);
    }

    fn matmul_f32(&self, input: Matrix<'_>, weights: &PackedF32, epilogue: Epilogue<'_>, out: MatrixMut<'_>) {
        self.multiply(input, weights, Some(epilogue), out);
    }

    fn matmul_add_f32(&self, input: Matrix<'_>, weights: &PackedF32, out: MatrixMut<'_>) {
        self.multiply(input, weights, None, out);
    }

    fn pack_blocked(&self, weights: &Blocked<'_>) -> PackedBlocks {
        PackedBlocks::new(weights, V::ISA, Self::FLOATS)
    }

    fn matmul_blocked(&self, input: Matrix<'_>, weights: &PackedBlocks, epilogue: Epilogue<'_>, out: MatrixMut<'_>) {
        let shape = (weights.k(), weights.n());
        let epilogue = Some(epilogue);
        check_matmul_f32(V::ISA, (weights.isa(), shape.0, shape.1), &input, epilogue.as_ref(), &out);
        // SAFETY: as in `multiply`; the scales and zero points of a panel are as wide as its integers.
        unsafe {
            match weights.bits() {
                Bits::Eight => {
                    let panel_at = |first| Blocks::<8>::of(weights, first);
                    float_tile::matmul::<V, _>(shape, V::BYTE_TILES, panel_at, input, epilogue, out);
                }
                Bits::Four => {
                    let panel_at = |first| Blocks::<4>::of(weights, first);
                    float_tile::matmul::<V, _>(shape, V::NIBBLE_TILES, panel_at, input, epilogue, out);
                }
            }
        }
    }

    fn quantize_u8(&self, input: &[f32], scale: f32, zero_point: u8, out: &mut [u8]) {
        check_lengths(input.len(), out.len());
        let levels = Levels::u8(zero_point);
        let task = Quantize { input: input.as_ptr(), scale, levels, out: out.as_mut_ptr(), len: out.len() };
        // SAFETY: `self` proves the CPU has `V`; both slices have `len` elements.
        unsafe { V::enter(task) };
    }

    fn quantize_i8(&self, input: &[f32], scale: f32, zero_point: i8, out: &mut [i8]) {
        check_lengths(input.len(), out.len());
        let levels = Levels::i8(zero_point);
        let task = Quantize { input: input.as_ptr(), scale, levels, out: out.as_mut_ptr().cast(), len: out.len() };
        // SAFETY: `self` proves the CPU has `V`; both slices have `len` elements, and an `i8` is the byte that is stored.
        unsafe { V::enter(task) };
    }

    fn dequantize_u8(&self, input: &[u8], scale: f32, zero_point: u8, out: &mut [f32]) {
        check_lengths(input.len(), out.len());
        let input = Bytes::U8(input.as_ptr());
        let task = Dequantize { input, scale, zero_point: zero_point.into(), out: out.as_mut_ptr(), len: out.len() };
        // SAFETY: `self` proves the CPU has `V`; both slices have `len` elements.
        unsafe { V::enter(task) };
    }

    fn dequantize_i8(&self, input: &[i8], scale: f32, zero_point: i8, out: &mut [f32]) {
        check_lengths(input.len(), out.len());
        let input = Bytes::I8(input.as_ptr());
        let task = Dequantize { input, scale, zero_point: zero_point.into(), out: out.as_mut_ptr(), len: out.len() };
        // SAFETY: `self` proves the CPU has `V`; both slices have `len` elements.
        unsafe { V::enter(task) };
    }

    fn lookup(&self, table: &[u8; 256], input: &[u8], out: &mut [u8]) {
        check_lengths(input.len(), out.len());
        let task = Lookup { table, input: input.as_ptr(), out: out.as_mut_ptr(), len: out.len() };
        // SAFETY: `self` proves the CPU has `V`; both slices have `len` elements.
        unsafe { V::enter(task) };
    }

    fn add(&self, a: Quantized<'_>, b: Quantized<'_>, to: Rescale, out: &mut [u8]) {
        check_lengths(a.values.len(), out.len());
        check_lengths(b.values.len(), out.len());
        check_bounds(to.min, to.max);
        let task = Add {
            a: summand(a),
            b: summand(b),
            scale: to.scale,
            levels: Levels::new(to.zero_point.into(), to.min.into(), to.max.into()),
            out: out.as_mut_ptr(),
            len: out.len(),
        };
        // SAFETY: `self` proves the CPU has `V`; all three slices have `len` elements.
        unsafe { V::enter(task) };
    }
}

fn summand(operand: Quantized<'_>) -> Summand {
    Summand { values: operand.values.as_ptr(), scale: operand.scale, zero_point: operand.zero_point.into() }
}

//! The definition of every result, in portable Rust.

use core::ops::Range;

use crate::arguments::{check_bounds, check_isa, check_lengths, check_matmul, check_matmul_f32};
use crate::levels::Levels;
use crate::packed::{GROUP, Layout};
use crate::{
    Bits, Blocked, Epilogue, Isa, Kernel, Matrix, MatrixMut, Output, PackedBlocks, PackedF32, PackedWeights, Quantized,
    Rescale, Weights,
};

/// Output channels whose sums in f32 advance side by side, since a single one would wait for each addition to end.
const CHAINS: usize = 8;

/// How weights in f32 are packed.
const FLOATS: Layout = Layout { lanes: 1, panel: CHAINS };

/// The kernel every machine has.
#[derive(Debug)]
pub(crate) struct Scalar;

impl Kernel for Scalar {
    fn isa(&self) -> Isa {
        Isa::Scalar
    }

    fn pack_weights(&self, weights: &Weights<'_>) -> PackedWeights {
        // Panels of one channel: each channel's weights lie in a row.
        PackedWeights::new(weights, Isa::Scalar, Layout { lanes: 1, panel: 1 })
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
        check_matmul(Isa::Scalar, input, rows, weights, &columns, bias, &output);
        let (k, n) = (weights.k(), columns.len());
        let depth = k.next_multiple_of(GROUP);
        let accumulator = |row: usize, channel: usize| {
            let input = &input[row * k..][..k];
            let zero_point = weights.zero_points().get(columns.start + channel).copied().unwrap_or(0);
            let weights = &weights.as_slice()[(columns.start + channel) * depth..][..k];
            let products = input.iter().zip(weights).map(|(&a, &w)| i32::from(a) * (i32::from(w) - zero_point));
            products.fold(bias[channel], i32::wrapping_add)
        };
        let positions = (0..rows).flat_map(|row| (0..n).map(move |channel| (row, channel)));
        match output {
            Output::I32(out) => {
                for (out, (row, channel)) in out.iter_mut().zip(positions) {
                    *out = accumulator(row, channel);
                }
            }
            Output::U8 { out, requantize } => {
                let levels = Levels::new(requantize.zero_point.into(), requantize.min.into(), requantize.max.into());
                for (out, (row, channel)) in out.iter_mut().zip(positions) {
                    let product = accumulator(row, channel) as f32 * requantize.multipliers[channel];
                    *out = levels.saturate(product) as u8;
                }
            }
            Output::F32 { out, scales, min, max } => {
                for (out, (row, channel)) in out.iter_mut().zip(positions) {
                    *out = clamp(accumulator(row, channel) as f32 * scales[channel], min, max);
                }
            }
        }
    }

    fn pack_f32(&self, weights: Matrix<'_>) -> PackedF32 {
        PackedF32::new(weights, Isa::Scalar, FLOATS)
    }

    fn repack_f32(&self, weights: Matrix<'_>, packed: &mut PackedF32) {
        check_isa(packed.isa(), Isa::Scalar);
        packed.replace(weights, FLOATS);
    }

    fn repack_rows_f32(&self, shape: (usize, usize), fill: &mut dyn FnMut(usize, &mut [f32]), packed: &mut PackedF32) {
        check_isa(packed.isa(), Isa::Scalar);
        packed.replace_rows(shape, fill, FLOATS);
    }

    fn matmul_f32(&self, input: Matrix<'_>, weights: &PackedF32, epilogue: Epilogue<'_>, out: MatrixMut<'_>) {
        check_matmul_f32(Isa::Scalar, (weights.isa(), weights.k(), weights.n()), &input, Some(&epilogue), &out);
        float_products(input, weights, Some(epilogue), out);
    }

    fn matmul_add_f32(&self, input: Matrix<'_>, weights: &PackedF32, out: MatrixMut<'_>) {
        check_matmul_f32(Isa::Scalar, (weights.isa(), weights.k(), weights.n()), &input, None, &out);
        float_products(input, weights, None, out);
    }

    fn pack_blocked(&self, weights: &Blocked<'_>) -> PackedBlocks {
        PackedBlocks::new(weights, Isa::Scalar, FLOATS)
    }

    fn matmul_blocked(&self, input: Matrix<'_>, weights: &PackedBlocks, epilogue: Epilogue<'_>, out: MatrixMut<'_>) {
        let (k, n, block) = (weights.k(), weights.n(), weights.block());
        check_matmul_f32(Isa::Scalar, (weights.isa(), k, n), &input, Some(&epilogue), &out);
        for_each_chains(input, n, Some(epilogue), out, |row, first, sums| {
            let columns = sums.len();
            let panel = weights.panel(first);
            for i in 0..k {
                let a = input.row(row, i)[0];
                let at = i / block * columns;
                for (c, sum) in sums.iter_mut().enumerate() {
                    let integer = match weights.bits() {
                        Bits::Eight => i32::from(panel.integers[i * columns + c] as i8),
                        Bits::Four => {
                            let pair = i / block * block.div_ceil(2) + i % block / 2;
                            i32::from(panel.integers[pair * columns + c] >> (i % block % 2 * 4) & 15)
                        }
                    };
                    let common = weights.common_zero_point();
                    let zero_point = panel.zero_points.map_or(common, |zero_points| zero_points[at + c].into());
                    *sum = libm::fmaf(a, (integer - zero_point) as f32 * panel.scales[at + c], *sum);
                }
            }
        });
    }

    fn quantize_u8(&self, input: &[f32], scale: f32, zero_point: u8, out: &mut [u8]) {
        quantize(input, scale, Levels::u8(zero_point), out, |level| level as u8);
    }

    fn quantize_i8(&self, input: &[f32], scale: f32, zero_point: i8, out: &mut [i8]) {
        quantize(input, scale, Levels::i8(zero_point), out, |level| level as i8);
    }

    fn dequantize_u8(&self, input: &[u8], scale: f32, zero_point: u8, out: &mut [f32]) {
        dequantize(input, scale, zero_point.into(), out);
    }

    fn dequantize_i8(&self, input: &[i8], scale: f32, zero_point: i8, out: &mut [f32]) {
        dequantize(input, scale, zero_point.into(), out);
    }

    fn lookup(&self, table: &[u8; 256], input: &[u8], out: &mut [u8]) {
        check_lengths(input.len(), out.len());
        for (out, &index) in out.iter_mut().zip(input) {
            *out = table[usize::from(index)];
        }
    }

    fn add(&self, a: Quantized<'_>, b: Quantized<'_>, to: Rescale, out: &mut [u8]) {
        check_lengths(a.values.len(), out.len());
        check_lengths(b.values.len(), out.len());
        check_bounds(to.min, to.max);
        let levels = Levels::new(to.zero_point.into(), to.min.into(), to.max.into());
        for (out, (&x, &y)) in out.iter_mut().zip(a.values.iter().zip(b.values)) {
            let x = real(x.into(), a.zero_point.into(), a.scale);
            let y = real(y.into(), b.zero_point.into(), b.scale);
            *out = levels.saturate((x + y) / to.scale) as u8;
        }
    }
}

/// The product with plain weights; without an epilogue the sums go on from what `out` holds.
fn float_products(input: Matrix<'_>, weights: &PackedF32, epilogue: Option<Epilogue<'_>>, out: MatrixMut<'_>) {
    let k = weights.k();
    for_each_chains(input, weights.n(), epilogue, out, |row, first, sums| {
        let panel = &weights.as_slice()[weights.panel_start(first)..][..k * sums.len()];
        for (i, weights) in panel.chunks_exact(sums.len()).enumerate() {
            let a = input.row(row, i)[0];
            for (sum, &w) in sums.iter_mut().zip(weights) {
                *sum = libm::fmaf(a, w, *sum);
            }
        }
    });
}

/// Has `add(row, first channel, sums)` add the products to the sums of each row and up to [`CHAINS`] channels; before and after it does what
/// [`Kernel::matmul_f32`] with an epilogue or [`Kernel::matmul_add_f32`] without one does.
fn for_each_chains(
    input: Matrix<'_>,
    n: usize,
    epilogue: Option<Epilogue<'_>>,
    mut out: MatrixMut<'_>,
    add: impl Fn(usize, usize, &mut [f32]),
) {
    for (row, first) in (0..input.rows()).flat_map(|row| (0..n).step_by(CHAINS).map(move |first| (row, first))) {
        let columns = CHAINS.min(n - first);
        let out = out.row(row, first, columns);
        let Some(Epilogue { bias, min, max }) = epilogue else {
            add(row, first, out);
            continue;
        };
        let mut sums = [0.0; CHAINS];
        let sums = &mut sums[..columns];
        add(row, first, sums);
        for (out, (sum, bias)) in out.iter_mut().zip(sums.iter().zip(&bias[first..])) {
            *out = clamp(*sum + bias, min, max);
        }
    }
}

/// `x` raised to `min`, then lowered to `max`; NaN and the sign of zero stay.
fn clamp(x: f32, min: f32, max: f32) -> f32 {
    let x = if min > x { min } else { x };
    if max < x { max } else { x }
}

fn real(level: i32, zero_point: i32, scale: f32) -> f32 {
    (level - zero_point) as f32 * scale
}

fn quantize<T>(input: &[f32], scale: f32, levels: Levels, out: &mut [T], narrow: impl Fn(i32) -> T) {
    check_lengths(input.len(), out.len());
    for (out, &x) in out.iter_mut().zip(input) {
        *out = narrow(levels.saturate(x / scale));
    }
}

fn dequantize<T: Copy + Into<i32>>(input: &[T], scale: f32, zero_point: i32, out: &mut [f32]) {
    check_lengths(input.len(), out.len());
    for (out, &level) in out.iter_mut().zip(input) {
        *out = real(level.into(), zero_point, scale);
    }
}

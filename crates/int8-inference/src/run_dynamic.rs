//! Runs a dense layer whose input is quantized by the range it has in the run.

use alloc::vec::Vec;
use core::ops::Range;

use kernels::Output;

use crate::compile::dense_dynamic::DenseDynamic;
use crate::execute::Run;
use crate::operators::params_of_range;

/// What such a layer works with; kept from run to run.
#[derive(Default)]
pub(crate) struct Scratch {
    input: Vec<u8>,
    bias: Vec<i32>,
    scales: Vec<f32>,
}

impl DenseDynamic {
    /// Computes `out` `[rows, n]` from `input` `[rows, k]`: the operators it was made of, in their order.
    pub(crate) fn run(&self, run: &Run<'_>, input: &[f32], rows: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let kernel = run.kernel;
        let params = params_of_range(input);
        scratch.input.resize(input.len(), 0);
        kernel.quantize_u8(input, params.scale, params.zero_point, &mut scratch.input);
        let zero_point = i32::from(params.zero_point);
        scratch.bias.clear();
        scratch.bias.extend(self.weights.column_sums().iter().map(|&sum| sum.wrapping_mul(zero_point).wrapping_neg()));
        scratch.scales.clear();
        scratch.scales.extend(self.scales.iter().map(|scale| params.scale * scale));
        let (min, max) = (f32::NEG_INFINITY, f32::INFINITY);
        let Scratch { input, bias, scales } = &*scratch;
        let product = |columns: Range<usize>, out: &mut [f32]| {
            let output = Output::F32 { out, scales: &scales[columns.clone()], min, max };
            kernel.matmul_columns(input, rows, &self.weights, columns.clone(), &bias[columns], output);
        };
        #[cfg(feature = "std")]
        let helpers = run.helpers.map(|helpers| (helpers, helpers.worth(&self.weights, rows)));
        #[cfg(feature = "std")]
        match helpers {
            Some((helpers, threads)) if threads > 1 => helpers.floats(&self.weights, rows, out, threads, product),
            _ => product(0..self.weights.n(), out),
        }
        #[cfg(not(feature = "std"))]
        product(0..self.weights.n(), out);
        let (min, max) = self.clamp;
        for row in out.chunks_exact_mut(self.bias.len().max(1)) {
            for (y, bias) in row.iter_mut().zip(&self.bias) {
                // As the kernels clamp: NaN stays.
                let sum = *y + bias;
                let sum = if min > sum { min } else { sum };
                *y = if max < sum { max } else { sum };
            }
        }
    }
}

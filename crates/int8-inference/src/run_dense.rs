//! Runs a dense layer; a large one on a single row is shared among threads by its output channels.
//!
//! A batch of one cannot be cut by samples, and a large layer takes as long as its weights take to be read: two cores read faster than one.

#[cfg(test)]
mod tests;

use core::ops::Range;

use kernels::{Kernel, Output, Requantize};
#[cfg(feature = "std")]
use rayon::ThreadPool;

use crate::compile::dense::{Dense, DenseOutput};

#[cfg(feature = "std")]
/// Weights per thread below which another thread may cost more than it saves: where it sleeps and the cores are busy, waking it takes as long
/// as reading some megabytes.
const WEIGHTS_PER_THREAD: usize = 8_000_000;

#[cfg(feature = "std")]
/// Threads that a single row of a layer `[k, n]` is worth.
pub(crate) fn threads_worth(k: usize, n: usize, threads: usize) -> usize {
    (k.saturating_mul(n) / WEIGHTS_PER_THREAD).clamp(1, threads.max(1))
}

/// Where a layer writes.
pub(crate) enum Target<'a> {
    U8(&'a mut [u8]),
    F32(&'a mut [f32]),
}

#[cfg(feature = "std")]
impl<'a> Target<'a> {
    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Target::U8(out) => {
                let (left, right) = out.split_at_mut(at);
                (Target::U8(left), Target::U8(right))
            }
            Target::F32(out) => {
                let (left, right) = out.split_at_mut(at);
                (Target::F32(left), Target::F32(right))
            }
        }
    }
}

#[cfg(feature = "std")]
/// Computes one row in `parts` pieces, the first on this thread and the others on the pool's.
pub(crate) fn run_shared(
    dense: &Dense,
    kernel: &dyn Kernel,
    input: &[u8],
    out: Target<'_>,
    pool: &ThreadPool,
    parts: usize,
) {
    let n = dense.weights.n();
    let part = n.div_ceil(parts).next_multiple_of(dense.weights.panel()).min(n);
    let (own, mut rest) = out.split(part);
    pool.in_place_scope(|scope| {
        let mut start = part;
        while start < n {
            let end = (start + part).min(n);
            let (piece, others) = rest.split(end - start);
            rest = others;
            scope.spawn(move |_| run(dense, kernel, input, 1, start..end, piece));
            start = end;
        }
        run(dense, kernel, input, 1, 0..part, own);
    });
}

/// Computes the output channels `columns` of `rows` rows on this thread; `out` has room for exactly these, in the type the layer makes.
pub(crate) fn run(
    dense: &Dense,
    kernel: &dyn Kernel,
    input: &[u8],
    rows: usize,
    columns: Range<usize>,
    out: Target<'_>,
) {
    let output = match (&dense.output, out) {
        (DenseOutput::U8 { multipliers, zero_point, min, max }, Target::U8(out)) => Output::U8 {
            out,
            requantize: Requantize {
                multipliers: &multipliers[columns.clone()],
                zero_point: *zero_point,
                min: *min,
                max: *max,
            },
        },
        (DenseOutput::F32 { scales, min, max }, Target::F32(out)) => {
            Output::F32 { out, scales: &scales[columns.clone()], min: *min, max: *max }
        }
        _ => return,
    };
    let bias = &dense.bias[columns.clone()];
    kernel.matmul_columns(input, rows, &dense.weights, columns, bias, output);
}

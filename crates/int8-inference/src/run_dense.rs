//! Runs a dense layer, its output channels shared among threads where that is faster.

#[cfg(test)]
mod tests;

use core::ops::Range;
#[cfg(feature = "std")]
use {
    crate::threads::{Load, share, threads_for},
    alloc::vec::Vec,
    core::cell::RefCell,
    kernels::PackedWeights,
    rayon::ThreadPool,
};

use kernels::{Kernel, Output, Requantize};

use crate::compile::dense::{Dense, DenseOutput};

/// Where a layer writes.
pub(crate) enum Target<'a> {
    U8(&'a mut [u8]),
    F32(&'a mut [f32]),
}

/// Threads that may share a layer with the one that runs it.
#[cfg(feature = "std")]
#[derive(Clone, Copy)]
pub(crate) struct Helpers<'a> {
    pub(crate) pool: &'a ThreadPool,
    pub(crate) pieces: &'a RefCell<Pieces>,
}

/// Where threads put the output channels that they have computed of several rows, before these are laid side by side.
#[cfg(feature = "std")]
#[derive(Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    floats: Vec<f32>,
}

#[cfg(feature = "std")]
impl<'a> Helpers<'a> {
    /// Threads that a layer is worth, this one included.
    pub(crate) fn worth(self, weights: &PackedWeights, rows: usize) -> usize {
        let load = Load::int8(weights.k(), weights.n(), 1);
        threads_for(load, rows, self.pool.current_num_threads() + 1)
    }

    /// Computes `rows` rows on so many threads.
    pub(crate) fn run(
        self,
        dense: &Dense,
        kernel: &dyn Kernel,
        input: &[u8],
        rows: usize,
        out: Target<'_>,
        threads: usize,
    ) {
        match out {
            Target::U8(out) => {
                let apart = &mut self.pieces.borrow_mut().bytes;
                self.shared(&dense.weights, rows, threads).compute(out, apart, |columns, piece| {
                    run(dense, kernel, input, rows, columns, Target::U8(piece));
                });
            }
            Target::F32(out) => self.floats(&dense.weights, rows, out, threads, |columns, piece| {
                run(dense, kernel, input, rows, columns, Target::F32(piece));
            }),
        }
    }

    /// Lets `fill` compute some output channels of `rows` rows at a time, `[rows, columns]`, on so many threads.
    pub(crate) fn floats(
        self,
        weights: &PackedWeights,
        rows: usize,
        out: &mut [f32],
        threads: usize,
        fill: impl Fn(Range<usize>, &mut [f32]) + Sync,
    ) {
        self.shared(weights, rows, threads).compute(out, &mut self.pieces.borrow_mut().floats, fill);
    }

    fn shared(self, weights: &PackedWeights, rows: usize, threads: usize) -> Shared<'a> {
        Shared { pool: self.pool, threads, rows, n: weights.n(), panel: weights.panel() }
    }
}

/// A layer with `rows` rows of `n` output channels, divided at multiples of `panel`.
#[cfg(feature = "std")]
struct Shared<'a> {
    pool: &'a ThreadPool,
    threads: usize,
    rows: usize,
    n: usize,
    panel: usize,
}

#[cfg(feature = "std")]
impl Shared<'_> {
    /// Pieces per thread: who wakes late takes fewer.
    const PER_THREAD: usize = 4;

    /// Lets threads fill `[rows, columns]` for some columns at a time and lays these into `out` `[rows, n]`.
    fn compute<T: Copy + Default + Send>(
        &self,
        out: &mut [T],
        apart: &mut Vec<T>,
        fill: impl Fn(Range<usize>, &mut [T]) + Sync,
    ) {
        let &Self { pool, threads, rows, n, panel } = self;
        let width = n.div_ceil(threads * Self::PER_THREAD).next_multiple_of(panel);
        let columns = |index: usize| index * width..n.min((index + 1) * width);
        let helpers = threads.min(n.div_ceil(width)) - 1;
        let each = |pieces: &mut [T]| {
            share(pool, helpers, pieces.chunks_mut(rows * width).enumerate(), |(index, piece)| {
                fill(columns(index), piece);
            });
        };
        if rows == 1 {
            return each(out);
        }
        if apart.len() < out.len() {
            apart.resize(out.len(), T::default());
        }
        let apart = &mut apart[..out.len()];
        each(apart);
        for (index, piece) in apart.chunks(rows * width).enumerate() {
            let columns = columns(index);
            for (row, piece) in piece.chunks_exact(columns.len()).enumerate() {
                out[row * n..][columns.clone()].copy_from_slice(piece);
            }
        }
    }
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

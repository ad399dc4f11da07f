//! How a run is shared among threads: by samples, each thread taking some through the whole plan, or layer by layer, each taking some of a
//! layer's output channels.
//!
//! Samples need the threads to meet only once, but each thread reads all weights; with few samples per thread that takes as long as
//! computing. Output channels divide the weights as well. Which is faster, and on how many threads, is estimated from the layers' sizes.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use rayon::ThreadPool;

use crate::plan::{Plan, Work};

/// int8 multiplications that are worth a thread, about 40 us: a thread that sleeps is awake after 10 to 30 us, later where cores are busy.
const PER_THREAD: u64 = 8_000_000;

/// int8 multiplications in the time that threads take to meet.
const MEETING: u64 = 4_000_000;

/// Rows that are computed in the time in which a layer's weights are read from the last cache.
const ROWS_PER_READ: usize = 4;

/// int8 multiplications in the time of one in f32; also how much larger an f32 weight is.
const FLOAT: u64 = 4;

/// Samples below which a share is not divided further: tiles of rows should be full.
const FEWEST_SAMPLES: usize = 16;

/// A dense layer, as far as its time goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Times of an int8 multiplication for all of a row.
    row: u64,
    /// Matrix rows per sample.
    rows: usize,
    /// Whether threads may share it by output channels.
    divisible: bool,
}

impl Load {
    /// An int8 layer `[k, n]`.
    pub(crate) fn int8(k: usize, n: usize, rows: usize) -> Self {
        Self { row: (k as u64).saturating_mul(n as u64), rows, divisible: true }
    }

    /// An f32 layer `[k, n]`.
    pub(crate) fn float(k: usize, n: usize, rows: usize) -> Self {
        Self { row: (k as u64).saturating_mul(n as u64).saturating_mul(FLOAT), rows, divisible: false }
    }

    /// Its time with so many samples, in int8 multiplications.
    fn cost(self, samples: usize) -> u64 {
        self.row.saturating_mul(self.rows.saturating_mul(samples).max(ROWS_PER_READ) as u64)
    }

    /// Its time when up to so many threads share its output channels.
    fn shared_cost(self, samples: usize, threads: usize) -> u64 {
        let cost = self.cost(samples);
        match if self.divisible { threads_worth(cost, threads) } else { 1 } {
            1 => cost,
            threads => cost / threads as u64 + MEETING,
        }
    }
}

/// What threads share in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Samples: so many threads, so many samples at once.
    Samples { threads: usize, piece: usize },
    /// The output channels of each layer that is worth it, if any is.
    Channels,
}

/// How to run `batch` samples on up to `threads` threads fastest.
pub(crate) fn choose(plan: &Plan, batch: usize, threads: usize) -> Split {
    choose_for(loads(plan), batch, threads)
}

fn choose_for(loads: impl Iterator<Item = Load> + Clone, batch: usize, threads: usize) -> Split {
    let total = |cost: &dyn Fn(Load) -> u64| loads.clone().map(cost).fold(0, u64::saturating_add);
    let workers = threads_worth(total(&|load| load.cost(batch)), threads).min(batch);
    if workers <= 1 {
        return Split::Channels;
    }
    let by_samples = total(&|load| load.cost(batch.div_ceil(workers))).saturating_add(MEETING);
    let by_channels = total(&|load| load.shared_cost(batch, threads));
    // Where both take as long, samples share what lies between the layers, too, unless weights are read for too few of them.
    let few = batch.div_ceil(workers) < FEWEST_SAMPLES;
    if by_channels < by_samples || few && by_channels == by_samples {
        return Split::Channels;
    }
    // Two pieces each: who is late takes one.
    let piece = batch.div_ceil(2 * workers).max(FEWEST_SAMPLES).min(batch.div_ceil(workers));
    Split::Samples { threads: workers, piece }
}

/// The dense layers of a plan.
fn loads(plan: &Plan) -> impl Iterator<Item = Load> + Clone {
    plan.steps.iter().filter_map(|step| match &step.work {
        Work::Dense { rows, dense, .. } => Some(Load::int8(dense.weights.k(), dense.weights.n(), *rows)),
        Work::DenseFloat { rows, dense, .. } => Some(Load::float(dense.weights.k(), dense.weights.n(), *rows)),
        _ => None,
    })
}

/// Threads that share the output channels of a layer.
pub(crate) fn threads_for(load: Load, samples: usize, threads: usize) -> usize {
    threads_worth(load.cost(samples), threads)
}

fn threads_worth(cost: u64, threads: usize) -> usize {
    usize::try_from(cost / PER_THREAD).unwrap_or(usize::MAX).clamp(1, threads.max(1))
}

/// Does `work` on each of the `pieces`, on this thread and on up to `helpers` of the pool. Whoever is free takes the next, so a thread that
/// wakes late delays nobody for longer than a piece.
pub(crate) fn share<I>(pool: &ThreadPool, helpers: usize, pieces: I, work: impl Fn(I::Item) + Sync)
where
    I: Iterator<Item: Send> + Send,
{
    let pieces = Mutex::new(pieces);
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some(piece) = next() {
            work(piece);
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| run());
        }
        run();
    });
}

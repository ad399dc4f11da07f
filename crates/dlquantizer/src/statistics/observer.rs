//! The hot loop of a calibration: values in, [`TensorStatistics`] out.

use super::{Bin, TensorStatistics};

/// One bin per upper half of an f32.
const BINS: usize = 1 << 16;

/// A bin of a block is one word, so that a value costs a single addition in memory: the count above, the sum of lower
/// halves in the lower 40 bits.
const LOW_BITS: u32 = 40;

/// Values in a block: neither part of a word overflows even if all fall into one bin, as
/// `(2^24 - 1) · (2^16 - 1) < 2^40`.
pub(super) const BLOCK: usize = (1 << (64 - LOW_BITS)) - 1;

/// Values passed over twice while they are in the first-level cache.
const CHUNK: usize = 2048;

/// Where zeros go in the table of a block, a prefix of NaN for each of [`ZERO_SLOTS`] consecutive values.
///
/// Half of what a ReLU gives is zero. In one bin, each addition would wait for the one before: 2.1 ns a value instead
/// of 0.6. They are counted apart, and nothing reads the bins of NaN.
const ZERO_SLOT: usize = 0xff81;
const ZERO_SLOTS: usize = 8;

/// Collects the [`TensorStatistics`] of one tensor from any number of slices, in fixed memory.
#[derive(Debug, Clone)]
pub struct Observer {
    /// Indexed by the upper half of a value.
    block: Box<[u64; BINS]>,
    block_len: usize,
    extremes: Extremes,
    /// Everything before the current block.
    total: TensorStatistics,
}

/// What is known of the values of a block besides the histogram.
#[derive(Debug, Clone, Copy)]
struct Extremes {
    zeros: u64,
    positive_infs: u64,
    negative_infs: u64,
    /// Of the finite values; `min > max` when there are none. Either may be `-0.0`.
    min: f32,
    max: f32,
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer {
    /// Bytes one observer may come to occupy, whatever it observes: the table of a block and the bins of all blocks
    /// before. The operating system backs only the pages of occupied bins, and few tensors occupy a tenth of them.
    pub const STATE_BYTES: usize = size_of::<Self>() + BINS * size_of::<u64>() + BINS * size_of::<Bin>();

    /// An observer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { block: empty_block(), block_len: 0, extremes: Extremes::NONE, total: TensorStatistics::default() }
    }

    /// Adds values.
    pub fn observe(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let room = BLOCK - self.block_len;
            let (chunk, rest) = values.split_at(values.len().min(room).min(CHUNK));
            self.extremes.include(chunk);
            count_in_bins(&mut self.block, chunk);
            self.block_len += chunk.len();
            if self.block_len == BLOCK {
                self.total = self.statistics();
                self.block = empty_block();
                self.block_len = 0;
                self.extremes = Extremes::NONE;
            }
            values = rest;
        }
    }

    /// The statistics of everything observed so far.
    #[must_use]
    pub fn statistics(&self) -> TensorStatistics {
        let mut statistics = self.block_statistics();
        statistics.accumulate(&self.total);
        statistics
    }

    fn block_statistics(&self) -> TensorStatistics {
        let mut bins = Vec::new();
        let mut finite = 0;
        for prefix in Bin::prefixes() {
            let word = self.block[usize::from(prefix)];
            let zeros = if prefix == 0 { self.extremes.zeros } else { 0 };
            let count = (word >> LOW_BITS) + zeros;
            if count > 0 {
                finite += count;
                bins.push(Bin { prefix, count, low_sum: word & ((1 << LOW_BITS) - 1) });
            }
        }
        let Extremes { zeros, positive_infs, negative_infs, min, max } = self.extremes;
        let count = self.block_len as u64;
        TensorStatistics {
            count,
            zeros,
            nans: count - finite - positive_infs - negative_infs,
            positive_infs,
            negative_infs,
            // Adding 0.0 turns -0.0 into 0.0.
            extremes: (min <= max).then_some((min + 0.0, max + 0.0)),
            bins,
        }
    }
}

/// Adds each value to the word of its bin. Infinities and NaN need no branch: they have bins nobody reads.
fn count_in_bins(block: &mut [u64; BINS], chunk: &[f32]) {
    let mut count = |slot: usize, value: f32| {
        let bits = value.to_bits();
        let is_zero = bits << 1 == 0;
        let bin = if is_zero { ZERO_SLOT + slot } else { (bits >> 16) as usize };
        block[bin % BINS] += 1 << LOW_BITS | u64::from(bits & 0xffff);
    };
    let (rows, rest) = chunk.as_chunks::<ZERO_SLOTS>();
    for row in rows {
        for (slot, &value) in row.iter().enumerate() {
            count(slot, value);
        }
    }
    for (slot, &value) in rest.iter().enumerate() {
        count(slot, value);
    }
}

impl Extremes {
    const NONE: Self =
        Self { zeros: 0, positive_infs: 0, negative_infs: 0, min: f32::INFINITY, max: f32::NEG_INFINITY };

    fn include(&mut self, chunk: &[f32]) {
        let (zeros, mut min, mut max) = look_at(chunk);
        if min == f32::NEG_INFINITY || max == f32::INFINITY {
            let count = |infinity| chunk.iter().filter(|&&value| value == infinity).count() as u64;
            self.positive_infs += count(f32::INFINITY);
            self.negative_infs += count(f32::NEG_INFINITY);
            let finite = || chunk.iter().copied().filter(|value| value.is_finite());
            min = finite().fold(f32::INFINITY, f32::min);
            max = finite().fold(f32::NEG_INFINITY, f32::max);
        }
        self.zeros += zeros;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }
}

/// The number of zeros and the smallest and largest value, infinities included and NaN left out.
///
/// In independent lanes with a comparison that is false for NaN, which the compiler turns into vector code; a plain fold
/// it may not reorder.
fn look_at(chunk: &[f32]) -> (u64, f32, f32) {
    const LANES: usize = 16;
    let mut zeros = [0_u32; LANES];
    let mut min = [f32::INFINITY; LANES];
    let mut max = [f32::NEG_INFINITY; LANES];
    let mut look = |lane: usize, value: f32| {
        zeros[lane] += u32::from(value == 0.0);
        min[lane] = if value < min[lane] { value } else { min[lane] };
        max[lane] = if value > max[lane] { value } else { max[lane] };
    };
    let (rows, rest) = chunk.as_chunks::<LANES>();
    for row in rows {
        for (lane, &value) in row.iter().enumerate() {
            look(lane, value);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        look(lane, value);
    }
    (
        zeros.into_iter().map(u64::from).sum(),
        min.into_iter().fold(f32::INFINITY, f32::min),
        max.into_iter().fold(f32::NEG_INFINITY, f32::max),
    )
}

fn empty_block() -> Box<[u64; BINS]> {
    // From a vector, for an array literal of this size would pass over the stack.
    vec![0; BINS].try_into().expect("the vector has BINS elements")
}

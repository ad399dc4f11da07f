//! The hot loop of a calibration: values in, [`TensorStatistics`] out.

use super::{Bin, TensorStatistics};

/// One bin per upper half of an f32.
const BINS: usize = 1 << 16;

/// A bin of a block is one word, so that a value costs a single addition in memory: the count above, the sum of lower
/// halves in the lower 40 bits.
const LOW_BITS: u32 = 40;

/// Values in a block: neither part of a word overflows even if all fall into one bin, as
/// `(2^24 - 1) · (2^16 - 1) < 2^40`.
const BLOCK: usize = (1 << (64 - LOW_BITS)) - 1;

/// Values looked at twice while they are in the first-level cache.
const CHUNK: usize = 2048;

/// The bin prefix of `-0.0`.
const NEGATIVE_ZERO: u16 = 0x8000;

/// Collects the [`TensorStatistics`] of one tensor from any number of slices, in fixed memory.
#[derive(Debug, Clone)]
pub struct Observer {
    /// Indexed by the upper half of a value, infinities and NaN included.
    block: Box<[u64; BINS]>,
    block_len: usize,
    scan: Scan,
    /// Everything before the current block.
    total: TensorStatistics,
}

/// What one look at the values of a block finds, besides the histogram.
#[derive(Debug, Clone, Copy)]
struct Scan {
    zeros: u64,
    negative_zeros: u64,
    positive_infs: u64,
    negative_infs: u64,
    /// [`order_key`] of the extremes; `min_key > max_key` when nothing was finite.
    min_key: i32,
    max_key: i32,
}

impl Scan {
    const EMPTY: Self = Self {
        zeros: 0,
        negative_zeros: 0,
        positive_infs: 0,
        negative_infs: 0,
        min_key: i32::MAX,
        max_key: i32::MIN,
    };
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer {
    /// An observer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            block: empty_block(),
            block_len: 0,
            scan: Scan::EMPTY,
            total: TensorStatistics::default(),
        }
    }

    /// Bytes one observer may come to occupy, whatever it observes: the table of a block and the bins of all blocks
    /// before. The operating system backs only the pages of occupied bins, a few dozen KiB for real tensors.
    pub const STATE_BYTES: usize =
        size_of::<Self>() + BINS * size_of::<u64>() + BINS * size_of::<Bin>();

    /// Adds values.
    pub fn observe(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let room = BLOCK - self.block_len;
            let (chunk, rest) = values.split_at(values.len().min(room).min(CHUNK));
            self.scan.look_at(chunk);
            for value in chunk {
                let bits = value.to_bits();
                self.block[(bits >> 16) as usize] += 1 << LOW_BITS | u64::from(bits & 0xffff);
            }
            self.block_len += chunk.len();
            if self.block_len == BLOCK {
                self.total = self.statistics();
                self.block = empty_block();
                self.block_len = 0;
                self.scan = Scan::EMPTY;
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
        let by_value = (NEGATIVE_ZERO..0xff80).rev().chain(0..0x7f80);
        for prefix in by_value {
            let word = self.block[usize::from(prefix)];
            let mut count = word >> LOW_BITS;
            match prefix {
                NEGATIVE_ZERO => count -= self.scan.negative_zeros,
                0 => count += self.scan.negative_zeros,
                _ => {}
            }
            if count > 0 {
                finite += count;
                let low_sum = word & ((1 << LOW_BITS) - 1);
                bins.push(Bin {
                    prefix,
                    count,
                    low_sum,
                });
            }
        }
        let Scan {
            zeros,
            positive_infs,
            negative_infs,
            min_key,
            max_key,
            ..
        } = self.scan;
        let count = self.block_len as u64;
        TensorStatistics {
            count,
            zeros,
            nans: count - finite - positive_infs - negative_infs,
            positive_infs,
            negative_infs,
            extremes: (min_key <= max_key).then(|| (from_key(min_key), from_key(max_key))),
            bins,
        }
    }
}

impl Scan {
    /// Branch-free, in 32-bit integers throughout, so that the compiler turns it into vector code.
    fn look_at(&mut self, chunk: &[f32]) {
        let (mut zeros, mut negative_zeros) = (0_u32, 0_u32);
        let (mut positive_infs, mut negative_infs) = (0_u32, 0_u32);
        let (mut min_key, mut max_key) = (self.min_key, self.max_key);
        for value in chunk {
            let bits = value.to_bits();
            let magnitude = bits & 0x7fff_ffff;
            zeros += u32::from(magnitude == 0);
            negative_zeros += u32::from(bits == 0x8000_0000);
            positive_infs += u32::from(bits == 0x7f80_0000);
            negative_infs += u32::from(bits == 0xff80_0000);
            let key = order_key(bits);
            let finite = (magnitude as i32) < 0x7f80_0000;
            min_key = min_key.min(if finite { key } else { i32::MAX });
            max_key = max_key.max(if finite { key } else { i32::MIN });
        }
        self.zeros += u64::from(zeros);
        self.negative_zeros += u64::from(negative_zeros);
        self.positive_infs += u64::from(positive_infs);
        self.negative_infs += u64::from(negative_infs);
        self.min_key = min_key;
        self.max_key = max_key;
    }
}

/// Maps the bits of finite values to integers of the same order; independent of the processor's treatment of
/// subnormals, which a float comparison is not.
fn order_key(bits: u32) -> i32 {
    let bits = bits as i32;
    bits ^ (bits >> 31 & i32::MAX)
}

/// The value of an [`order_key`], with `-0.0` as `0.0`.
fn from_key(key: i32) -> f32 {
    let bits = (key ^ (key >> 31 & i32::MAX)) as u32;
    if bits == 0x8000_0000 {
        0.0
    } else {
        f32::from_bits(bits)
    }
}

fn empty_block() -> Box<[u64; BINS]> {
    // From a vector, for an array literal of this size would pass over the stack.
    vec![0; BINS]
        .try_into()
        .expect("the vector has BINS elements")
}

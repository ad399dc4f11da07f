//! The hot loop of a calibration: values in, [`TensorStatistics`] out.

use super::{Bin, TensorStatistics};
use std::hint::black_box;

/// One bin per upper half of an f32.
const BINS: usize = 1 << 16;

/// What a value adds to the word of its bin besides its own bits.
///
/// The `count` values with the upper half `prefix` make the word `count · unit + low_sum` with
/// `unit = ONE + (prefix << 16)`; both come back by division, as `low_sum < ONE`.
const ONE: u64 = 1 << 40;

/// Values in a block. Even if all of them fall into one bin, its word stays below 2^64 (`BLOCK · (2^40 + 2^32) < 2^64`)
/// and the sum of their lower halves below [`ONE`] (`BLOCK · (2^16 - 1) < 2^40`).
pub(super) const BLOCK: usize = (1 << 24) - (1 << 16);

/// Values passed over twice while they are in the first-level cache.
const CHUNK: usize = 2048;

/// Words that the frequent bin of a chunk has for its own, used in turn.
///
/// Half of what a ReLU gives is zero, and most of a picture may be background: in one word, each addition would wait for
/// the one before.
const TURNS: usize = 8;

/// Pairs of values of a chunk that are looked at to find its frequent bin.
const PAIRS: usize = 4;

/// The bin of `0.0`.
const ZERO: u16 = 0x0000;

/// The bins that hold zeros: positive values below 2^-133, and negative ones above -2^-133.
const NEXT_TO_ZERO: [u16; 2] = [ZERO, 0x8000];

/// Collects the [`TensorStatistics`] of one tensor from any number of slices, in fixed memory.
#[derive(Debug, Clone)]
pub struct Observer {
    histogram: Histogram,
    block_len: usize,
    extremes: Extremes,
    /// Everything before the current block.
    total: TensorStatistics,
}

/// The bins of a block.
#[derive(Debug, Clone)]
struct Histogram {
    /// Indexed by the upper half of a value; behind them the words of the frequent bin.
    words: Box<[u64; BINS + TURNS]>,
    /// The upper half of the values whose words are in the turns.
    frequent: u16,
    /// Values other than zero in the bins of [`NEXT_TO_ZERO`].
    tiny: [u64; 2],
}

/// What is known of the values of a block besides the histogram.
#[derive(Debug, Clone, Copy)]
struct Extremes {
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
    pub const STATE_BYTES: usize = size_of::<Self>() + (BINS + TURNS) * size_of::<u64>() + BINS * size_of::<Bin>();

    /// An observer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { histogram: Histogram::new(), block_len: 0, extremes: Extremes::NONE, total: TensorStatistics::default() }
    }

    /// Adds values.
    pub fn observe(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            let room = BLOCK - self.block_len;
            let (chunk, rest) = values.split_at(values.len().min(room).min(CHUNK));
            self.extremes.include(chunk);
            self.histogram.include(chunk);
            self.block_len += chunk.len();
            if self.block_len == BLOCK {
                self.total = self.statistics();
                self.histogram.clear();
                (self.block_len, self.extremes) = (0, Extremes::NONE);
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

    /// The smallest and the largest finite value observed so far.
    pub(crate) fn extremes(&self) -> Option<(f32, f32)> {
        let Extremes { min, max, .. } = self.extremes;
        // Adding 0.0 turns -0.0 into 0.0.
        let block = (min <= max).then_some((min + 0.0, max + 0.0));
        let total = self.total.extremes;
        block.into_iter().chain(total).reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
    }

    fn block_statistics(&self) -> TensorStatistics {
        let (bins, zeros) = self.histogram.bins();
        let finite: u64 = bins.iter().map(|bin| bin.count).sum();
        let Extremes { positive_infs, negative_infs, min, max } = self.extremes;
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

impl Histogram {
    fn new() -> Self {
        // From a vector, for an array literal of this size would pass over the stack.
        let words = vec![0; BINS + TURNS].try_into().expect("the vector has the length of the array");
        Self { words, frequent: ZERO, tiny: [0; 2] }
    }

    /// Adds each value to its bin. Infinities and NaN need no branch: they have bins nobody reads.
    fn include(&mut self, chunk: &[f32]) {
        let before = NEXT_TO_ZERO.map(|prefix| self.word(prefix));
        let frequent = frequent_bin(chunk);
        if frequent != self.frequent {
            self.end_turns();
            self.frequent = frequent;
        }
        match frequent {
            // A shift tells that a prefix is zero, where others take a comparison: one instruction of seven.
            ZERO => count_in_turns(&mut self.words, ZERO, chunk),
            _ => count_in_turns(&mut self.words, frequent, chunk),
        }
        for (at, prefix) in NEXT_TO_ZERO.into_iter().enumerate() {
            // Zeros add nothing to the sum of lower halves, and hardly any other values come here.
            let added = self.word(prefix) - before[at];
            if added != 0 && !added.is_multiple_of(unit(prefix)) {
                let is_tiny = |value: f32| value != 0.0 && value.to_bits() >> 16 == u32::from(prefix);
                self.tiny[at] += chunk.iter().filter(|&&value| is_tiny(value)).count() as u64;
            }
        }
    }

    /// Empties all bins. The table stays where it is: a new one would come from memory in use, where every page counts.
    fn clear(&mut self) {
        self.words.iter_mut().filter(|word| **word != 0).for_each(|word| *word = 0);
        (self.frequent, self.tiny) = (ZERO, [0; 2]);
    }

    /// Puts the words of the frequent bin together.
    fn end_turns(&mut self) {
        self.words[usize::from(self.frequent)] = self.word(self.frequent);
        self.words[BINS..].fill(0);
    }

    fn word(&self, prefix: u16) -> u64 {
        let turns = if prefix == self.frequent { self.words[BINS..].iter().sum() } else { 0 };
        self.words[usize::from(prefix)] + turns
    }

    fn count(&self, prefix: u16) -> u64 {
        self.word(prefix) / unit(prefix)
    }

    /// The occupied bins of finite values by ascending value, `-0.0` being in that of `0.0`, and the number of zeros.
    fn bins(&self) -> (Vec<Bin>, u64) {
        let [positive, negative] = NEXT_TO_ZERO;
        let negative_zeros = self.count(negative) - self.tiny[1];
        let zeros = self.count(positive) - self.tiny[0] + negative_zeros;
        let bin = |prefix| {
            let count = match prefix {
                _ if prefix == positive => zeros + self.tiny[0],
                _ if prefix == negative => self.tiny[1],
                _ => self.count(prefix),
            };
            (count > 0).then(|| Bin { prefix, count, low_sum: self.word(prefix) % unit(prefix) })
        };
        (Bin::prefixes().filter_map(bin).collect(), zeros)
    }
}

/// See [`ONE`].
fn unit(prefix: u16) -> u64 {
    ONE + (u64::from(prefix) << 16)
}

/// A bin that both of two values are in, for a few pairs of the chunk; zero's if there is none.
fn frequent_bin(chunk: &[f32]) -> u16 {
    let step = (chunk.len() / (2 * PAIRS)).max(1);
    let mut pairs = chunk.chunks_exact(2 * step).map(|pair| (prefix(pair[0]), prefix(pair[step])));
    pairs.find(|(one, other)| one == other).map_or(ZERO, |(one, _)| one as u16)
}

/// Adds each value to the word of its bin, those of the frequent bin to its turns.
#[inline(always)]
fn count_in_turns(words: &mut [u64; BINS + TURNS], frequent: u16, chunk: &[f32]) {
    let one = hidden_one();
    let mut count = |turn: usize, value: f32| {
        let bin = if prefix(value) == usize::from(frequent) { BINS + turn } else { prefix(value) };
        words[bin] += one | u64::from(value.to_bits());
    };
    let (rows, rest) = chunk.as_chunks::<TURNS>();
    for row in rows {
        for (turn, &value) in row.iter().enumerate() {
            count(turn, value);
        }
    }
    for (turn, &value) in rest.iter().enumerate() {
        count(turn, value);
    }
}

/// [`ONE`] as a number the compiler does not know, or else it adds it to the word on its own, one instruction in six.
fn hidden_one() -> u64 {
    black_box(ONE)
}

fn prefix(value: f32) -> usize {
    (value.to_bits() >> 16) as usize
}

impl Extremes {
    const NONE: Self = Self { positive_infs: 0, negative_infs: 0, min: f32::INFINITY, max: f32::NEG_INFINITY };

    fn include(&mut self, chunk: &[f32]) {
        let (mut min, mut max) = extremes(chunk);
        if min == f32::NEG_INFINITY || max == f32::INFINITY {
            let count = |infinity| chunk.iter().filter(|&&value| value == infinity).count() as u64;
            self.positive_infs += count(f32::INFINITY);
            self.negative_infs += count(f32::NEG_INFINITY);
            let finite = || chunk.iter().copied().filter(|value| value.is_finite());
            min = finite().fold(f32::INFINITY, f32::min);
            max = finite().fold(f32::NEG_INFINITY, f32::max);
        }
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }
}

/// The smallest and largest value, infinities included and NaN left out.
///
/// In independent lanes with a comparison that is false for NaN, which the compiler turns into vector code; a plain fold
/// it may not reorder.
fn extremes(chunk: &[f32]) -> (f32, f32) {
    const LANES: usize = 16;
    let mut min = [f32::INFINITY; LANES];
    let mut max = [f32::NEG_INFINITY; LANES];
    let mut look = |lane: usize, value: f32| {
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
    (min.into_iter().fold(f32::INFINITY, f32::min), max.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

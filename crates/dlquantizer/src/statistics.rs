//! What a calibration keeps of one tensor: exact counters and a histogram, never the values.
//!
//! Finite values fall into bins by the upper 16 bits of their f32: sign, exponent and the first 7 mantissa bits, which
//! is the value truncated to bfloat16. A bin keeps an integer count and the integer sum of the lower 16 bits, so the
//! sum of its values is known exactly. With exponent field `e` and 23-bit mantissa `m`, an IEEE 754 binary32 number is
//!
//! ```text
//! normal    (e > 0):  ±2^(e - 150) · (2^23 + m)
//! subnormal (e = 0):  ±2^(1 - 150) · m
//! ```
//!
//! and in one bin only the lower 16 bits of `m` differ, hence
//! `sum of the bin = ±2^(max(e, 1) - 150) · (count · base + low_sum)` with the integer
//! `base = 2^23 · [e > 0] + 2^16 · (upper 7 bits of m)`.
//!
//! Everything kept is an integer, or a minimum or maximum, so [`TensorStatistics::merge`] is commutative and
//! associative: the state does not depend on the order, the batches or the threads the values came in.

mod channels;
mod distribution;
mod exact_sum;
mod observer;
mod octaves;
mod stored;
#[cfg(test)]
mod tests;

pub use channels::{ChannelError, ChannelObserver, ChannelStatistics};
pub use observer::Observer;
pub use octaves::Octave;
pub(crate) use stored::StoredStatistics;

use serde::{Deserialize, Serialize};

/// The most values the statistics of one tensor can hold: 2^48, some 350 passes over a million images of the largest
/// activation in ResNet-50.
///
/// Up to here every sum of lower halves fits in a `u64` (`2^48 · (2^16 - 1) < 2^64`).
pub const MAX_VALUES: u64 = 1 << 48;

/// The statistics of one tensor: counts, minimum, maximum and histogram of every value observed.
///
/// Equal sets of values give equal statistics, whatever their order and however they were split over [`Observer`]s and
/// merged. `-0.0` counts as `0.0`; NaN and infinities are counted and otherwise left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "StoredStatistics", try_from = "StoredStatistics")]
pub struct TensorStatistics {
    count: u64,
    zeros: u64,
    nans: u64,
    positive_infs: u64,
    negative_infs: u64,
    /// Smallest and largest finite value, never `-0.0`.
    extremes: Option<(f32, f32)>,
    /// The occupied bins by ascending value.
    bins: Vec<Bin>,
}

/// The finite values that share their upper 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bin {
    /// The upper 16 bits.
    prefix: u16,
    count: u64,
    /// Sum of the lower 16 bits of the values.
    low_sum: u64,
}

/// One occupied bin of a tensor's histogram, as [`TensorStatistics::bins`] gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistogramBin {
    /// The smallest f32 the bin can hold.
    pub lower: f32,
    /// The largest f32 the bin can hold (inclusive).
    pub upper: f32,
    /// Values in the bin, at least 1.
    pub count: u64,
    /// Mean of the values in the bin, correctly rounded up to a few units in the last place of an f64.
    pub mean: f64,
}

/// Two statistics together hold more than [`MAX_VALUES`] values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than 2^48 values in the statistics of one tensor; merge fewer calibrations")]
pub struct TooManyValues;

impl TensorStatistics {
    /// The statistics of `values`.
    #[must_use]
    pub fn of(values: &[f32]) -> Self {
        let mut observer = Observer::new();
        observer.observe(values);
        observer.statistics()
    }

    /// Adds the values of `other`; the result does not depend on which of the two is merged into which.
    ///
    /// # Errors
    ///
    /// When both together hold more than [`MAX_VALUES`] values; `self` is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), TooManyValues> {
        if self.count.saturating_add(other.count) > MAX_VALUES {
            return Err(TooManyValues);
        }
        self.accumulate(other);
        Ok(())
    }

    /// [`Self::merge`] without the limit: beyond [`MAX_VALUES`] the sums saturate, never wrap.
    fn accumulate(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.nans = self.nans.saturating_add(other.nans);
        self.positive_infs = self.positive_infs.saturating_add(other.positive_infs);
        self.negative_infs = self.negative_infs.saturating_add(other.negative_infs);
        self.extremes = match (self.extremes, other.extremes) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, None) | (None, one) => one,
        };
        self.bins = merge_bins(&self.bins, &other.bins);
    }

    /// All values observed, NaN and infinities included.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Values that are neither NaN nor infinite.
    #[must_use]
    pub fn finite_count(&self) -> u64 {
        self.count.saturating_sub(self.nans).saturating_sub(self.infs())
    }

    /// Values equal to zero, of either sign.
    #[must_use]
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Values that are NaN.
    #[must_use]
    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// Values that are infinite, of either sign.
    #[must_use]
    pub fn infs(&self) -> u64 {
        self.positive_infs.saturating_add(self.negative_infs)
    }

    /// Values that are `+inf`.
    #[must_use]
    pub fn positive_infs(&self) -> u64 {
        self.positive_infs
    }

    /// Values that are `-inf`.
    #[must_use]
    pub fn negative_infs(&self) -> u64 {
        self.negative_infs
    }

    /// The smallest finite value, exactly; none without a finite value.
    #[must_use]
    pub fn min(&self) -> Option<f32> {
        self.extremes.map(|(min, _)| min)
    }

    /// The largest finite value, exactly; none without a finite value.
    #[must_use]
    pub fn max(&self) -> Option<f32> {
        self.extremes.map(|(_, max)| max)
    }

    /// The mean of the finite values; none without a finite value.
    ///
    /// The values of one exponent are summed exactly, in integers and with their signs; only the at most 254 sums that
    /// result are rounded and added, from the smallest exponent to the largest. The error is below
    /// `2^-45 · mean(|x|)`, and the bits are the same for any order of the values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let count = self.finite_count();
        if count == 0 {
            return None;
        }
        let mut sums = [0_i128; 256];
        for bin in &self.bins {
            let sum = &mut sums[usize::from(bin.exponent())];
            *sum = if bin.is_negative() { *sum - bin.magnitude() } else { *sum + bin.magnitude() };
        }
        let mut total = 0.0;
        for (exponent, sum) in (0_u8..=255).zip(sums) {
            total += sum as f64 * unit(exponent);
        }
        Some(total / count as f64)
    }

    /// The occupied bins of the histogram of finite values, by ascending value.
    ///
    /// A bin spans a relative width of at most 2^-7, except around zero: the values below 2^-133 share one bin on each
    /// side, zero itself being in the positive one.
    pub fn bins(&self) -> impl ExactSizeIterator<Item = HistogramBin> + DoubleEndedIterator + '_ {
        self.bins.iter().map(Bin::describe)
    }
}

impl Bin {
    /// All prefixes of finite values, by ascending value.
    fn prefixes() -> impl Iterator<Item = u16> {
        (0x8000..0xff80).rev().chain(0..0x7f80)
    }

    /// Where the bin stands among all bins by ascending value.
    fn rank(&self) -> u16 {
        if self.is_negative() { !self.prefix } else { self.prefix | 0x8000 }
    }

    fn is_negative(&self) -> bool {
        self.prefix & 0x8000 != 0
    }

    /// Whether the bin holds numbers, not infinities and NaN.
    fn is_finite(&self) -> bool {
        self.prefix & 0x7f80 != 0x7f80
    }

    /// The exponent field that scales the bin; subnormals share the scale of field 1.
    fn exponent(&self) -> u8 {
        ((self.prefix & 0x7f80) >> 7).max(1) as u8
    }

    /// `base` of the module documentation.
    fn base(&self) -> u32 {
        let implicit = u32::from(self.prefix & 0x7f80 != 0) << 23;
        implicit | u32::from(self.prefix & 0x007f) << 16
    }

    /// Absolute sum of the values in units of `unit(exponent)`; below 2^88 for any u64 count.
    fn magnitude(&self) -> i128 {
        i128::from(self.count) * i128::from(self.base()) + i128::from(self.low_sum)
    }

    fn describe(&self) -> HistogramBin {
        let inner = f32::from_bits(u32::from(self.prefix) << 16);
        let outer = f32::from_bits(u32::from(self.prefix) << 16 | 0xffff);
        let mean = (f64::from(self.base()) + self.low_sum as f64 / self.count as f64) * unit(self.exponent());
        // Adding 0.0 turns -0.0 into 0.0.
        let (lower, upper, mean) = if self.is_negative() { (outer, inner + 0.0, -mean) } else { (inner, outer, mean) };
        HistogramBin { lower, upper, count: self.count, mean }
    }
}

/// `2^(exponent - 150)`, the step of the f32 with this exponent field; exact, as f64 reaches down to 2^-1022.
fn unit(exponent: u8) -> f64 {
    f64::from_bits((1023 - 150 + u64::from(exponent)) << 52)
}

/// The union of two bin lists by ascending value, equal bins added.
fn merge_bins(left: &[Bin], right: &[Bin]) -> Vec<Bin> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(&a), Some(&b)) = (left.peek(), right.peek()) {
        merged.push(match a.rank().cmp(&b.rank()) {
            std::cmp::Ordering::Less => {
                left.next();
                *a
            }
            std::cmp::Ordering::Greater => {
                right.next();
                *b
            }
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
                Bin {
                    prefix: a.prefix,
                    count: a.count.saturating_add(b.count),
                    low_sum: a.low_sum.saturating_add(b.low_sum),
                }
            }
        });
    }
    merged.extend(left);
    merged.extend(right);
    merged.shrink_to_fit();
    merged
}

//! The values of a histogram bin, as far as the statistics know them.

use crate::statistics::{HistogramBin, TensorStatistics};

/// 2^-30: well above the rounding of a mean, 2^-52, and well below the relative width of a bin, 2^-7.
const NO_WIDTH: f64 = 1.0 / (1_u64 << 30) as f64;

/// The values of one bin, taken as spread evenly over `[mean - half_width, mean + half_width]`.
///
/// The interval is the widest around the mean that leaves neither the bin nor the range of the tensor. A value alone in its
/// bin is known exactly, and so are values that all lie on an end of it: zeros, a constant, and whatever has at most 8
/// significant bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) half_width: f64,
}

impl Spread {
    /// The bins of a tensor by ascending value, the smallest and the largest value, which are known, on their own.
    pub(super) fn all(statistics: &TensorStatistics) -> Vec<Self> {
        let (Some(min), Some(max)) = (statistics.min(), statistics.max()) else { return Vec::new() };
        let mut bins: Vec<HistogramBin> = statistics.bins().collect();
        if let Some(first) = bins.first_mut() {
            take(first, min);
        }
        if let Some(last) = bins.last_mut() {
            take(last, max);
        }
        let single = |value: f32| Self { count: 1, mean: f64::from(value), half_width: 0.0 };
        let others = bins.iter().filter(|bin| bin.count > 0).map(|bin| Self::of(bin, min, max));
        let all = std::iter::once(single(min)).chain(others);
        // A single value is both.
        if statistics.finite_count() == 1 { all.collect() } else { all.chain([single(max)]).collect() }
    }

    /// [`Self::all`] without the values that are zero.
    pub(super) fn nonzero(statistics: &TensorStatistics) -> Vec<Self> {
        let mut zeros = statistics.zeros();
        let mut spreads = Self::all(statistics);
        // They share a bin with the smallest positive values.
        for spread in spreads.iter_mut().filter(|spread| spread.mean >= 0.0) {
            let taken = spread.count.min(zeros);
            spread.count -= taken;
            zeros -= taken;
        }
        spreads.retain(|spread| spread.count > 0);
        spreads
    }

    /// All values of a bin, those of the tensor lying between `min` and `max`.
    fn of(bin: &HistogramBin, min: f32, max: f32) -> Self {
        let below = bin.mean - f64::from(bin.lower.max(min));
        let above = f64::from(bin.upper.min(max)) - bin.mean;
        let widest = below.min(above);
        let half_width = if bin.count > 1 && widest > bin.mean.abs() * NO_WIDTH { widest } else { 0.0 };
        Self { count: bin.count, mean: bin.mean, half_width }
    }

    /// The smallest value.
    pub(super) fn low(&self) -> f64 {
        self.mean - self.half_width
    }

    /// The largest value.
    pub(super) fn high(&self) -> f64 {
        self.mean + self.half_width
    }

    /// The absolute values.
    pub(super) fn abs(&self) -> Self {
        Self { mean: self.mean.abs(), ..*self }
    }
}

/// Leaves a value that is in the bin out of it.
fn take(bin: &mut HistogramBin, value: f32) {
    bin.count = bin.count.saturating_sub(1);
    if bin.count > 0 {
        let mean = bin.mean + (bin.mean - f64::from(value)) / bin.count as f64;
        bin.mean = mean.clamp(f64::from(bin.lower), f64::from(bin.upper));
    }
}

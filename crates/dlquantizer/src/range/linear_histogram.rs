//! A histogram of equal bins, made from bins that grow with their values.

#[cfg(test)]
mod tests;

use super::spread::Spread;

/// Bins of the histogram, as in TensorRT.
pub(super) const BINS: usize = 2048;

/// What a value is divided into where its bin overlaps several bins of this histogram.
///
/// Integers, so that sums are exact and an empty bin is empty; 2^48 values of 2^15 parts fit in a `u64`.
const PARTS: u64 = 1 << 15;

/// How many values fall into each of [`BINS`] bins of equal width between two ends, and beyond them; in parts of a value.
pub(super) struct LinearHistogram {
    low: f64,
    high: f64,
    pub(super) below: u64,
    pub(super) bins: Vec<u64>,
    pub(super) above: u64,
}

impl LinearHistogram {
    /// The histogram of `spreads` over `[low, high]`.
    pub(super) fn new(low: f64, high: f64, spreads: impl Iterator<Item = Spread>) -> Self {
        let mut histogram = Self { low, high, below: 0, bins: vec![0; BINS], above: 0 };
        for spread in spreads {
            histogram.add(&spread);
        }
        histogram
    }

    /// Divides the values over the bins in proportion to the overlap.
    fn add(&mut self, spread: &Spread) {
        let (low, high) = (self.position(spread.low()), self.position(spread.high()));
        let parts = spread.count.saturating_mul(PARTS);
        let up_to = |edge: f64| {
            if edge >= high { parts } else { (parts as f64 * ((edge - low) / (high - low)).max(0.0)) as u64 }
        };
        // The values at the very end are inside.
        let end = if high <= BINS as f64 { parts } else { up_to(BINS as f64) };
        let mut placed = up_to(0.0).min(end);
        self.below = self.below.saturating_add(placed);
        self.above = self.above.saturating_add(parts - end);
        let first = low.max(0.0) as usize;
        for (bin, sum) in self.bins.iter_mut().enumerate().skip(first.min(BINS - 1)) {
            if placed == end {
                break;
            }
            let until = if bin == BINS - 1 { end } else { up_to((bin + 1) as f64).clamp(placed, end) };
            *sum = sum.saturating_add(until - placed);
            placed = until;
        }
    }

    /// Where a value lies, in bins from the lower end.
    pub(super) fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low) * BINS as f64
    }

    /// The upper edge of the last of so many bins.
    pub(super) fn edge(&self, bins: usize) -> f64 {
        if bins == BINS { self.high } else { self.low + (self.high - self.low) * (bins as f64 / BINS as f64) }
    }
}

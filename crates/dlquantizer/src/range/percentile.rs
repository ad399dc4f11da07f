//! The range that leaves out a share of the values.

#[cfg(test)]
mod tests;

use super::spread::Spread;
use super::{Range, Scheme};
use crate::statistics::TensorStatistics;

/// Units of [`Percentile::left_out`] in 1 %.
const PER_CENT: u64 = 1_000_000_000;
/// Units of [`Percentile::left_out`] in 100 %.
const WHOLE: u64 = 100 * PER_CENT;

/// The share of a tensor's values that its range keeps, in per cent: more than 50, at most 100.
///
/// Kept as a whole number of 10^-9 per cent, so that 99.9 means what it says and not the nearest binary fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Percentile {
    left_out: u64,
}

impl Default for Percentile {
    /// 99.99 %.
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Percentile {
    /// 99.99 %.
    pub const DEFAULT: Self = Self { left_out: PER_CENT / 100 };

    /// `percent` to the nearest 10^-9; none unless that is above 50 and at most 100.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        let left_out = ((100.0 - percent) * PER_CENT as f64).round_ties_even();
        (percent <= 100.0 && left_out < (WHOLE / 2) as f64).then_some(Self { left_out: left_out as u64 })
    }

    /// The share in per cent.
    #[must_use]
    pub fn percent(self) -> f64 {
        (WHOLE - self.left_out) as f64 / PER_CENT as f64
    }

    /// The range of a tensor that leaves out the given share of its values, half of it at either end, or, symmetric, in size; none
    /// without a finite value.
    #[must_use]
    pub fn range_of(self, statistics: &TensorStatistics, scheme: Scheme) -> Option<Range> {
        Some(self.range(&Spread::all(statistics), Range::min_max(statistics)?, scheme))
    }

    /// The range that leaves out the given share of the `n` values of `spreads`, the bins by ascending value.
    ///
    /// Asymmetric: with `k = floor(n · (1 - p/100) / 2)`, from the (k+1)-th smallest to the (k+1)-th largest value.
    /// Symmetric: with `k = floor(n · (1 - p/100))`, up to the (k+1)-th largest absolute value. That value is known to
    /// within its bin, 2^-7 of it. For `k = 0` it is `all`, the exact range.
    pub(super) fn range(self, spreads: &[Spread], all: Range, scheme: Scheme) -> Range {
        let count: u64 = spreads.iter().map(|spread| spread.count).sum();
        // Below count / 2, so it fits.
        let cut = |parts: u64| (u128::from(count) * u128::from(self.left_out) / u128::from(parts * WHOLE)) as u64;
        let (cut, ends) = match scheme {
            Scheme::Asymmetric => {
                let cut = cut(2);
                (cut, (at_rank(spreads, cut), at_rank(spreads, count.saturating_sub(1 + cut))))
            }
            Scheme::Symmetric => {
                let cut = cut(1);
                let mut sizes: Vec<Spread> = spreads.iter().map(Spread::abs).collect();
                // Bins of other sizes do not overlap, and where the two of a size meet no more is known of the order.
                sizes.sort_by(|a, b| a.mean.total_cmp(&b.mean));
                let abs_max = at_rank(&sizes, count.saturating_sub(1 + cut));
                (cut, (-abs_max, abs_max))
            }
        };
        if cut == 0 { all } else { Range::new(ends.0 as f32, ends.1 as f32).unwrap_or(all) }
    }
}

/// The value that has so many before it in ascending order.
fn at_rank(spreads: &[Spread], rank: u64) -> f64 {
    let mut before = 0;
    for spread in spreads {
        let inside = rank - before;
        if inside < spread.count {
            return spread.low() + 2.0 * spread.half_width * (inside as f64 + 0.5) / spread.count as f64;
        }
        before += spread.count;
    }
    spreads.last().map_or(0.0, Spread::high)
}

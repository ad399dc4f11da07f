//! How far two random halves of the samples agree on a range.

use serde::Serialize;

use crate::{Percentile, Range, Scheme, TensorRecord};

/// How far the ranges of two random halves of the samples are apart, in per cent of the width of the range of all: the larger of the
/// differences at the lower and at the upper end.
///
/// The halves are told apart by the hash of a sample, so they are the same for any order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stability {
    /// The activation.
    pub tensor: String,
    /// Its layer.
    pub layer: String,
    /// Of the range from the smallest to the largest value.
    pub minmax_percent: f64,
    /// Of the range that leaves out one value in 10,000.
    pub percentile_percent: f64,
}

impl Stability {
    /// Of an activation; none if one half saw nothing of it.
    pub(super) fn of(record: &TensorRecord) -> Option<Self> {
        let [even, odd] = record.halves.as_ref()?;
        let percentile = |half| Percentile::DEFAULT.range_of(half, Scheme::Asymmetric);
        let whole = percentile(&record.statistics)?;
        Some(Self {
            tensor: record.name.clone(),
            layer: record.layer.clone(),
            minmax_percent: apart(Range::min_max(even)?, Range::min_max(odd)?, Range::min_max(&record.statistics)?),
            percentile_percent: apart(percentile(even)?, percentile(odd)?, whole),
        })
    }
}

fn apart(even: Range, odd: Range, whole: Range) -> f64 {
    let difference = |a: f32, b: f32| (f64::from(a) - f64::from(b)).abs();
    match difference(whole.max(), whole.min()) {
        0.0 => 0.0,
        width => 100.0 * difference(even.min(), odd.min()).max(difference(even.max(), odd.max())) / width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_difference_counts() {
        let range = |min, max| Range::new(min, max).unwrap();
        assert_eq!(apart(range(-1.0, 4.0), range(-2.0, 3.5), range(-2.0, 4.0)), 100.0 / 6.0);
        assert_eq!(apart(range(0.0, 4.0), range(0.0, 1.0), range(0.0, 4.0)), 75.0);
        assert_eq!(apart(range(0.0, 0.0), range(0.0, 0.0), range(0.0, 0.0)), 0.0);
    }
}

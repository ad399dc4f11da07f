use super::*;
use crate::range::tests::samples::{BIN, any_scheme, any_values};
use crate::statistics::TensorStatistics;
use proptest::prelude::*;

fn range(values: &[f32], percent: f64, scheme: Scheme) -> Range {
    let statistics = TensorStatistics::of(values);
    let all = Range::min_max(&statistics).unwrap();
    Percentile::new(percent).unwrap().range(&Spread::all(&statistics), all, scheme)
}

/// By sorting the values.
fn sorted(values: &[f32], percent: f64, scheme: Scheme) -> (f32, f32) {
    let symmetric = scheme == Scheme::Symmetric;
    let mut values: Vec<f32> = values.iter().map(|&x| if symmetric { x.abs() } else { x }).collect();
    values.sort_by(f32::total_cmp);
    let outside = values.len() as f64 * (1.0 - percent / 100.0) / if symmetric { 1.0 } else { 2.0 };
    // The product is that much off where it should be a whole number.
    let cut = (outside + 1e-9).floor() as usize;
    let max = values[values.len() - 1 - cut].max(0.0);
    (if symmetric { -max } else { values[cut].min(0.0) }, max)
}

proptest! {
    #[test]
    fn ends_are_in_the_bin_of_the_order_statistic(
        values in any_values(), thousandths in 50_001..=100_000_u32, scheme in any_scheme()
    ) {
        let percent = f64::from(thousandths) / 1000.0;
        let (min, max) = sorted(&values, percent, scheme);
        let range = range(&values, percent, scheme);
        let ours = match scheme {
            Scheme::Asymmetric => (range.min(), range.max()),
            Scheme::Symmetric => (-range.abs_max(), range.abs_max()),
        };
        for (ours, exact) in [(ours.0, min), (ours.1, max)] {
            let (ours, exact) = (f64::from(ours), f64::from(exact));
            // Below 2^-133 there is one bin for all.
            prop_assert!((ours - exact).abs() <= BIN * exact.abs() + (-133_f64).exp2(), "{ours} for {exact}");
        }
    }

    #[test]
    fn the_percentage_comes_back(billionths in 50_000_000_001..=100_000_000_000_u64) {
        let percentile = Percentile { left_out: WHOLE - billionths };
        prop_assert_eq!(Percentile::new(percentile.percent()), Some(percentile));
    }
}

#[test]
fn decimal_fractions_cut_whole_numbers_of_values() {
    for (count, percent, cut) in
        [(2_000, 99.9, 1), (20_000, 99.99, 1), (1_999, 99.9, 0), (1_000, 99.8, 1), (4, 50.1, 0)]
    {
        // One in a bin.
        let values: Vec<f32> = (1..=count).map(|prefix| f32::from_bits(prefix << 16)).collect();
        assert_eq!(range(&values, percent, Scheme::Asymmetric).max().to_bits() >> 16, count - cut, "{percent} %");
    }
}

#[test]
fn all_of_the_values_are_min_max() {
    let values = [-3.0, 0.1, 7.7];
    for (percent, scheme) in [(100.0, Scheme::Asymmetric), (99.99, Scheme::Asymmetric), (99.99, Scheme::Symmetric)] {
        assert_eq!(range(&values, percent, scheme), Range::new(-3.0, 7.7).unwrap());
    }
}

#[test]
fn what_is_no_percentile_is_refused() {
    for percent in [50.0, 0.0, -1.0, 100.1, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Percentile::new(percent), None, "{percent}");
    }
    assert_eq!(Percentile::new(99.99), Some(Percentile::default()));
    assert_eq!(Percentile::default().percent(), 99.99);
}

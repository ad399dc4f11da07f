use super::*;
use crate::range::tests::samples::{BIN, SCHEMES, any_scheme, any_values, error, kinds, size};
use proptest::prelude::*;

fn ours(values: &[f32], quant_type: QuantType, scheme: Scheme) -> QuantParams {
    let statistics = TensorStatistics::of(values);
    params(&statistics, Range::min_max(&statistics).unwrap(), quant_type, scheme)
}

/// The least error over a grid of ranges, from the values themselves.
fn least(values: &[f32], quant_type: QuantType, scheme: Scheme, grid: u32) -> f64 {
    let statistics = TensorStatistics::of(values);
    let all = Range::min_max(&statistics).unwrap();
    let cut = |end: f32, i: u32| end * (i as f32 / grid as f32);
    let lower_ends = if scheme == Scheme::Symmetric || all.min() == 0.0 { grid..=grid } else { 1..=grid };
    let ranges = lower_ends.flat_map(|i| (1..=grid).map(move |j| (i, j))).filter_map(|(i, j)| match scheme {
        Scheme::Symmetric => Range::new(-cut(all.abs_max(), j), cut(all.abs_max(), j)),
        Scheme::Asymmetric => Range::new(cut(all.min(), i), cut(all.max(), j)),
    });
    ranges.map(|range| error(values, QuantParams::new(range, quant_type, scheme))).fold(f64::INFINITY, f64::min)
}

#[test]
fn no_range_of_a_grid_is_better_on_the_values() {
    for (kind, values) in kinds(3, 4096) {
        for (quant_type, scheme, grid) in [
            (QuantType::I8, Scheme::Symmetric, 400),
            (QuantType::U8, Scheme::Asymmetric, 20),
            (QuantType::I4, Scheme::Symmetric, 400),
            (QuantType::U4, Scheme::Asymmetric, 20),
            (QuantType::I16, Scheme::Symmetric, 100),
        ] {
            let params = ours(&values, quant_type, scheme);
            let (ours, least) = (error(&values, params), least(&values, quant_type, scheme, grid));
            // A bin of a standard normal distribution is known far better than to its width.
            assert!(ours <= 1.01 * least, "{kind}, {quant_type:?} {scheme:?}: {ours} for {least}, {params:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Both errors are known to within the width of a bin.
    #[test]
    fn no_range_is_better_by_more_than_bins_are_wide(values in any_values(), scheme in any_scheme()) {
        for quant_type in [QuantType::U4, QuantType::I8] {
            let params = ours(&values, quant_type, scheme);
            let (ours, least) = (error(&values, params), least(&values, quant_type, scheme, 12));
            let bound = 2.0 * BIN * size(&values) + f64::from(MIN_SCALE);
            prop_assert!(ours <= 1.02 * least + bound, "{ours} for {least} within {bound}, {params:?}");
        }
    }
}

#[test]
fn what_min_max_quantizes_exactly_stays() {
    for scheme in SCHEMES {
        for values in [vec![0.1; 50], vec![0.0; 3], (0..=255).map(|i| i as f32 / 255.0).collect()] {
            let all = Range::min_max(&TensorStatistics::of(&values)).unwrap();
            let widest = QuantParams::new(all, QuantType::U8, scheme);
            if error(&values, widest) < 1e-6 {
                assert_eq!(ours(&values, QuantType::U8, scheme), widest);
            }
        }
    }
}

use super::*;
use crate::range::tests::samples::{BIN, any_scheme, any_values, error, kinds, size};
use proptest::prelude::*;

fn ours(values: &[f32], quant_type: QuantType, scheme: Scheme) -> QuantParams {
    let statistics = TensorStatistics::of(values);
    least_error(&statistics, Range::min_max(&statistics).unwrap(), quant_type, scheme)
}

/// The least error over all zero points of the exponents that matter, from the values themselves.
fn least(values: &[f32], quant_type: QuantType, scheme: Scheme) -> f64 {
    let all = Range::min_max(&TensorStatistics::of(values)).unwrap();
    let covering = QuantParams::power_of_two(all, quant_type, scheme).scale;
    let zero_points = match scheme {
        Scheme::Asymmetric => quant_type.min()..=quant_type.max(),
        Scheme::Symmetric => quant_type.middle()..=quant_type.middle(),
    };
    (0..8)
        .map(|k| (covering * (-k as f32).exp2()).max(MIN_SCALE))
        .flat_map(|scale| zero_points.clone().map(move |zero_point| QuantParams { scale, zero_point, quant_type }))
        .map(|params| error(values, params))
        .fold(f64::INFINITY, f64::min)
}

fn is_power_of_two(scale: f32) -> bool {
    scale.is_normal() && scale.to_bits() & 0x007f_ffff == 0
}

#[test]
fn no_exponent_and_zero_point_is_better_on_the_values() {
    for (kind, values) in kinds(5, 1000) {
        for (quant_type, scheme) in [
            (QuantType::I8, Scheme::Symmetric),
            (QuantType::U8, Scheme::Asymmetric),
            (QuantType::I4, Scheme::Symmetric),
            (QuantType::U4, Scheme::Asymmetric),
            (QuantType::I16, Scheme::Symmetric),
        ] {
            let params = ours(&values, quant_type, scheme);
            let (ours, least) = (error(&values, params), least(&values, quant_type, scheme));
            // The only choice between neighbours that a bin blurs is one between nearly equal ones.
            assert!(ours <= 1.03 * least, "{kind}, {quant_type:?} {scheme:?}: {ours} for {least}, {params:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Both errors are known to within the width of a bin.
    #[test]
    fn no_exponent_is_better_by_more_than_bins_are_wide(values in any_values(), scheme in any_scheme()) {
        for quant_type in [QuantType::U4, QuantType::I8] {
            let params = ours(&values, quant_type, scheme);
            prop_assert!(is_power_of_two(params.scale));
            let (ours, least) = (error(&values, params), least(&values, quant_type, scheme));
            let bound = 2.0 * BIN * size(&values);
            prop_assert!(ours <= least + bound, "{ours} for {least} within {bound}, {params:?}");
        }
    }
}

#[test]
fn rare_large_values_overflow_for_the_sake_of_the_others() {
    let mut values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
    values.push(1.1);
    let statistics = TensorStatistics::of(&values);
    let all = Range::min_max(&statistics).unwrap();
    for (scheme, covering, best) in [(Scheme::Symmetric, 64.0, 128.0), (Scheme::Asymmetric, 128.0, 256.0)] {
        assert_eq!(QuantParams::power_of_two(all, QuantType::I8, scheme).scale, 1.0 / covering);
        assert_eq!(least_error(&statistics, all, QuantType::I8, scheme).scale, 1.0 / best);
    }
}

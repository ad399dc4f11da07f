use super::*;
use crate::range::tests::samples::{BIN, any_scheme, any_values, error, kinds, size};
use crate::range::{MIN_SCALE, Range};
use proptest::prelude::*;

/// The expected error, by quantizing many values of each bin.
fn sampled(spreads: &[Spread], params: QuantParams) -> f64 {
    const POINTS: u32 = 3000;
    let lowest = f64::from(params.quant_type.min() - params.zero_point);
    let highest = f64::from(params.quant_type.max() - params.zero_point);
    let scale = f64::from(params.scale);
    let square = |x: f64| (x - (x / scale).round_ties_even().clamp(lowest, highest) * scale).powi(2);
    let of_bin = |spread: &Spread| {
        let at = |i: u32| spread.low() + 2.0 * spread.half_width * (f64::from(i) + 0.5) / f64::from(POINTS);
        spread.count as f64 * (0..POINTS).map(|i| square(at(i))).sum::<f64>() / f64::from(POINTS)
    };
    spreads.iter().map(of_bin).sum()
}

fn eight_bits_or_less() -> impl Strategy<Value = QuantType> {
    prop::sample::select(vec![QuantType::U4, QuantType::I4, QuantType::U8, QuantType::I8])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_antiderivative_is_that_of_the_error(
        seed in any::<u64>(), scale in 0.001..3.0_f32, quant_type in eight_bits_or_less(), at in 0.0..=1.0_f64
    ) {
        let zero_point = quant_type.min() + (at * f64::from(quant_type.steps())) as i32;
        let params = QuantParams { scale, zero_point, quant_type };
        for (kind, values) in kinds(seed, 100) {
            let statistics = TensorStatistics::of(&values);
            let (ours, sampled) = (
                SquaredError::of(&statistics).cost(params).error,
                sampled(&Spread::all(&statistics), params),
            );
            prop_assert!((ours - sampled).abs() <= 1e-4 * sampled + 1e-12, "{kind}: {ours} for {sampled}");
        }
    }

    /// A value moves by less than the width of its bin, and the error by no more than the value.
    #[test]
    fn the_error_is_known_to_within_the_width_of_a_bin(
        values in any_values(), quant_type in eight_bits_or_less(), scheme in any_scheme(), cut in 0.01..=1.0_f32
    ) {
        let statistics = TensorStatistics::of(&values);
        let range = Range::min_max(&statistics).unwrap();
        let range = Range::new(range.min() * cut, range.max() * cut).unwrap();
        let params = QuantParams::new(range, quant_type, scheme);
        let ours = (SquaredError::of(&statistics).cost(params).error / values.len() as f64).sqrt();
        let (exact, bound) = (error(&values, params), BIN * size(&values));
        prop_assert!((ours - exact).abs() <= bound + f64::from(MIN_SCALE), "{ours} for {exact} within {bound}");
    }

    #[test]
    fn bisection_finds_the_best_of_all_zero_points(
        values in any_values(), quant_type in eight_bits_or_less(), cut in 0.01..=1.5_f32
    ) {
        let statistics = TensorStatistics::of(&values);
        let widest = QuantParams::asymmetric(Range::min_max(&statistics).unwrap(), quant_type);
        let scale = (widest.scale * cut).clamp(MIN_SCALE, f32::MAX);
        let errors = SquaredError::of(&statistics);
        let ours = errors.least(scale, quant_type, Scheme::Asymmetric);
        let all = (quant_type.min()..=quant_type.max())
            .map(|zero_point| errors.cost(QuantParams { scale, zero_point, quant_type }).error);
        let best = all.fold(f64::INFINITY, f64::min);
        prop_assert!(ours.error <= best * (1.0 + 1e-9), "{} for {best}", ours.error);
        prop_assert_eq!(errors.cost(ours.params).error, ours.error);
        prop_assert!(errors.clipped(f64::from(scale) * f64::from(quant_type.steps())) <= best * (1.0 + 1e-9));
    }
}

#[test]
fn hand_computed_errors() {
    let cost = |values: &[f32], params| SquaredError::of(&TensorStatistics::of(values)).cost(params).error;
    let params = QuantParams { scale: 1.0, zero_point: 0, quant_type: QuantType::U4 };
    // Rounded down, tied, exact, clipped above and below.
    assert_eq!(cost(&[3.25], params), 0.0625);
    assert_eq!(cost(&[2.5], params), 0.25);
    assert_eq!(cost(&[0.0, 7.0, 15.0], params), 0.0);
    assert_eq!(cost(&[18.0, -2.0], params), 9.0 + 4.0);
    // Values in the middle of a bin are taken as evenly spread over it, 32 steps here, and the ends as they are.
    let params = QuantParams { scale: 1.0 / 64.0, zero_point: 0, quant_type: QuantType::U16 };
    let spread = cost(&[0.0, 64.25, 64.25, 128.0], params);
    assert!((spread / (2.0 / 12.0 / 64.0 / 64.0) - 1.0).abs() < 1e-3, "{spread}");
    assert_eq!(cost(&[64.25, 64.25], params), 0.0);
}

#[test]
fn a_clipped_value_counts_once() {
    let errors = SquaredError::of(&TensorStatistics::of(&[5.0, 6.0]));
    assert_eq!(errors.clipped(3.0), 4.0 + 9.0);
    let errors = SquaredError::of(&TensorStatistics::of(&[-5.0, 1.0, 6.0]));
    assert_eq!(errors.clipped(3.0), 4.0 + 9.0);
}

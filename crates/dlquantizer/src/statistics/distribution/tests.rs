use crate::TensorStatistics;
use crate::statistics::tests::values;
use proptest::prelude::*;

/// The finite values by size.
fn sorted(values: &[f32]) -> Vec<f32> {
    let mut finite: Vec<f32> = values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
    finite.sort_by(f32::total_cmp);
    finite
}

proptest! {
    #[test]
    fn standard_deviation_keeps_its_error_bound(values in values(), narrow in any::<bool>()) {
        // Most of what varies is then within the bins.
        let values: Vec<f32> = if narrow { values.iter().map(|value| 1.0 + value / 1e4).collect() } else { values };
        let finite: Vec<f64> = sorted(&values).into_iter().map(f64::from).collect();
        let found = TensorStatistics::of(&values).std_dev();
        prop_assert_eq!(found.is_none(), finite.is_empty());
        if let Some(found) = found {
            let mean_of = |f: &dyn Fn(f64) -> f64| finite.iter().map(|&value| f(value)).sum::<f64>() / finite.len() as f64;
            let mean = mean_of(&|value| value);
            let exact = mean_of(&|value| (value - mean).powi(2)).sqrt();
            let rms = mean_of(&|value| value * value).sqrt();
            let rounding = 1e-12 * rms;
            prop_assert!(found <= exact + rounding, "{found} for {exact}");
            prop_assert!(exact - found <= rms / 256.0 + (-134_f64).exp2() + rounding, "{found} for {exact}");
        }
    }

    #[test]
    fn a_quantile_is_in_the_bin_of_the_value_at_its_place(values in values(), q in 0.0..=1.0_f64) {
        let sorted = sorted(&values);
        let statistics = TensorStatistics::of(&values);
        let found = statistics.quantile(q);
        prop_assert_eq!(found.is_none(), sorted.is_empty());
        if let Some(found) = found {
            let place = ((q * sorted.len() as f64).ceil() as usize).max(1);
            prop_assert_eq!(found.to_bits() >> 16, sorted[place - 1].to_bits() >> 16, "{} for {}", found, sorted[place - 1]);
            prop_assert_eq!(statistics.quantile(0.0), sorted.first().copied());
            prop_assert_eq!(statistics.quantile(1.0), sorted.last().copied());
            prop_assert!(statistics.quantile(q / 2.0).unwrap() <= found);
        }
    }
}

#[test]
fn known_distributions() {
    let statistics = TensorStatistics::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, f32::NAN]);
    assert_eq!(statistics.std_dev(), Some(2.0));
    let quantiles = [0.0, 0.125, 0.126, 0.5, 0.501, 0.9, 1.0].map(|q| statistics.quantile(q).unwrap());
    assert_eq!(quantiles, [2.0, 2.0, 4.0, 4.0, 5.0, 9.0, 9.0]);
    assert_eq!([-0.1, 1.1, f64::NAN].map(|q| statistics.quantile(q)), [None; 3]);
}

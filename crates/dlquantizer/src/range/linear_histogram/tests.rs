use super::*;
use crate::range::tests::samples::{any_values, kinds};
use crate::statistics::TensorStatistics;
use proptest::prelude::*;

/// At every edge, the values below it are those of all bins below and some of the bins that the edge divides.
fn check(values: &[f32], low: f64, high: f64) {
    let spreads = Spread::all(&TensorStatistics::of(values));
    let histogram = LinearHistogram::new(low, high, spreads.iter().copied());
    let count = |is_counted: &dyn Fn(&Spread) -> bool| -> f64 {
        spreads.iter().filter(|spread| is_counted(spread)).map(|spread| spread.count as f64).sum()
    };
    let mut parts = histogram.below;
    for bin in 0..=BINS {
        let edge = histogram.edge(bin);
        // Wide enough for the rounding of a position to fall on the other side of an edge.
        let margin = (low.abs() + high.abs()) * 1e-12;
        let least = count(&|spread| spread.high() < edge - margin);
        let most = count(&|spread| spread.low() <= edge + margin);
        let below = parts as f64 / PARTS as f64;
        assert!((least..=most).contains(&below), "{below} values below {edge}, not {least} to {most}");
        parts += histogram.bins.get(bin).unwrap_or(&histogram.above);
    }
    assert_eq!(parts, values.len() as u64 * PARTS);
}

proptest! {
    #[test]
    fn values_fall_between_the_edges_they_lie_between(values in any_values(), at in 0.0..=1.0_f64, reach in 0.0..=1.0_f64) {
        let statistics = TensorStatistics::of(&values);
        let (min, max) = (f64::from(statistics.min().unwrap()), f64::from(statistics.max().unwrap()));
        prop_assume!(min < max);
        check(&values, min, max);
        let low = min + at * (max - min) / 2.0;
        let high = max - reach * (max - min) / 2.0;
        if low < high {
            check(&values, low, high);
        }
    }
}

#[test]
fn values_of_one_bin_are_spread_over_all_bins_in_it() {
    for (kind, values) in kinds(1, 5000) {
        let statistics = TensorStatistics::of(&values);
        if kind != "constant" {
            check(&values, f64::from(statistics.min().unwrap()), f64::from(statistics.max().unwrap()));
        }
    }
    // The bin of 1.5 to 1.5078125 holds 101 values, in [0, 1.5078] the last 10.6 of 2048 bins.
    let inside = (0..=100).map(|i| 1.5 + 0.0078 * i as f32 / 100.0);
    let values: Vec<f32> = inside.chain([-1.0, 2.0]).collect();
    let spreads = Spread::all(&TensorStatistics::of(&values));
    let histogram = LinearHistogram::new(0.0, spreads[1].high(), spreads.into_iter());
    let occupied = histogram.bins.iter().filter(|&&bin| bin > 0).count();
    assert_eq!(occupied, 11);
    assert_eq!((histogram.below, histogram.above), (PARTS, PARTS));
}

use super::*;
use crate::range::tests::samples::{BIN, SCHEMES, any_values, kinds, normal};
use proptest::prelude::*;

/// The divergence as the publication has it, with both distributions written out.
fn written_out(below: f64, bins: &[f64], above: f64, levels: usize) -> f64 {
    let mut reference = bins.to_vec();
    reference[0] += below;
    *reference.last_mut().unwrap() += above;
    let mut candidate = vec![0.0; bins.len()];
    for level in 0..levels {
        let is_in_level = |bin: usize| bin * levels >= level * bins.len() && bin * levels < (level + 1) * bins.len();
        let occupied: Vec<usize> = (0..bins.len()).filter(|&bin| is_in_level(bin) && bins[bin] > 0.0).collect();
        let sum: f64 = occupied.iter().map(|&bin| bins[bin]).sum();
        for &bin in &occupied {
            candidate[bin] = sum / occupied.len() as f64;
        }
    }
    let (p, q): (f64, f64) = (reference.iter().sum(), candidate.iter().sum());
    let terms = reference.iter().zip(&candidate).filter(|(reference, _)| **reference > 0.0);
    terms.map(|(&reference, &candidate)| (reference / p) * ((reference / p) / (candidate / q)).ln()).sum()
}

fn histogram(values: &[f32], low: f64, high: f64) -> LinearHistogram {
    LinearHistogram::new(low, high, Spread::nonzero(&TensorStatistics::of(values)).into_iter())
}

fn ours(values: &[f32], quant_type: QuantType, scheme: Scheme) -> Range {
    let statistics = TensorStatistics::of(values);
    range(&statistics, Range::min_max(&statistics).unwrap(), quant_type, scheme)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn divergence_from_sums_is_that_of_the_distributions(
        filled in prop::collection::vec((0..BINS, 1..1000_u64), 1..400), at_ends in (0..20_u64, 0..20_u64),
        below in 0..20_u64, above in 0..20_u64, start in 0..1500_usize, length in SMALLEST..1500_usize,
        levels in prop::sample::select(vec![8_usize, 16, 128, 256])
    ) {
        let end = (start + length).min(BINS);
        let start = end - length;
        let mut histogram = histogram(&[1.0], 0.0, 1.0);
        histogram.bins.fill(0);
        for (bin, parts) in filled {
            histogram.bins[bin] += parts;
        }
        histogram.bins[start] += 1000 * at_ends.0;
        histogram.bins[end - 1] += 1000 * at_ends.1;
        (histogram.below, histogram.above) = (below, above);
        let ours = Windows::new(&histogram, levels).divergence(start, end);
        let bins: Vec<f64> = histogram.bins.iter().map(|&parts| parts as f64).collect();
        let below = below as f64 + bins[..start].iter().sum::<f64>();
        let above = above as f64 + bins[end..].iter().sum::<f64>();
        let inside: f64 = bins[start..end].iter().sum();
        let expected = written_out(below, &bins[start..end], above, levels);
        if below + above > (inside + below + above) / LEFT_OUT as f64 {
            prop_assert_eq!(ours, f64::INFINITY);
        } else if expected.is_finite() {
            prop_assert!((ours - expected).abs() < ROUNDING, "{ours} for {expected}");
            prop_assert!(ours > -ROUNDING);
        } else {
            prop_assert_eq!(ours, expected);
        }
    }

    #[test]
    fn any_range_is_inside_of_the_values(values in any_values()) {
        let all = Range::min_max(&TensorStatistics::of(&values)).unwrap();
        for quant_type in [QuantType::U4, QuantType::I8] {
            let asymmetric = ours(&values, quant_type, Scheme::Asymmetric);
            prop_assert!(all.min() <= asymmetric.min() && asymmetric.max() <= all.max());
            let symmetric = ours(&values, quant_type, Scheme::Symmetric);
            prop_assert!(symmetric.abs_max() <= all.abs_max());
        }
    }

    #[test]
    fn zeros_do_not_count(values in any_values(), zeros in 1..1000_usize) {
        let more: Vec<f32> = values.iter().copied().chain(std::iter::repeat_n(0.0, zeros)).collect();
        for scheme in SCHEMES {
            prop_assert_eq!(ours(&values, QuantType::U8, scheme), ours(&more, QuantType::U8, scheme));
        }
    }
}

/// Against the publication's search on a histogram of the values themselves.
#[test]
fn a_threshold_within_a_bin_of_ours_is_as_good_on_the_values() {
    const LEVELS: usize = 128;
    for (kind, values) in kinds(7, 60_000) {
        let sizes: Vec<f64> = values.iter().filter(|&&x| x != 0.0).map(|&x| f64::from(x.abs())).collect();
        let abs_max = sizes.iter().copied().fold(0.0, f64::max);
        let mut bins = vec![0.0; BINS];
        for size in sizes {
            bins[((size / abs_max * BINS as f64) as usize).min(BINS - 1)] += 1.0;
        }
        let count: f64 = bins.iter().sum();
        let candidates: Vec<(f64, f64)> = (SMALLEST..=BINS)
            .map(|end| (end, bins[end..].iter().sum::<f64>()))
            .filter(|(_, above)| above * LEFT_OUT as f64 <= count)
            .map(|(end, above)| (end as f64 / BINS as f64 * abs_max, written_out(0.0, &bins[..end], above, LEVELS)))
            .collect();
        let least = |is_candidate: &dyn Fn(f64) -> bool| {
            let divergences = candidates.iter().filter(|(threshold, _)| is_candidate(*threshold));
            divergences.map(|(_, divergence)| *divergence).fold(f64::INFINITY, f64::min)
        };
        let ours = f64::from(ours(&values, QuantType::I8, Scheme::Symmetric).abs_max());
        let near = least(&|threshold| (threshold / ours - 1.0).abs() <= BIN);
        let best = least(&|_| true);
        assert!(near <= best + 2e-4, "{kind}: {ours}, {near} nats for {best}");
    }
}

/// Against all windows of a grid, both ends at once.
#[test]
fn moving_one_end_at_a_time_finds_a_window_as_good_as_any() {
    for (kind, values) in kinds(11, 20_000) {
        let all = Range::min_max(&TensorStatistics::of(&values)).unwrap();
        let histogram = histogram(&values, f64::from(all.min), f64::from(all.max));
        let zero = histogram.position(0.0);
        for levels in [16, 256] {
            let windows = Windows::new(&histogram, levels);
            let ours = windows.asymmetric(zero);
            let grid = |bins: std::ops::RangeInclusive<usize>| bins.step_by(16);
            let best = grid(0..=zero.floor() as usize)
                .flat_map(|start| grid(zero.ceil() as usize..=BINS).map(move |end| (start, end)))
                .filter(|(start, end)| end > start)
                .map(|(start, end)| windows.divergence(start, end))
                .fold(f64::INFINITY, f64::min);
            assert!(ours.divergence <= best + 1e-4, "{kind}: {} nats for {best}", ours.divergence);
        }
    }
}

#[test]
fn an_outlier_is_cut_off_however_far_it_lies() {
    for outlier in [10.0, 40.0, 1000.0, 1e30, f32::MAX] {
        let mut values = normal(1, 65_536);
        values.push(outlier);
        for quant_type in [QuantType::U4, QuantType::U8, QuantType::I8] {
            for scheme in SCHEMES {
                let range = ours(&values, quant_type, scheme);
                assert!((1.5..5.0).contains(&range.max()), "{outlier}: {range:?} for {quant_type:?} {scheme:?}");
                assert!((1.5..5.0).contains(&-range.min()), "{outlier}: {range:?} for {quant_type:?} {scheme:?}");
            }
        }
        assert_eq!(ours(&values, QuantType::I16, Scheme::Symmetric).max(), outlier);
    }
}

/// Without a limit, a window of a single occupied bin would be free of divergence.
#[test]
fn nine_tenths_of_the_values_stay_inside() {
    for (kind, values) in kinds(13, 5000) {
        for quant_type in [QuantType::U4, QuantType::I8] {
            for scheme in SCHEMES {
                let range = ours(&values, quant_type, scheme);
                let is_outside = |x: &&f32| **x > range.max() * 1.008 || **x < range.min() * 1.008;
                let outside = values.iter().filter(is_outside).count();
                assert!(outside * 10 <= values.len(), "{kind}: {outside} of {} outside {range:?}", values.len());
            }
        }
    }
}

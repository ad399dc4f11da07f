use super::observer::BLOCK;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Values of every kind: any bits at all, ordinary numbers, and the ones at the edges of cases.
pub(super) fn value() -> impl Strategy<Value = f32> {
    const EDGES: [f32; 12] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::from_bits(0x8000_0001),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -10.0..10.0_f32, prop::sample::select(&EDGES[..])]
}

pub(super) fn values() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(), 0..300)
}

fn json(statistics: &TensorStatistics) -> String {
    serde_json::to_string(statistics).unwrap()
}

proptest! {
    #[test]
    fn counters_and_extremes_are_those_of_the_values(values in values()) {
        let statistics = TensorStatistics::of(&values);
        let count = |kind: fn(&f32) -> bool| values.iter().filter(|value| kind(value)).count() as u64;
        prop_assert_eq!(statistics.count(), values.len() as u64);
        prop_assert_eq!(statistics.finite_count(), count(|value| value.is_finite()));
        prop_assert_eq!(statistics.zeros(), count(|value| *value == 0.0));
        prop_assert_eq!(statistics.nans(), count(|value| value.is_nan()));
        prop_assert_eq!(statistics.positive_infs(), count(|value| *value == f32::INFINITY));
        prop_assert_eq!(statistics.negative_infs(), count(|value| *value == f32::NEG_INFINITY));
        prop_assert_eq!(statistics.infs(), count(|value| value.is_infinite()));
        let mut sorted: Vec<f32> = values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
        sorted.sort_by(f32::total_cmp);
        prop_assert_eq!(statistics.min().map(f32::to_bits), sorted.first().map(|value| value.to_bits()));
        prop_assert_eq!(statistics.max().map(f32::to_bits), sorted.last().map(|value| value.to_bits()));
    }

    #[test]
    fn bins_are_the_values_grouped_by_their_upper_half(values in values()) {
        let mut groups: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for value in values.iter().filter(|value| value.is_finite()) {
            groups.entry((value + 0.0).to_bits() >> 16).or_default().push(f64::from(*value));
        }
        let statistics = TensorStatistics::of(&values);
        prop_assert_eq!(statistics.bins().len(), groups.len());
        let mut above = f32::NEG_INFINITY;
        for bin in statistics.bins() {
            prop_assert!(above <= bin.lower && bin.lower <= bin.upper, "{bin:?} after {above}");
            above = bin.upper;
            let inside = |value: f64| f64::from(bin.lower) <= value && value <= f64::from(bin.upper);
            let group = groups.values().find(|group| {
                // The two bins next to zero touch at 0, which belongs to the upper one.
                inside(group[0]) && (group[0].is_sign_negative() && group[0] != 0.0) == (bin.lower < 0.0)
            });
            let Some(group) = group else { return Err(TestCaseError::fail(format!("nothing in {bin:?}"))) };
            prop_assert!(group.iter().all(|&value| inside(value)));
            prop_assert!(inside(bin.mean));
            prop_assert_eq!(bin.count, group.len() as u64);
            let mean = group.iter().sum::<f64>() / group.len() as f64;
            prop_assert!((bin.mean - mean).abs() <= 1e-12 * mean.abs(), "{} for {mean}", bin.mean);
        }
    }

    #[test]
    fn mean_is_the_sum_in_f64_over_the_count(values in values()) {
        let finite: Vec<f64> = values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value)).collect();
        match TensorStatistics::of(&values).mean() {
            None => prop_assert!(finite.is_empty()),
            Some(mean) => {
                let n = finite.len() as f64;
                let absolute = finite.iter().map(|value| value.abs()).sum::<f64>() / n;
                let naive = finite.iter().sum::<f64>() / n;
                prop_assert!((mean - naive).abs() <= 300.0 * f64::EPSILON * absolute, "{mean} for {naive}");
            }
        }
    }

    /// One observer, so that what is frequent changes under way.
    #[test]
    fn runs_of_equal_values_are_counted_one_by_one(runs in prop::collection::vec((value(), 1..3000_usize), 1..8)) {
        let mut observer = Observer::new();
        let mut bins: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
        for &(value, length) in &runs {
            observer.observe(&vec![value; length]);
            if value.is_finite() {
                let bits = (value + 0.0).to_bits();
                let (count, low_sum) = bins.entry((bits >> 16) as u16).or_default();
                *count += length as u64;
                *low_sum += length as u64 * u64::from(bits & 0xffff);
            }
        }
        let statistics = observer.statistics();
        let found: BTreeMap<u16, (u64, u64)> =
            statistics.bins.iter().map(|bin| (bin.prefix, (bin.count, bin.low_sum))).collect();
        prop_assert_eq!(found, bins);
        let of = |kind: fn(f32) -> bool| runs.iter().filter(|run| kind(run.0)).map(|run| run.1 as u64).sum::<u64>();
        prop_assert_eq!(statistics.zeros(), of(|value| value == 0.0));
        prop_assert_eq!(statistics.nans(), of(f32::is_nan));
        prop_assert_eq!(statistics.positive_infs(), of(|value| value == f32::INFINITY));
    }

    /// Against sums in fixed point with a step of 2^-63, exact for values of 2^-40 and more.
    #[test]
    fn mean_keeps_its_error_bound(values in prop::collection::vec((-40..40_i32, -2.0..2.0_f32), 1..300)) {
        let values: Vec<f32> = values.into_iter().map(|(exponent, value)| value.signum() * (1.0 + value.abs() / 2.0) * (exponent as f32).exp2()).collect();
        let fixed = |value: &f32| (f64::from(*value) * 63_f64.exp2()) as i128;
        let n = values.len() as f64;
        let exact = values.iter().map(fixed).sum::<i128>() as f64 / 63_f64.exp2() / n;
        let absolute = values.iter().map(|value| f64::from(value.abs())).sum::<f64>() / n;
        let mean = TensorStatistics::of(&values).mean().unwrap();
        prop_assert!((mean - exact).abs() <= (-45_f64).exp2() * absolute, "{mean} for {exact}");
    }

    #[test]
    fn order_and_split_leave_no_trace(
        (values, shuffled) in values().prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let whole = TensorStatistics::of(&values);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(shuffled.len() + 1)).collect();
        cuts.sort_unstable();
        let mut observer = Observer::new();
        let mut merged = TensorStatistics::default();
        let mut rest = shuffled.as_slice();
        for cut in cuts.into_iter().rev() {
            let (before, part) = rest.split_at(cut);
            observer.observe(part);
            merged.merge(&TensorStatistics::of(part)).unwrap();
            rest = before;
        }
        observer.observe(rest);
        merged.merge(&TensorStatistics::of(rest)).unwrap();
        for other in [&observer.statistics(), &merged] {
            prop_assert_eq!(other, &whole);
            prop_assert_eq!(json(other), json(&whole));
            prop_assert_eq!(other.mean().map(f64::to_bits), whole.mean().map(f64::to_bits));
        }
    }

    #[test]
    fn merge_is_a_commutative_monoid(a in values(), b in values(), c in values()) {
        let [a, b, c] = [a, b, c].map(|values| TensorStatistics::of(&values));
        let merge = |left: &TensorStatistics, right: &TensorStatistics| {
            let mut merged = left.clone();
            merged.merge(right).unwrap();
            merged
        };
        prop_assert_eq!(merge(&a, &b), merge(&b, &a));
        prop_assert_eq!(merge(&merge(&a, &b), &c), merge(&a, &merge(&b, &c)));
        prop_assert_eq!(&merge(&a, &TensorStatistics::default()), &a);
    }

    #[test]
    fn the_stored_form_gives_the_statistics_back(values in values()) {
        let statistics = TensorStatistics::of(&values);
        let read: TensorStatistics = serde_json::from_str(&json(&statistics)).unwrap();
        prop_assert_eq!(&read, &statistics);
        prop_assert_eq!(read.min().map(f32::to_bits), statistics.min().map(f32::to_bits));
        prop_assert_eq!(read.max().map(f32::to_bits), statistics.max().map(f32::to_bits));
    }

    /// One number of the stored form replaced: refused, or statistics that some values have.
    #[test]
    fn a_changed_number_is_refused_or_consistent(values in values(), at in any::<prop::sample::Index>(), number in any::<u64>(), shift in 0..64_u32) {
        let text = json(&TensorStatistics::of(&values));
        let starts: Vec<usize> = text
            .char_indices()
            .filter(|&(i, c)| c.is_ascii_digit() && !text[..i].ends_with(|before: char| before.is_ascii_digit()))
            .map(|(i, _)| i)
            .collect();
        let start = starts[at.index(starts.len())];
        let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| start + length);
        let changed = format!("{}{}{}", &text[..start], number >> shift, &text[end..]);
        if let Ok(statistics) = serde_json::from_str::<TensorStatistics>(&changed) {
            let inside: u64 = statistics.bins().map(|bin| bin.count).sum();
            prop_assert_eq!(inside, statistics.finite_count());
            prop_assert_eq!(inside + statistics.nans() + statistics.infs(), statistics.count());
            prop_assert_eq!(inside == 0, statistics.min().is_none());
            for bin in statistics.bins() {
                prop_assert!(f64::from(bin.lower) <= bin.mean && bin.mean <= f64::from(bin.upper));
            }
            prop_assert_eq!(json(&serde_json::from_str(&json(&statistics)).unwrap()), json(&statistics));
        }
    }

    #[test]
    fn changed_bytes_never_panic(values in values(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), end in any::<prop::sample::Index>()) {
        let mut bytes = json(&TensorStatistics::of(&values)).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = serde_json::from_slice::<TensorStatistics>(&bytes);
        let _ = serde_json::from_slice::<TensorStatistics>(&bytes[..end.index(bytes.len())]);
    }
}

/// Fills several blocks with the value that comes nearest to overflowing its word.
#[test]
fn blocks_join_without_overflow() {
    let fullest = f32::MIN;
    let mut observer = Observer::new();
    let slice = vec![fullest; 1 << 20];
    let slices = 2 * BLOCK / slice.len() + 1;
    for _ in 0..slices {
        observer.observe(&slice);
    }
    observer.observe(&[-0.0, f32::NAN, f32::INFINITY, 1.0]);
    let statistics = observer.statistics();
    let values = (slices * slice.len()) as u64;
    assert_eq!(statistics.count(), values + 4);
    assert_eq!((statistics.zeros(), statistics.nans(), statistics.infs()), (1, 1, 1));
    assert_eq!((statistics.min(), statistics.max()), (Some(fullest), Some(1.0)));
    let bottom = statistics.bins().next().unwrap();
    assert_eq!((bottom.count, bottom.mean), (values, f64::from(fullest)));
}

#[test]
fn a_block_ends_anywhere_in_a_slice() {
    let values: Vec<f32> = (0..BLOCK + 5).map(|i| i as f32 - 3.0).collect();
    let whole = TensorStatistics::of(&values);
    let mut parts = TensorStatistics::default();
    for part in values.chunks(1_000_003) {
        parts.merge(&TensorStatistics::of(part)).unwrap();
    }
    assert_eq!(whole, parts);
    assert_eq!((whole.min(), whole.max(), whole.zeros()), (Some(-3.0), Some((BLOCK + 1) as f32), 1));
}

#[test]
fn nothing_observed_has_no_range() {
    let statistics = Observer::new().statistics();
    assert_eq!(statistics, TensorStatistics::default());
    assert_eq!((statistics.min(), statistics.max(), statistics.mean()), (None, None, None));
}

#[test]
fn negative_zero_leaves_no_trace() {
    for (negative, positive) in [([-0.0, -0.0], [0.0, 0.0]), ([-0.0, 1.0], [0.0, 1.0]), ([-1.0, -0.0], [-1.0, 0.0])] {
        assert_eq!(json(&TensorStatistics::of(&negative)), json(&TensorStatistics::of(&positive)));
    }
}

/// A NaN carries payload bits; they must not reach the file.
#[test]
fn nan_payloads_leave_no_trace() {
    let one = TensorStatistics::of(&[1.0, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)]);
    let other = TensorStatistics::of(&[f32::NAN, 1.0, f32::from_bits(0xff81_1234)]);
    assert_eq!(one, other);
    assert_eq!((one.nans(), one.infs(), one.finite_count()), (2, 0, 1));
}

#[test]
fn means_at_the_ends_of_the_float_range_are_exact() {
    for value in [f32::MAX, f32::MIN, f32::from_bits(1), f32::MIN_POSITIVE, f32::from_bits(0x007f_ffff)] {
        assert_eq!(TensorStatistics::of(&[value; 7]).mean(), Some(f64::from(value)));
    }
    // In f32, or left to right in f64, the 1 would vanish.
    assert_eq!(TensorStatistics::of(&[3e38, 1.0, -3e38, 0.0]).mean(), Some(0.25));
}

#[test]
fn the_file_form_is_pinned() {
    let statistics = TensorStatistics::of(&[0.0, 1.5, -2.25, 1.5, f32::NAN, f32::NEG_INFINITY]);
    assert_eq!(
        json(&statistics),
        r#"{"count":6,"zeros":1,"nans":1,"positive_infs":0,"negative_infs":1,"min":-2.25,"max":1.5,"bins":[[49168,1,0],[0,1,0],[16320,2,0]]}"#
    );
}

#[test]
fn inconsistent_stored_statistics_are_refused_with_the_reason() {
    let stored = |count: &str, zeros: u64, extremes: &str, bins: &str| {
        let text = format!(
            r#"{{"count":{count},"zeros":{zeros},"nans":0,"positive_infs":0,"negative_infs":0,{extremes},"bins":[{bins}]}}"#
        );
        serde_json::from_str::<TensorStatistics>(&text).map_err(|error| error.to_string())
    };
    let one = r#""min":1.0,"max":1.0"#;
    let none = r#""min":null,"max":null"#;
    let two = r#""min":-1.0,"max":1.0"#;
    stored("1", 0, one, "[16256,1,0]").unwrap();
    stored("2", 0, two, "[49024,1,0],[16256,1,0]").unwrap();
    stored("0", 0, none, "").unwrap();
    for (case, expected) in [
        (stored("1", 0, one, "[32640,1,0]"), "bin 0x7f80 is infinite or NaN"),
        (stored("2", 0, two, "[16256,1,0],[49024,1,0]"), "bin 0xbf80 is repeated or out of order"),
        (stored("2", 0, one, "[16256,1,0],[16256,1,0]"), "bin 0x3f80 is repeated or out of order"),
        (stored("1", 0, one, "[16256,1,65536]"), "holds 1 values with a lower sum of 65536"),
        (stored("0", 0, one, "[16256,0,0]"), "holds 0 values"),
        (stored("2", 0, one, "[16256,1,0]"), "2 values are claimed"),
        (stored("1", 1, one, "[16256,1,0]"), "1 zeros are claimed"),
        (stored("1", 0, r#""min":0.0,"max":0.0"#, "[0,1,0]"), "bin 0x0000 holds 1 values with a lower sum of 0"),
        (stored("1", 0, r#""min":0.0,"max":0.0"#, "[32768,1,0]"), "bin 0x8000 holds 1 values with a lower sum of 0"),
        (stored("1", 0, none, "[16256,1,0]"), "min and max"),
        (stored("0", 0, one, ""), "min and max"),
        (stored("1", 0, two, "[16256,1,0]"), "min and max"),
        (stored("2", 0, r#""min":1.0,"max":-1.0"#, "[16256,2,0]"), "min and max"),
        (stored("1", 0, r#""min":1e300,"max":1e300"#, "[16256,1,0]"), "min and max"),
        (stored("281474976710657", 0, one, "[16256,281474976710657,0]"), "more than 2^48"),
        (
            stored("18446744073709551615", 0, two, "[49024,18446744073709551615,0],[16256,18446744073709551615,0]"),
            "more than 2^48",
        ),
        (stored("1", 0, one, "[65536,1,0]"), "expected u16"),
        (stored("-1", 0, one, "[16256,1,0]"), "expected u64"),
    ] {
        let message = case.unwrap_err();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn merging_past_the_limit_is_refused_and_changes_nothing() {
    let full: TensorStatistics = serde_json::from_str(
        r#"{"count":281474976710656,"zeros":0,"nans":0,"positive_infs":0,"negative_infs":0,"min":1.0,"max":1.0,"bins":[[16256,281474976710656,0]]}"#,
    )
    .unwrap();
    let mut merged = full.clone();
    assert_eq!(merged.merge(&TensorStatistics::of(&[1.0])), Err(TooManyValues));
    assert_eq!(merged, full);
    merged.merge(&TensorStatistics::default()).unwrap();
    assert_eq!(merged, full);
    assert_eq!(merged.mean(), Some(1.0));
}

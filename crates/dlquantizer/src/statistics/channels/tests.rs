use super::*;
use crate::statistics::exact_sum::tests::naive_sum;
use crate::statistics::tests::value as any_value;
use proptest::prelude::*;

/// Values of every kind, among them many that a layer gives.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        3 => any_value(),
        4 => -10.0..10.0_f32,
        4 => (-10.0..10.0_f32).prop_map(|value| value.max(0.0)),
        1 => prop::sample::select(&[3e38, -3e38][..]),
    ]
}

/// A number of channels, a number of neighbours in a channel, and values of the shape `[outer, channels, inner]`.
fn tensor() -> impl Strategy<Value = (Vec<f32>, usize, usize)> {
    (0..5_usize, 1..40_usize, prop_oneof![Just(1), 1..70_usize]).prop_flat_map(|(outer, channels, inner)| {
        (prop::collection::vec(value(), outer * channels * inner), Just(channels), Just(inner))
    })
}

fn json(statistics: &ChannelStatistics) -> String {
    serde_json::to_string(statistics).unwrap()
}

fn channel_of(values: &[f32], channels: usize, inner: usize, channel: usize) -> Vec<f32> {
    let of_channel = |at: usize| at / inner % channels == channel;
    values.iter().enumerate().filter(|&(at, _)| of_channel(at)).map(|(_, &value)| value).collect()
}

/// Calls of an observer with one number of channels, each with values of its own size.
fn calls() -> impl Strategy<Value = (Vec<(Vec<f32>, usize)>, usize)> {
    let values = |channels: usize| {
        let inner = prop_oneof![Just(1), 1..40_usize];
        let exponent = prop_oneof![2 => Just(0), 1 => -60..60_i32];
        (1..5_usize, inner, exponent).prop_flat_map(move |(outer, inner, exponent)| {
            let scaled = value().prop_map(move |value| value * (exponent as f32).exp2());
            (prop::collection::vec(scaled, outer * channels * inner), Just(inner))
        })
    };
    (1..20_usize).prop_flat_map(move |channels| (prop::collection::vec(values(channels), 1..6), Just(channels)))
}

/// What `statistics` says of a channel has to be true of `values`.
fn check_channel(statistics: &ChannelStatistics, channel: usize, values: &[f32]) -> Result<(), TestCaseError> {
    let mut finite: Vec<f32> = values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
    prop_assert_eq!(statistics.count(channel), finite.len() as u64);
    prop_assert_eq!(statistics.channels[channel].sum.to_string(), naive_sum(&finite));
    finite.sort_by(f32::total_cmp);
    prop_assert_eq!(statistics.min(channel).map(f32::to_bits), finite.first().map(|value| value.to_bits()));
    prop_assert_eq!(statistics.max(channel).map(f32::to_bits), finite.last().map(|value| value.to_bits()));
    Ok(())
}

fn merged(left: &ChannelStatistics, right: &ChannelStatistics) -> ChannelStatistics {
    let mut merged = left.clone();
    merged.merge(right).unwrap();
    merged
}

proptest! {
    #[test]
    fn each_channel_has_the_statistics_of_its_values((values, channels, inner) in tensor()) {
        let statistics = ChannelStatistics::of(&values, channels, inner).unwrap();
        prop_assert_eq!(statistics.len(), if values.is_empty() { 0 } else { channels });
        for channel in 0..statistics.len() {
            check_channel(&statistics, channel, &channel_of(&values, channels, inner, channel))?;
        }
    }

    #[test]
    fn calls_add_up_whatever_their_sizes_and_shapes((calls, channels) in calls()) {
        let mut observer = ChannelObserver::new();
        let mut of_channels = vec![Vec::new(); channels];
        for (values, inner) in &calls {
            observer.observe(values, channels, *inner).unwrap();
            for (channel, all) in of_channels.iter_mut().enumerate() {
                all.extend(channel_of(values, channels, *inner, channel));
            }
            let statistics = observer.statistics();
            for (channel, all) in of_channels.iter().enumerate() {
                check_channel(&statistics, channel, all)?;
            }
        }
    }

    /// Values as far apart as an exact f64 sum of them allows, and farther.
    #[test]
    fn sums_are_exact_up_to_the_span_and_beyond(
        spread in 15..35_i32, base in -120..90_i32, inner in prop_oneof![Just(1), Just(40)],
        values in prop::collection::vec((any::<u32>(), any::<bool>(), 0.0..1.0_f32), 80..200),
    ) {
        let channels = values.len() / 40;
        let values: Vec<f32> = values[..40 * channels]
            .iter()
            .map(|&(mantissa, negative, size)| {
                let exponent = base + (size * spread as f32) as i32;
                let magnitude = f32::from_bits(0x3f80_0000 | mantissa >> 9) * (exponent as f32).exp2();
                if negative { -magnitude } else { magnitude }
            })
            .collect();
        let statistics = ChannelStatistics::of(&values, channels, inner).unwrap();
        for channel in 0..channels {
            check_channel(&statistics, channel, &channel_of(&values, channels, inner, channel))?;
        }
    }

    #[test]
    fn order_and_split_leave_no_trace(
        (rows, shuffled) in (1..20_usize)
            .prop_flat_map(|channels| prop::collection::vec(prop::collection::vec(value(), channels), 1..40))
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let channels = rows[0].len();
        let whole = ChannelStatistics::of(&rows.concat(), channels, 1).unwrap();
        let (left, right) = shuffled.split_at(cut.index(shuffled.len() + 1));
        let mut observer = ChannelObserver::new();
        for row in right.iter().chain(left) {
            observer.observe(row, channels, 1).unwrap();
        }
        let [left, right] = [left, right].map(|rows| ChannelStatistics::of(&rows.concat(), channels, 1).unwrap());
        for other in [observer.statistics(), merged(&left, &right), merged(&right, &left)] {
            prop_assert_eq!(&other, &whole);
            prop_assert_eq!(json(&other), json(&whole));
        }
    }

    #[test]
    fn merge_is_a_commutative_monoid((parts, channels) in calls()) {
        let parts: Vec<_> =
            parts.iter().map(|(values, inner)| ChannelStatistics::of(values, channels, *inner).unwrap()).collect();
        let (a, b, c) = (&parts[0], &parts[parts.len() / 2], &parts[parts.len() - 1]);
        prop_assert_eq!(merged(a, b), merged(b, a));
        prop_assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
        prop_assert_eq!(&merged(a, &ChannelStatistics::default()), a);
        prop_assert_eq!(&merged(&ChannelStatistics::default(), a), a);
    }

    #[test]
    fn the_stored_form_gives_the_statistics_back((values, channels, inner) in tensor()) {
        let statistics = ChannelStatistics::of(&values, channels, inner).unwrap();
        let read: ChannelStatistics = serde_json::from_str(&json(&statistics)).unwrap();
        prop_assert_eq!(&read, &statistics);
        prop_assert_eq!(json(&read), json(&statistics));
    }

    /// One run of digits of the stored form replaced: refused, or statistics that keep their promises.
    #[test]
    fn a_changed_number_is_refused_or_consistent(
        (values, channels, inner) in tensor(), at in any::<prop::sample::Index>(), number in any::<u64>(), shift in 0..64_u32,
    ) {
        let text = json(&ChannelStatistics::of(&values, channels, inner).unwrap());
        let starts: Vec<usize> = text
            .char_indices()
            .filter(|&(i, c)| c.is_ascii_digit() && !text[..i].ends_with(|before: char| before.is_ascii_digit()))
            .map(|(i, _)| i)
            .collect();
        prop_assume!(!starts.is_empty());
        let start = starts[at.index(starts.len())];
        let end = text[start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| start + length);
        let changed = format!("{}{}{}", &text[..start], number >> shift, &text[end..]);
        if let Ok(statistics) = serde_json::from_str::<ChannelStatistics>(&changed) {
            for channel in 0..statistics.len() {
                match (statistics.min(channel), statistics.max(channel), statistics.mean(channel)) {
                    (Some(min), Some(max), Some(mean)) => {
                        let slack = 1e-15 * f64::from(max.max(-min));
                        prop_assert!(f64::from(min) - slack <= mean && mean <= f64::from(max) + slack);
                        prop_assert!((1..=MAX_VALUES).contains(&statistics.count(channel)));
                    }
                    nothing => {
                        prop_assert_eq!(nothing, (None, None, None));
                        prop_assert_eq!((statistics.count(channel), statistics.sum(channel)), (0, 0.0));
                    }
                }
            }
            prop_assert_eq!(json(&serde_json::from_str(&json(&statistics)).unwrap()), json(&statistics));
        }
    }

    #[test]
    fn changed_bytes_never_panic(
        (values, channels, inner) in tensor(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = json(&ChannelStatistics::of(&values, channels, inner).unwrap()).into_bytes();
        prop_assert!(serde_json::from_slice::<ChannelStatistics>(&bytes[..end.index(bytes.len())]).is_err());
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = serde_json::from_slice::<ChannelStatistics>(&bytes);
    }
}

#[test]
fn the_file_form_is_pinned() {
    let values = [1.0, -1.5, 3e38, 1e-45, -0.0, f32::NAN];
    let statistics = ChannelStatistics::of(&values, 3, 1).unwrap();
    assert_eq!(
        json(&statistics),
        r#"{"counts":[2,2,1],"min":[1.401298464324817e-45,-1.5,3.0000000054977558e+38],"max":[1.0,0.0,3.0000000054977558e+38],"sums":["0x20000000000000000000000000000000000001p-149","-0x3p-1","0x70d8f3p105"]}"#
    );
}

#[test]
fn means_are_those_of_the_channels() {
    let statistics = ChannelStatistics::of(&[1.0, 3e38, 2.0, 1.0, f32::NAN, -3e38], 2, 1).unwrap();
    assert_eq!((statistics.mean(0), statistics.sum(0), statistics.count(0)), (Some(1.5), 3.0, 2));
    assert_eq!((statistics.mean(1), statistics.sum(1), statistics.count(1)), (Some(1.0 / 3.0), 1.0, 3));
}

#[test]
fn a_channel_without_finite_values_has_no_range() {
    let statistics = ChannelStatistics::of(&[f32::NAN, 1.0, f32::INFINITY, 2.0], 2, 1).unwrap();
    for nothing in [0, 2, usize::MAX] {
        assert_eq!((statistics.min(nothing), statistics.max(nothing), statistics.mean(nothing)), (None, None, None));
        assert_eq!((statistics.count(nothing), statistics.sum(nothing)), (0, 0.0));
    }
}

#[test]
fn values_of_another_shape_are_refused_and_change_nothing() {
    let mut observer = ChannelObserver::new();
    for (channels, inner) in [(0, 1), (1, 0), (4, 1), (1, 2), (usize::MAX, 2), (usize::MAX, usize::MAX)] {
        let error = observer.observe(&[1.0; 3], channels, inner).unwrap_err();
        assert_eq!(error, ChannelError::Shape { len: 3, channels, inner });
    }
    // No value fixes no number of channels, and allocates nothing.
    observer.observe(&[], usize::MAX, 1).unwrap();
    assert!(observer.statistics().is_empty());
    observer.observe(&[1.0; 3], 3, 1).unwrap();
    let before = observer.statistics();
    let error = observer.observe(&[2.0; 4], 2, 1).unwrap_err();
    assert_eq!(error, ChannelError::Channels { expected: 3, found: 2 });
    assert_eq!(error.to_string(), "2 channels where there were 3 before");
    assert_eq!(observer.statistics(), before);
}

#[test]
fn merging_other_channels_or_too_many_values_is_refused_and_changes_nothing() {
    let full: ChannelStatistics =
        serde_json::from_str(r#"{"counts":[281474976710656],"min":[1.0],"max":[1.0],"sums":["0x1p48"]}"#).unwrap();
    let mut merged = full.clone();
    assert_eq!(merged.merge(&ChannelStatistics::of(&[1.0], 1, 1).unwrap()), Err(TooManyValues.into()));
    let two = ChannelStatistics::of(&[1.0; 2], 2, 1).unwrap();
    assert_eq!(merged.merge(&two), Err(ChannelError::Channels { expected: 1, found: 2 }));
    assert_eq!(merged, full);
    assert_eq!(merged.mean(0), Some(1.0));
}

#[test]
fn inconsistent_stored_channels_are_refused_with_the_reason() {
    let stored = |counts: &str, min: &str, max: &str, sums: &str| {
        let text = format!(r#"{{"counts":[{counts}],"min":[{min}],"max":[{max}],"sums":[{sums}]}}"#);
        serde_json::from_str::<ChannelStatistics>(&text).map_err(|error| error.to_string())
    };
    stored("", "", "", "").unwrap();
    stored("0", "null", "null", r#""0x0p0""#).unwrap();
    stored("2,1", "-1.0,2.0", "1.0,2.0", r#""0x0p0","0x1p1""#).unwrap();
    stored("3", "-1.0", "2.0", r#""0x3p0""#).unwrap();
    for (case, expected) in [
        (stored("1", "", "1.0", r#""0x1p0""#), "have the lengths 1, 0, 1 and 1"),
        (stored("1", "1.0", "1.0", ""), "have the lengths 1, 1, 1 and 0"),
        (stored("281474976710657", "1.0", "1.0", r#""0x1p48""#), "channel 0 claims 281474976710657 values"),
        (stored("0", "1.0", "1.0", r#""0x0p0""#), "channel 0: no 0 values have these min and max"),
        (stored("1", "null", "null", r#""0x0p0""#), "channel 0: no 1 values have these min and max"),
        (stored("1", "1.0", "null", r#""0x1p0""#), "channel 0: no 1 values have these min and max"),
        (stored("0", "null", "0.0", r#""0x0p0""#), "channel 0: no 0 values have these min and max"),
        (stored("1", "1.0", "2.0", r#""0x1p0""#), "channel 0: no 1 values have these min and max"),
        (stored("2", "2.0", "1.0", r#""0x3p0""#), "channel 0: no 2 values have these min and max"),
        (stored("2", "1.0", "1e300", r#""0x3p0""#), "channel 0: no 2 values have these min and max"),
        (stored("1", "1.0", "1.0", r#""0x3p0""#), "channel 0: no 1 values between min and max have the sum 0x3p0"),
        (stored("0", "null", "null", r#""0x1p0""#), "channel 0: no 0 values between min and max have the sum 0x1p0"),
        (
            stored("2", "-1.0", "1.0", r#""0x1p-149""#),
            "channel 0: no 2 values between min and max have the sum 0x1p-149",
        ),
        (stored("3", "-1.0", "2.0", r#""0x7p-1""#), "channel 0: no 3 values between min and max have the sum 0x7p-1"),
        (stored("3", "-1.0", "2.0", r#""-0x1p-1""#), "channel 0: no 3 values between min and max have the sum -0x1p-1"),
        (stored("1", "1.0", "1.0", r#""0x2p-1""#), "expected an exact sum such as"),
        (stored("1", "1.0", "1.0", "1.0"), "expected an exact sum such as"),
    ] {
        let message = case.unwrap_err();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

/// The activations of the 784-512-256-10 network over 5,000 samples.
#[test]
fn the_file_form_is_compact() {
    let mut state = 1_u32;
    let mut size = 0;
    for channels in [512, 256, 10] {
        let values: Vec<f32> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 1e6 - 8.0
        })
        .take(5000 * channels)
        .collect();
        size += json(&ChannelStatistics::of(&values, channels, 1).unwrap()).len();
    }
    assert!(size < 60_000, "{size} bytes");
}

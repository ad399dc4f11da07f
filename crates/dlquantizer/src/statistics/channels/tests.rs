use super::*;
use proptest::prelude::*;

/// Values of every kind: any bits at all, ordinary numbers, what a layer gives, and the ones at the edges of cases.
fn value() -> impl Strategy<Value = f32> {
    const EDGES: [f32; 14] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        3e38,
        -3e38,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::from_bits(0x8000_0001),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    prop_oneof![
        1 => any::<u32>().prop_map(f32::from_bits),
        4 => -10.0..10.0_f32,
        4 => (-10.0..10.0_f32).prop_map(|value| value.max(0.0)),
        1 => prop::sample::select(&EDGES[..]),
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

/// The text of the exact sum, one bit of one value at a time.
fn naive_sum(values: &[f32]) -> String {
    // In units of 2^-149, bit by bit with signs.
    let mut bits = vec![0_i64; 400];
    for value in values {
        let magnitude = value.abs().to_bits();
        let (exponent, mantissa) = (magnitude >> 23, magnitude & 0x007f_ffff);
        let (shift, mantissa) = if exponent == 0 { (0, mantissa) } else { (exponent - 1, mantissa | 0x0080_0000) };
        for bit in 0..24 {
            let set = i64::from(mantissa >> bit & 1);
            bits[(shift + bit) as usize] += if *value < 0.0 { -set } else { set };
        }
    }
    let carried = |bits: &[i64]| {
        let mut carry = 0;
        let digits: Vec<i64> = bits
            .iter()
            .map(|bit| {
                let sum = bit + carry;
                carry = sum.div_euclid(2);
                sum.rem_euclid(2)
            })
            .collect();
        (digits, carry)
    };
    let (mut digits, mut carry) = carried(&bits);
    let negative = carry < 0;
    if negative {
        let negated: Vec<i64> = bits.iter().map(|bit| -bit).collect();
        (digits, carry) = carried(&negated);
    }
    assert_eq!(carry, 0);
    let Some(lowest) = digits.iter().position(|&digit| digit == 1) else { return "0x0p0".to_owned() };
    let hex: String = digits[lowest..]
        .chunks(4)
        .map(|digits| digits.iter().rev().fold(0, |hex, digit| 2 * hex + *digit as u32))
        .map(|digit| char::from_digit(digit, 16).unwrap())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let sign = if negative { "-" } else { "" };
    format!("{sign}0x{}p{}", hex.trim_start_matches('0'), lowest as i32 - 149)
}

fn channel_of(values: &[f32], channels: usize, inner: usize, channel: usize) -> Vec<f32> {
    let of_channel = |at: usize| at / inner % channels == channel;
    values.iter().enumerate().filter(|&(at, _)| of_channel(at)).map(|(_, &value)| value).collect()
}

proptest! {
    #[test]
    fn each_channel_has_the_statistics_of_its_values((values, channels, inner) in tensor()) {
        let statistics = ChannelStatistics::of(&values, channels, inner).unwrap();
        prop_assert_eq!(statistics.len(), channels);
        for channel in 0..channels {
            let mut finite = channel_of(&values, channels, inner, channel);
            finite.retain(|value| value.is_finite());
            prop_assert_eq!(statistics.count(channel), finite.len() as u64);
            prop_assert_eq!(statistics.channels[channel].sum.to_string(), naive_sum(&finite));
            finite.iter_mut().for_each(|value| *value += 0.0);
            finite.sort_by(f32::total_cmp);
            prop_assert_eq!(statistics.min(channel).map(f32::to_bits), finite.first().map(|value| value.to_bits()));
            prop_assert_eq!(statistics.max(channel).map(f32::to_bits), finite.last().map(|value| value.to_bits()));
        }
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

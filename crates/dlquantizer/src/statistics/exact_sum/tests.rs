use super::*;
use proptest::prelude::*;

/// Finite values of all sizes.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite())
}

fn sum_of(values: &[f32]) -> ExactSum {
    let mut sum = Accumulator::default();
    for &value in values {
        sum.add(f64::from(value));
    }
    sum.sum()
}

/// The text of the exact sum, one bit of one value at a time.
pub(in crate::statistics) fn naive_sum(values: &[f32]) -> String {
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

/// `|sum - value|`, the most significant limb first.
fn distance(sum: &ExactSum, value: f64) -> Vec<u32> {
    let mut negative = Accumulator::default();
    negative.add(-value);
    let (_, magnitude) = sum.plus(&negative.sum()).magnitude();
    magnitude.into_iter().rev().collect()
}

fn parse(text: &str) -> Result<ExactSum, String> {
    serde_json::from_str(&format!("\"{text}\"")).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn the_text_is_that_of_the_naive_sum(values in prop::collection::vec(finite(), 0..50)) {
        let sum = sum_of(&values);
        prop_assert_eq!(sum.to_string(), naive_sum(&values));
        prop_assert_eq!(parse(&sum.to_string()), Ok(sum));
    }

    #[test]
    fn sums_of_parts_add_up(values in prop::collection::vec(finite(), 0..50), cut in any::<prop::sample::Index>()) {
        let (left, right) = values.split_at(cut.index(values.len() + 1));
        prop_assert_eq!(sum_of(left).plus(&sum_of(right)), sum_of(&values));
        let mut negative = values.clone();
        negative.iter_mut().for_each(|value| *value = -*value);
        prop_assert_eq!(sum_of(&values).plus(&sum_of(&negative)), ExactSum::default());
    }

    #[test]
    fn multiples_are_repeated_additions(value in finite(), count in 0..30_u64) {
        let mut multiple = Accumulator::default();
        multiple.add_times(value, count);
        prop_assert_eq!(multiple.sum(), sum_of(&vec![value; count as usize]));
    }

    #[test]
    fn no_f64_is_nearer_than_the_rounded_sum(values in prop::collection::vec(finite(), 1..8)) {
        let sum = sum_of(&values);
        let rounded = sum.to_f64();
        let error = distance(&sum, rounded);
        if error.iter().any(|&limb| limb != 0) {
            for neighbour in [rounded.next_up(), rounded.next_down()] {
                let other = distance(&sum, neighbour);
                prop_assert!(error < other || error == other && rounded.to_bits().is_multiple_of(2), "{sum} as {rounded}");
            }
        }
    }

    #[test]
    fn order_is_that_of_the_numbers(left in finite(), right in finite()) {
        let order = left.partial_cmp(&right).unwrap();
        prop_assert_eq!(sum_of(&[left]).cmp(&sum_of(&[right])), order);
    }

    #[test]
    fn other_texts_are_refused(text in "-?0?x?[0-9a-fA-F]{0,90}p?[-+]?[0-9]{0,11}") {
        if let Ok(sum) = parse(&text) {
            prop_assert_eq!(sum.to_string(), text);
        }
    }
}

#[test]
fn a_sum_has_one_text() {
    for text in ["0x0p0", "0x1p0", "-0x3p-1", "0x1p-149", "0xffffffp104"] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    let long = format!("0x{}p-149", "1".repeat(100_000));
    for text in [
        "",
        "-",
        "0",
        "1",
        "0x",
        "0xp0",
        "0x1",
        "p0",
        "0x1p",
        "x1p0",
        "0x2p0",
        "0x01p0",
        "0xAp0",
        "0x1p+1",
        "0x1p01",
        "-0x0p0",
        "+0x1p0",
        "0x0p1",
        "0x1p-150",
        "0x1p-2147483648",
        "0x1p2147483647",
        "0x1p99999999999",
        "0x1p203",
        "0x1.8p0",
        " 0x1p0",
        "0x1p0 ",
        "0xép0",
        long.as_str(),
    ] {
        let message = parse(text).unwrap_err();
        assert!(message.contains("expected an exact sum such as"), "{text:?}: {message}");
    }
}

#[test]
fn carries_are_made_before_limbs_overflow() {
    let mut late = Accumulator { limbs: [(1 << 62) + 12345; LIMBS], additions: ADDITIONS_UNTIL_CARRY - 1 };
    late.limbs[LIMBS - 1] = 0;
    let before = late.sum();
    late.add(1.5);
    assert_eq!(late.additions, 0);
    assert!(late.limbs[..LIMBS - 1].iter().all(|&limb| (0..1 << LIMB_BITS).contains(&limb)));
    assert_eq!(late.sum(), before.plus(&sum_of(&[1.5])));
}

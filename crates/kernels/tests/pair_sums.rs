//! The proof about 16-bit pair sums against every pair of inputs there is.

use kernels::pair_sums_fit;
use proptest::prelude::*;

/// Whether `a * x + b * y` is an `i16` for all 65,536 inputs.
fn fits(a: i8, b: i8) -> bool {
    (0..=255i32).all(|x| (0..=255).all(|y| i16::try_from(i32::from(a) * x + i32::from(b) * y).is_ok()))
}

#[test]
fn extremes_and_both_sides_of_the_limit() {
    let cases = [
        (127, 1),
        (127, 2),
        (64, 64),
        (64, 65),
        (-128, 0),
        (-128, -1),
        (-128, 127),
        (127, 127),
        (-64, -64),
        (-65, -64),
    ];
    for (a, b) in cases {
        assert_eq!(pair_sums_fit(&[a, b], 2, 1), [fits(a, b)], "{a} {b}");
        assert_eq!(pair_sums_fit(&[b, a], 2, 1), [fits(b, a)], "{b} {a}");
    }
}

#[test]
fn a_channel_fails_alone_wherever_its_bad_pair_is() {
    let (k, n) = (9, 5);
    for pair in 0..k / 2 {
        for channel in 0..n {
            let mut weights = vec![64; k * n];
            weights[(2 * pair + 1) * n + channel] = 65;
            let expected: Vec<bool> = (0..n).map(|c| c != channel).collect();
            assert_eq!(pair_sums_fit(&weights, k, n), expected);
            // The same weights one row on are in two pairs, 64 beside 0 each.
            weights = vec![0; k * n];
            weights[(2 * pair + 1) * n + channel] = 127;
            weights[(2 * pair + 2) * n + channel] = 127;
            assert_eq!(pair_sums_fit(&weights, k, n), vec![true; n]);
        }
    }
    assert_eq!(pair_sums_fit(&[], 0, 3), [true; 3]);
    assert_eq!(pair_sums_fit(&[], 3, 0), []);
    assert_eq!(pair_sums_fit(&[127, -128], 1, 2), [true; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_pair(a: i8, b: i8) {
        prop_assert_eq!(pair_sums_fit(&[a, b], 2, 1), [fits(a, b)]);
    }
}

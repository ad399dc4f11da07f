//! The proof about 16-bit pair sums against every pair of inputs there is.

use kernels::Weights;
use proptest::prelude::*;

/// Whether `a * x + b * y` is an `i16` for all inputs of these levels.
fn fits_within(a: i8, b: i8, (low, high): (u8, u8)) -> bool {
    let levels = || i32::from(low)..=i32::from(high);
    levels().all(|x| levels().all(|y| i16::try_from(i32::from(a) * x + i32::from(b) * y).is_ok()))
}

fn fits(a: i8, b: i8) -> bool {
    fits_within(a, b, (0, 255))
}

fn pair_sums_fit(weights: &[i8], k: usize, n: usize) -> Vec<bool> {
    kernels::pair_sums_fit(&Weights::new(weights, k, n))
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
    #[test]
    fn any_pair_and_input_levels(a: i8, b: i8, x: u8, y: u8) {
        let input_levels = (x.min(y), x.max(y));
        let pair = [a, b];
        let weights = Weights { input_levels, ..Weights::new(&pair, 2, 1) };
        prop_assert_eq!(kernels::pair_sums_fit(&weights), [fits_within(a, b, input_levels)]);
    }

    #[test]
    fn large_weights_and_levels_near_the_limit(a in 100i8..=127, b in -128i8..=-80, low in 0u8..=255, span in 0u8..=40) {
        let input_levels = (low, low.saturating_add(span));
        for pair in [[a, b], [b, a], [a, a], [b, b]] {
            let weights = Weights { input_levels, ..Weights::new(&pair, 2, 1) };
            prop_assert_eq!(kernels::pair_sums_fit(&weights), [fits_within(pair[0], pair[1], input_levels)]);
        }
    }
}

//! How likely a new sample goes beyond all samples seen.

use serde::Serialize;

/// How sure the bounds are.
const CONFIDENCE: f64 = 0.95;

/// Upper bounds, at 95 % confidence, of the share of new samples that go beyond the range of a tensor from its smallest to its largest
/// value; they hold for any distribution, if the new samples are drawn as those seen were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Novelty {
    /// Beyond one end of a range, such as the upper one behind a ReLU, by the rule of three: `3 / n` (Hanley and Lippman-Hand 1983).
    pub rule_of_three: f64,
    /// The same exactly: `1 - 0.05^(1/n)`.
    pub one_end: f64,
    /// Beyond either end: the root `p` of `n (1-p)^(n-1) - (n-1) (1-p)^n = 0.05` (Wilks 1941).
    pub either_end: f64,
}

impl Novelty {
    /// The bounds after so many samples.
    #[must_use]
    pub fn after(samples: u64) -> Self {
        let n = samples as f64;
        // In logarithms, for the powers of many samples are close to 1.
        let one_end = -libm::expm1(libm::log(1.0 - CONFIDENCE) / n);
        Self { rule_of_three: (3.0 / n).min(1.0), one_end, either_end: either_end(n) }
    }
}

/// Bisection; the left-hand side falls from 1 at `p = 0` to 0 at `p = 1`.
fn either_end(n: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..100 {
        let p = (low + high) / 2.0;
        // (1-p)^(n-1) (n - (n-1)(1-p)) = (1-p)^(n-1) (1 + (n-1) p)
        let left = libm::exp((n - 1.0) * libm::log1p(-p)) * (1.0 + (n - 1.0) * p);
        if left > 1.0 - CONFIDENCE {
            low = p;
        } else {
            high = p;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_literature() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 5e-5, "{a} {b}");
        // Hanley and Lippman-Hand's exact bound for 0 of 10 and 0 of 100; Wilks's 95 % / 95 % interval needs 93 samples.
        close(Novelty::after(10).one_end, 0.2589);
        close(Novelty::after(100).one_end, 0.0295);
        close(Novelty::after(100).rule_of_three, 0.03);
        assert!(Novelty::after(93).either_end < 0.05 && Novelty::after(92).either_end > 0.05);
        assert!(Novelty::after(59).one_end < 0.05 && Novelty::after(58).one_end > 0.05);
    }

    #[test]
    fn they_hold_for_random_samples() {
        // The share of a uniform distribution beyond the largest of n values exceeds the bound in 1 of 20 experiments.
        let mut state = 7_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (n, experiments) = (40, 20_000);
        let bounds = Novelty::after(n);
        let (mut beyond_one, mut beyond_either) = (0, 0);
        for _ in 0..experiments {
            let values: Vec<f64> = (0..n).map(|_| uniform()).collect();
            let (min, max) = values.iter().fold((1.0_f64, 0.0_f64), |(min, max), &x| (min.min(x), max.max(x)));
            beyond_one += u32::from(1.0 - max > bounds.one_end);
            beyond_either += u32::from(1.0 - (max - min) > bounds.either_end);
        }
        for beyond in [beyond_one, beyond_either] {
            let share = f64::from(beyond) / f64::from(experiments);
            assert!((share - 0.05).abs() < 0.007, "{share}");
        }
    }

    #[test]
    fn a_single_sample_says_nothing_and_millions_nearly_all() {
        assert_eq!(Novelty::after(1).either_end, 1.0);
        assert!((Novelty::after(1).one_end - 0.95).abs() < 1e-12);
        assert_eq!(Novelty::after(1).rule_of_three, 1.0);
        let many = Novelty::after(1_000_000);
        assert!((many.one_end - 2.9957e-6).abs() < 1e-9 && (many.either_end - 4.7439e-6).abs() < 1e-9, "{many:?}");
    }
}

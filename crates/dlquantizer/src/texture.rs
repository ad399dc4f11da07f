//! How alike neighbouring values of a sample are: what tells pictures and signals from noise.

use serde::{Deserialize, Serialize};

/// Below this many values a sample says nothing.
pub(crate) const FEWEST_VALUES: usize = 64;

/// A correlation of 1.
const ONE: f64 = (1_u64 << 30) as f64;

/// Sum over samples of the correlation between a value and the next one within the sample, each rounded to a multiple of 2^-30, so that
/// the sum does not depend on the order of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "StoredTexture")]
pub struct Texture {
    sum: i64,
    /// Samples of which it is the sum.
    samples: u64,
    /// Values of a sample.
    values: u64,
}

/// A [`Texture`] as read, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredTexture {
    sum: i64,
    samples: u64,
    values: u64,
}

impl TryFrom<StoredTexture> for Texture {
    type Error = String;

    fn try_from(StoredTexture { sum, samples, values }: StoredTexture) -> Result<Self, String> {
        if u128::from(sum.unsigned_abs()) > u128::from(samples) * ONE as u128 {
            return Err(format!("{samples} correlations cannot have the sum {sum}"));
        }
        Ok(Self { sum, samples, values })
    }
}

impl Texture {
    /// Whether the sample of this hash counts: a random quarter of all is enough to tell noise.
    pub(crate) fn is_of_interest(hash: u64) -> bool {
        // Other bits than the one that tells the halves apart.
        hash >> 1 & 3 == 0
    }

    /// Adds a sample; one that is too small, constant or not finite says nothing.
    pub(crate) fn observe(&mut self, sample: &[f32]) {
        if let Some(correlation) = correlation(sample) {
            self.sum = self.sum.saturating_add((correlation.clamp(-1.0, 1.0) * ONE).round_ties_even() as i64);
            self.samples += 1;
            self.values = self.values.max(sample.len() as u64);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.samples = self.samples.saturating_add(other.samples);
        self.values = self.values.max(other.values);
    }

    /// The mean correlation; none if no sample said anything.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum as f64 / ONE / self.samples as f64)
    }

    /// Whether the mean is no further from 0 than that of independent values: four times its standard deviation, one over the square root
    /// of the number of values.
    pub(crate) fn is_noise(&self) -> bool {
        let deviation = (self.values as f64 * self.samples as f64).sqrt().recip();
        self.mean().is_some_and(|mean| (mean + (self.values as f64).recip()).abs() <= (4.0 * deviation).max(0.01))
    }
}

/// The correlation at lag 1, `sum (x_i - m)(x_{i+1} - m) / sum (x_i - m)^2` (Box and Jenkins 1970).
fn correlation(sample: &[f32]) -> Option<f64> {
    // Independent sums, which the compiler turns into vector code without changing a bit.
    const LANES: usize = 8;
    let ([first, ..], [.., last]) = (sample, sample) else { return None };
    if sample.len() < FEWEST_VALUES {
        return None;
    }
    let mut sums = [[0.0_f64; LANES]; 3];
    let mut add = |lane: usize, a: f32, b: f32| {
        let (a, b) = (f64::from(a), f64::from(b));
        sums[0][lane] += a;
        sums[1][lane] += a * a;
        sums[2][lane] += a * b;
    };
    let next = &sample[1..];
    let (rows, rest) = sample[..next.len()].as_chunks::<LANES>();
    let (next_rows, next_rest) = next.as_chunks::<LANES>();
    for (row, next) in rows.iter().zip(next_rows) {
        for lane in 0..LANES {
            add(lane, row[lane], next[lane]);
        }
    }
    for (lane, (&a, &b)) in rest.iter().zip(next_rest).enumerate() {
        add(lane, a, b);
    }
    let [sum, squares, products] = sums.map(|lanes| lanes.into_iter().sum::<f64>());
    let (first, last, count) = (f64::from(*first), f64::from(*last), sample.len() as f64);
    let (sum, squares) = (sum + last, squares + last * last);
    let mean = sum / count;
    let spread = squares - sum * mean;
    let together = products - mean * (2.0 * sum - first - last) + (count - 1.0) * mean * mean;
    // What is left of squares that cancel is rounding.
    (spread > squares * 1e-12 && spread.is_finite()).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(sample: &[f32]) -> f64 {
        let mean = sample.iter().map(|&x| f64::from(x)).sum::<f64>() / sample.len() as f64;
        let from_mean: Vec<f64> = sample.iter().map(|&x| f64::from(x) - mean).collect();
        let together: f64 = from_mean.windows(2).map(|pair| pair[0] * pair[1]).sum();
        together / from_mean.iter().map(|x| x * x).sum::<f64>()
    }

    proptest! {
        #[test]
        fn a_correlation_is_that_of_the_definition(sample in prop::collection::vec(-3.0..5.0_f32, 64..300)) {
            prop_assert!((correlation(&sample).unwrap() - naive(&sample)).abs() < 1e-9);
        }

        #[test]
        fn the_sum_does_not_depend_on_the_order(samples in prop::collection::vec(prop::collection::vec(-1.0..1.0_f32, 70), 1..20)) {
            let of = |samples: &mut dyn Iterator<Item = &Vec<f32>>| {
                let mut texture = Texture::default();
                samples.for_each(|sample| texture.observe(sample));
                texture
            };
            let whole = of(&mut samples.iter());
            prop_assert_eq!(of(&mut samples.iter().rev()), whole);
            let mut merged = of(&mut samples[1..].iter());
            merged.merge(&of(&mut samples[..1].iter()));
            prop_assert_eq!(merged, whole);
        }
    }

    #[test]
    fn ramps_are_no_noise_and_random_values_are() {
        let mut ramp = Texture::default();
        (0..10).for_each(|_| ramp.observe(&(0..784).map(|x| x as f32).collect::<Vec<_>>()));
        assert!(ramp.mean().unwrap() > 0.99 && !ramp.is_noise());
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32
        };
        let mut noise = Texture::default();
        (0..50).for_each(|_| noise.observe(&(0..784).map(|_| random()).collect::<Vec<_>>()));
        assert!(noise.is_noise(), "{noise:?}");
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let mut texture = Texture::default();
        texture.observe(&[1.0, 2.0]);
        texture.observe(&[7.0; 100]);
        texture.observe(&[f32::NAN; 100]);
        texture.observe(&[]);
        assert_eq!(texture, Texture::default());
        assert_eq!(texture.mean(), None);
        assert!(!texture.is_noise());
    }

    #[test]
    fn a_sum_that_no_correlations_have_is_refused() {
        assert!(serde_json::from_str::<Texture>(r#"{"sum":2147483648,"samples":2,"values":64}"#).is_ok());
        assert!(serde_json::from_str::<Texture>(r#"{"sum":2147483649,"samples":2,"values":64}"#).is_err());
        assert!(serde_json::from_str::<Texture>(r#"{"sum":-9223372036854775808,"samples":0,"values":64}"#).is_err());
    }
}

use std::str::FromStr;

use crate::{Error, Problem};

/// A factor for every value of the samples, such as 1/255 for pixels stored as bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f32);

impl Scale {
    /// Multiplication by `factor`.
    ///
    /// # Errors
    ///
    /// When `factor` is 0, infinite or NaN.
    pub fn new(factor: f32) -> Result<Self, Error> {
        if factor == 0.0 || !factor.is_finite() {
            return Err(Problem::Request(format!(
                "a scale must be finite and not 0 as a 32-bit float, unlike {factor}"
            ))
            .into());
        }
        Ok(Self(factor))
    }

    /// The number that values are multiplied by.
    pub fn factor(self) -> f32 {
        self.0
    }
}

/// The factor, such that it is read back as the same.
impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Reads a number (`0.0039`) or a quotient (`1/255`, divided in f64 and rounded to f32 once).
impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |text: &str| {
            text.trim()
                .parse::<f64>()
                .map_err(|_| Problem::Request(format!("`{text}` is not a number; write a scale like 0.0039 or 1/255")))
        };
        let factor = match text.split_once('/') {
            Some((dividend, divisor)) => number(dividend)? / number(divisor)?,
            None => number(text)?,
        };
        Self::new(factor as f32)
    }
}

/// The mean and standard deviation by which a model wants its input normalized: `(x - mean) / std`.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalization {
    /// A normalization by one mean and deviation for all features (length 1), or by one for each element of a sample.
    ///
    /// # Errors
    ///
    /// When the lengths differ or are 0, a mean is not finite, or a deviation is not finite and positive.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, Error> {
        if mean.is_empty() || mean.len() != std.len() {
            return Err(Problem::Request(format!(
                "{} means and {} deviations; a normalization needs as many of one as of the other",
                mean.len(),
                std.len()
            ))
            .into());
        }
        let wrong = mean.iter().zip(&std).position(|(mean, std)| !mean.is_finite() || !std.is_finite() || *std <= 0.0);
        if let Some(i) = wrong {
            return Err(Problem::Request(format!(
                "feature {i} has mean {} and deviation {}; both must be finite and the deviation positive",
                mean[i], std[i]
            ))
            .into());
        }
        Ok(Self { mean, std })
    }

    /// The means, one or one per feature.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviations, one or one per feature.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// Normalizes the values of one sample; a single mean and deviation serve all of them.
    pub(crate) fn apply<'a>(&self, sample: impl Iterator<Item = &'a mut f32>) {
        let features = self.mean.iter().zip(&self.std).cycle();
        for (value, (mean, std)) in sample.zip(features) {
            *value = (*value - mean) / std;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_reads_numbers_and_quotients() {
        let factor = |text: &str| text.parse::<Scale>().unwrap().factor();
        assert_eq!(factor("1/255"), (1.0f64 / 255.0) as f32);
        assert_eq!(factor(" 2 / 4 "), 0.5);
        assert_eq!(factor("0.0039"), 0.0039);
        assert_eq!(factor("-1"), -1.0);
    }

    #[test]
    fn scale_refuses_what_destroys_the_samples() {
        for text in ["", "1/0", "0", "0/5", "nan", "inf", "1e60", "1e-60", "1/2/3", "x"] {
            let error = text.parse::<Scale>().unwrap_err();
            assert!(matches!(error.problem(), Problem::Request(_)), "{text}");
        }
    }

    #[test]
    fn normalization_refuses_unusable_statistics() {
        let new = |mean: &[f32], std: &[f32]| Normalization::new(mean.to_vec(), std.to_vec());
        assert!(new(&[0.5], &[0.25]).is_ok());
        assert!(new(&[], &[]).is_err());
        assert!(new(&[0.5, 0.5], &[0.25]).is_err());
        let error = new(&[0.0, 1.0], &[1.0, 0.0]).unwrap_err();
        assert!(error.to_string().contains("feature 1"), "{error}");
        assert!(new(&[f32::NAN], &[1.0]).is_err());
        assert!(new(&[0.0], &[-1.0]).is_err());
        assert!(new(&[0.0], &[f32::INFINITY]).is_err());
    }
}

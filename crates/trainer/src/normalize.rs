//! How raw samples become inputs of mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

/// Which features share a mean and a standard deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Samples reach the first layer as they are.
    None,
    /// One mean and one deviation for all features, as suits images.
    #[default]
    Global,
    /// A mean and a deviation of its own for each feature, as suits tables.
    Feature,
}

/// `(x - mean) / std`, with one value for all features or one for each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Normalization {
    pub(crate) mean: Vec<f32>,
    pub(crate) std: Vec<f32>,
}

impl Normalization {
    /// Takes mean and standard deviation (of the population) over the given rows of `samples` `[count, ...]`.
    ///
    /// A feature that never changes has deviation 0 and is only shifted. `None` if nothing is to be done.
    pub(crate) fn fit(kind: Normalize, samples: &[f32], count: usize, rows: &[usize]) -> Option<Self> {
        let size = samples.len() / count;
        let columns = match kind {
            Normalize::None => return None,
            Normalize::Global => 1,
            Normalize::Feature => size,
        };
        let row = |row: usize| &samples[row * size..][..size];
        let per_column = (rows.len() * size / columns) as f64;
        let mut mean = vec![0.0_f64; columns];
        for &at in rows {
            add_row(&mut mean, row(at), |_, x| x);
        }
        mean.iter_mut().for_each(|sum| *sum /= per_column);
        // A second pass: E[x^2] - E[x]^2 cancels when the mean is large beside the deviation.
        let mut variance = vec![0.0_f64; columns];
        for &at in rows {
            add_row(&mut variance, row(at), |column, x| (x - mean[column]).powi(2));
        }
        let std = variance.iter().map(|sum| divisor((sum / per_column).sqrt()));
        Some(Self { std: std.collect(), mean: mean.iter().map(|&mean| mean as f32).collect() })
    }

    /// Writes the normalized `sample` to `output`.
    pub(crate) fn apply(&self, sample: &[f32], output: &mut [f32]) {
        if let ([mean], [std]) = (&self.mean[..], &self.std[..]) {
            for (y, &x) in output.iter_mut().zip(sample) {
                *y = (x - mean) / std;
            }
        } else {
            for ((y, &x), (mean, std)) in output.iter_mut().zip(sample).zip(self.mean.iter().zip(&self.std)) {
                *y = (x - mean) / std;
            }
        }
    }
}

/// Adds `term(column, x)` of each value to the sum of its column; a single sum takes them all.
fn add_row(sums: &mut [f64], row: &[f32], term: impl Fn(usize, f64) -> f64) {
    if let [sum] = sums {
        *sum += row.iter().map(|&x| term(0, f64::from(x))).sum::<f64>();
    } else {
        for (column, (sum, &x)) in sums.iter_mut().zip(row).enumerate() {
            *sum += term(column, f64::from(x));
        }
    }
}

/// The deviation as f32, or 1 where dividing by it would give no finite number.
fn divisor(std: f64) -> f32 {
    let std = std as f32;
    if std.is_normal() { std } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;
    use ndarray::{Array2, array};

    fn applied(normalization: &Normalization, samples: &Array2<f32>) -> Array2<f32> {
        let mut output = samples.clone();
        for (sample, row) in samples.rows().into_iter().zip(output.rows_mut()) {
            normalization.apply(sample.to_slice().unwrap(), row.into_slice().unwrap());
        }
        output
    }

    #[test]
    fn global_has_one_mean_and_deviation() {
        let samples = array![[0.0, 4.0], [2.0, 2.0]];
        let fitted =
            Normalization::fit(Normalize::Global, samples.as_slice().unwrap(), samples.nrows(), &[0, 1]).unwrap();
        assert_eq!(fitted.mean, [2.0]);
        assert_abs_diff_eq!(fitted.std[0], 2_f32.sqrt());
        let half = 2_f32.sqrt();
        assert_abs_diff_eq!(
            applied(&fitted, &samples).as_slice().unwrap(),
            &[-half, half, 0.0, 0.0][..],
            epsilon = 1e-6
        );
    }

    #[test]
    fn each_feature_has_its_own_and_a_constant_one_is_only_shifted() {
        let samples = array![[1.0, 5.0, 1e6], [3.0, 5.0, 1e6 + 1.0]];
        let fitted =
            Normalization::fit(Normalize::Feature, samples.as_slice().unwrap(), samples.nrows(), &[0, 1]).unwrap();
        assert_eq!(fitted.mean[..2], [2.0, 5.0]);
        assert_eq!(fitted.std, [1.0, 1.0, 0.5]);
        let normalized = applied(&fitted, &samples);
        assert_eq!(normalized.column(0), array![-1.0, 1.0]);
        assert_eq!(normalized.column(1), array![0.0, 0.0]);
    }

    #[test]
    fn only_the_given_rows_count() {
        let samples = array![[1.0], [1000.0], [3.0]];
        let fitted =
            Normalization::fit(Normalize::Feature, samples.as_slice().unwrap(), samples.nrows(), &[0, 2]).unwrap();
        assert_eq!((fitted.mean, fitted.std), (vec![2.0], vec![1.0]));
    }

    #[test]
    fn none_does_nothing() {
        assert_eq!(Normalization::fit(Normalize::None, &[1.0], 1, &[0]), None);
    }
}

//! How the learning rate changes while training runs.

use serde::{Deserialize, Serialize};

/// The learning rate over a run, as a factor on the configured rate; it is renewed before every batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The configured rate throughout.
    #[default]
    Constant,
    /// Half a cosine from the configured rate down to zero at the last batch, without restarts
    /// (Loshchilov & Hutter 2017, *SGDR*, eq. 5).
    Cosine,
}

impl Schedule {
    /// The factor on the learning rate for batch `step` of `steps`, counted from 0.
    pub(crate) fn factor(self, step: u64, steps: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let done = step as f64 / steps.max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn cosine_starts_at_one_passes_the_middle_at_half_and_ends_at_zero() {
        assert_abs_diff_eq!(Schedule::Cosine.factor(0, 100), 1.0);
        assert_abs_diff_eq!(Schedule::Cosine.factor(50, 100), 0.5, epsilon = 1e-12);
        assert_abs_diff_eq!(Schedule::Cosine.factor(100, 100), 0.0, epsilon = 1e-12);
        assert_abs_diff_eq!(Schedule::Constant.factor(70, 100), 1.0);
    }
}

//! How wrong the network's answers are.

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::ranges;
use crate::word_or_table::word_or_table;

mod class_weights;
mod cross_entropy;
mod function;
mod gaussian;
mod regression;
mod targets;

pub use class_weights::ClassWeights;
pub(crate) use function::{Judged, LossFunction};
pub(crate) use targets::Targets;

/// What a training makes small: for each output of the network, the mean over its rows.
///
/// In a configuration it is a word, `loss = "cross-entropy"`, or a table where it has settings:
/// `loss = { kind = "huber", delta = 0.5 }`.
///
/// A row is one sample, or one step of a sequence; `y` is its target and `z` what the network gives for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Loss {
    /// `(z - y)^2`, in the mean over the columns.
    MeanSquaredError,
    /// `|z - y|`, in the mean over the columns.
    MeanAbsoluteError,
    /// Squared near 0 and absolute further out: `e^2 / 2` where `|e| = |z - y| <= delta`, else `delta * (|e| - delta / 2)`
    /// (Huber 1964), in the mean over the columns.
    Huber {
        /// Where the one goes over into the other, above 0; default 1.
        #[serde(default = "one")]
        delta: f64,
    },
    /// Softmax cross-entropy of logits, one per class: `ln(sum(exp(z))) - z[y]` (ONNX operator *SoftmaxCrossEntropyLoss*). Targets
    /// are classes, one per row. A layer that ends in a softmax is scored in front of it.
    CrossEntropy {
        /// The share of each target that is spread evenly over all classes, in `[0, 1)` (Szegedy et al. 2016, section 7);
        /// default 0.
        #[serde(default)]
        label_smoothing: f64,
        /// Factors on the loss of a row by its class; default none.
        #[serde(default)]
        class_weights: Option<ClassWeights>,
    },
    /// Logistic loss of logits, each a yes or no: `ln(1 + exp(z)) - y z`, in the mean over the columns. Targets are labels, 0 or 1 for
    /// a single column and one-hot for several, or an array of values from 0 to 1. A layer that ends in a sigmoid is scored in front of it.
    BinaryCrossEntropy {
        /// The share of each target that becomes 1/2, in `[0, 1)`; default 0.
        #[serde(default)]
        label_smoothing: f64,
        /// Two factors on the loss: where the target is 0, and where it is 1; default none.
        #[serde(default)]
        class_weights: Option<ClassWeights>,
    },
    /// Negative logarithm of a normal density whose mean and variance are both predicted (Nix & Weigend 1994):
    /// `(ln(2 pi v) + (y - m)^2 / v) / 2`, in the mean over the columns of the target.
    ///
    /// The network's output is `[means..., logarithms...]`, twice as wide as the target, and `v = minimum_variance + exp(s)` for a
    /// logarithm `s` (Kendall & Gal 2017, eq. 8, with a floor), so that no finite output overflows the loss. The model gives `[means...,
    /// variances...]`.
    GaussianNll {
        /// Added to the variance, above 0; default 1e-6.
        #[serde(default = "millionth")]
        minimum_variance: f64,
    },
}
word_or_table!(Loss);

impl Default for Loss {
    /// [`Self::cross_entropy`].
    fn default() -> Self {
        Self::cross_entropy()
    }
}

fn one() -> f64 {
    1.0
}

fn millionth() -> f64 {
    1e-6
}

impl Loss {
    /// Softmax cross-entropy without smoothing or weights.
    pub fn cross_entropy() -> Self {
        Self::CrossEntropy { label_smoothing: 0.0, class_weights: None }
    }

    /// Logistic loss without smoothing or weights.
    pub fn binary_cross_entropy() -> Self {
        Self::BinaryCrossEntropy { label_smoothing: 0.0, class_weights: None }
    }

    /// Gaussian negative log-likelihood with a variance of at least 1e-6.
    pub fn gaussian_nll() -> Self {
        Self::GaussianNll { minimum_variance: millionth() }
    }

    /// Checks the settings; `setting` is what the configuration calls this one.
    pub(crate) fn check(&self, setting: &str) -> Result<()> {
        match self {
            Self::MeanSquaredError | Self::MeanAbsoluteError => Ok(()),
            Self::Huber { delta } => ranges::positive(&format!("{setting}.delta"), *delta),
            Self::CrossEntropy { label_smoothing, class_weights }
            | Self::BinaryCrossEntropy { label_smoothing, class_weights } => {
                ranges::share(&format!("{setting}.label_smoothing"), *label_smoothing)?;
                match class_weights {
                    Some(weights) => weights.check(&format!("{setting}.class_weights")),
                    None => Ok(()),
                }
            }
            Self::GaussianNll { minimum_variance } => {
                ranges::positive(&format!("{setting}.minimum_variance"), *minimum_variance)
            }
        }
    }

    /// Whether an array of targets holds classes, not values.
    pub(crate) fn takes_classes(&self) -> bool {
        matches!(self, Self::CrossEntropy { .. })
    }

    /// Whether the labels of the data can be the targets.
    pub(crate) fn takes_labels(&self) -> bool {
        matches!(self, Self::CrossEntropy { .. } | Self::BinaryCrossEntropy { .. })
    }

    /// What is added to predicted variances.
    pub(crate) fn minimum_variance(&self) -> Option<f64> {
        match self {
            Self::GaussianNll { minimum_variance } => Some(*minimum_variance),
            _ => None,
        }
    }

    /// The function that the loss applies itself.
    pub(crate) fn absorbs(&self) -> Option<Activation> {
        match self {
            Self::CrossEntropy { .. } => Some(Activation::Softmax),
            Self::BinaryCrossEntropy { .. } => Some(Activation::Sigmoid),
            _ => None,
        }
    }

    /// How wide an output is whose targets are so many classes.
    pub(crate) fn width_of_classes(&self, classes: usize) -> usize {
        match self {
            Self::BinaryCrossEntropy { .. } if classes <= 2 => 1,
            _ => classes,
        }
    }

    /// How wide an output is that is compared with so many values.
    pub(crate) fn width_of_values(&self, values: usize) -> usize {
        match self {
            Self::GaussianNll { .. } => values.saturating_mul(2),
            _ => values,
        }
    }

    /// How many classes an output of `width` columns tells.
    pub(crate) fn classes_told(&self, width: usize) -> usize {
        match self {
            Self::BinaryCrossEntropy { .. } if width == 1 => 2,
            _ => width,
        }
    }

    /// Refuses values of a target, `per_sample` for each sample of `layer`'s answers, that the loss is not defined for.
    pub(crate) fn check_values(&self, layer: &str, values: &[f32], per_sample: usize) -> Result<()> {
        let Self::BinaryCrossEntropy { .. } = self else {
            return Ok(());
        };
        match values.iter().position(|value| !(0.0..=1.0).contains(value)) {
            None => Ok(()),
            Some(at) => Err(Error::Target {
                sample: at / per_sample.max(1),
                layer: layer.to_owned(),
                found: values[at],
                expected: "from 0 to 1 for the loss binary-cross-entropy",
            }),
        }
    }

    /// The loss of the answers of `layer`, `width` wide, with what it takes from the training part's targets, which have been checked.
    ///
    /// # Errors
    ///
    /// If there is not one class weight per class, or a predicted mean has no variance beside it.
    pub(crate) fn fit(&self, layer: &str, width: usize, training: Targets<'_>) -> Result<LossFunction> {
        if matches!(self, Self::GaussianNll { .. }) && !width.is_multiple_of(2) {
            let expected = "even for the loss gaussian-nll: as many means as logarithms of variances";
            return Err(Error::setting(format!("{layer}.units"), width, expected));
        }
        let weights = match self {
            Self::CrossEntropy { class_weights: Some(weights), .. } => weights.of_classes(layer, width, training)?,
            Self::BinaryCrossEntropy { class_weights: Some(weights), .. } => {
                weights.of_yes_and_no(layer, width, training)?
            }
            _ => Vec::new(),
        };
        Ok(LossFunction { loss: self.clone(), width: width.max(1), weights })
    }
}

#[cfg(test)]
mod tests;

//! A loss that knows the answers it is of.

use super::cross_entropy::{self, Weighting};
use super::regression::{absolute, huber, mean_of, squared};
use super::{Loss, Targets, gaussian};

/// A loss of one output, with what it took from the training part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LossFunction {
    pub(super) loss: Loss,
    /// Columns of the output; at least 1.
    pub(super) width: usize,
    /// One factor per class; empty for none.
    pub(super) weights: Vec<f64>,
}

/// What right answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The largest of a row is at its class.
    Classes,
    /// Each is above 0 where its target is above 1/2.
    YesAndNo,
    /// Near to the target; so many columns are compared, those before a variance.
    Values { columns: usize },
}

impl LossFunction {
    /// The mean loss of `outputs` `[rows, width]`; writes its derivative by them to `gradient`.
    ///
    /// The sums are in f64 and in the order of the rows. Targets are those of the same rows and have been checked.
    pub(crate) fn evaluate(&self, outputs: &[f32], targets: Targets<'_>, gradient: &mut [f32]) -> f64 {
        let width = self.width;
        match &self.loss {
            Loss::MeanSquaredError => mean_of(outputs, width, targets, gradient, squared),
            Loss::MeanAbsoluteError => mean_of(outputs, width, targets, gradient, absolute),
            Loss::Huber { delta } => mean_of(outputs, width, targets, gradient, |error| huber(error, *delta)),
            Loss::CrossEntropy { label_smoothing, .. } => {
                cross_entropy::softmax(outputs, width, targets, &self.weighting(*label_smoothing), gradient)
            }
            Loss::BinaryCrossEntropy { label_smoothing, .. } => {
                cross_entropy::sigmoid(outputs, width, targets, &self.weighting(*label_smoothing), gradient)
            }
            Loss::GaussianNll { minimum_variance } => {
                gaussian::negative_log_likelihood(outputs, width, targets, *minimum_variance, gradient)
            }
        }
    }

    fn weighting(&self, smoothing: f64) -> Weighting<'_> {
        Weighting { smoothing, weights: &self.weights }
    }

    /// Columns of the output.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What right answers are.
    pub(crate) fn judged(&self) -> Judged {
        match &self.loss {
            Loss::CrossEntropy { .. } => Judged::Classes,
            Loss::BinaryCrossEntropy { .. } => Judged::YesAndNo,
            Loss::GaussianNll { .. } => Judged::Values { columns: self.width / 2 },
            Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. } => {
                Judged::Values { columns: self.width }
            }
        }
    }
}

//! What a training gives: a network that answers raw samples.

use dataset::Dataset;
use ndarray::{Array2, ArrayView2, s};

use crate::error::{Error, Result};
use crate::loss::{count_correct, softmax_cross_entropy};
use crate::network::{Activations, Network};
use crate::normalize::Normalization;
use crate::samples::Samples;
use crate::score::{Score, Tally};

/// Samples per forward pass outside of training.
const BATCH: usize = 256;

/// A trained network with the normalization of its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub(crate) input: String,
    /// The shape of one sample.
    pub(crate) shape: Vec<usize>,
    pub(crate) normalization: Option<Normalization>,
    pub(crate) network: Network,
}

impl Trained {
    /// The share of the samples that are classified as labelled, in per cent.
    ///
    /// # Errors
    ///
    /// Those of [`Self::score`].
    pub fn accuracy(&self, dataset: &Dataset) -> Result<f64> {
        Ok(self.score(dataset)?.accuracy)
    }

    /// Loss and accuracy on labelled samples.
    ///
    /// # Errors
    ///
    /// If the data set has more than one input, samples of another shape than those trained on, NaN or infinite values, no
    /// labels, or a label that is not below the width of the last layer.
    pub fn score(&self, dataset: &Dataset) -> Result<Score> {
        let samples = self.of_trained_shape(Samples::labelled(dataset)?)?;
        samples.check_finite()?;
        let last = self.network.last();
        samples.check_labels(&last.name, last.units())?;
        let rows: Vec<usize> = (0..samples.len()).collect();
        self.evaluate(&samples, &rows)
    }

    /// The logits `[samples, classes]` of raw samples, as the exported model computes them.
    ///
    /// # Errors
    ///
    /// If the data set has more than one input or samples of another shape than those trained on.
    pub fn logits(&self, dataset: &Dataset) -> Result<Array2<f32>> {
        let samples = self.of_trained_shape(Samples::of(dataset)?)?;
        let mut logits = Array2::zeros((samples.len(), self.network.last().units()));
        let rows: Vec<usize> = (0..samples.len()).collect();
        let mut activations = self.network.activations(BATCH)?;
        for rows in rows.chunks(BATCH) {
            let answer = self.forward(&samples, rows, &mut activations);
            logits.slice_mut(s![rows[0]..rows[0] + rows.len(), ..]).assign(&answer);
        }
        Ok(logits)
    }

    fn of_trained_shape<'a>(&self, samples: Samples<'a>) -> Result<Samples<'a>> {
        if samples.shape == self.shape {
            Ok(samples)
        } else {
            Err(Error::SampleShape {
                input: samples.input.to_owned(),
                found: samples.shape.to_owned(),
                expected: self.shape.clone(),
            })
        }
    }

    /// Scores the samples at `rows`.
    pub(crate) fn evaluate(&self, samples: &Samples, rows: &[usize]) -> Result<Score> {
        let batch = BATCH.min(rows.len());
        let mut activations = self.network.activations(batch)?;
        let mut unused_gradient = Array2::zeros((batch, self.network.last().units()));
        let mut tally = Tally::default();
        for rows in rows.chunks(batch) {
            let logits = self.forward(samples, rows, &mut activations);
            let gradient = unused_gradient.slice_mut(s![..rows.len(), ..]);
            let loss = softmax_cross_entropy(logits, samples.labels_at(rows), gradient);
            tally.add(loss, count_correct(logits, samples.labels_at(rows)), rows.len());
        }
        Ok(tally.score())
    }

    /// The logits `[rows, classes]` of the samples at `rows`, of which `activations` must have room for.
    pub(crate) fn forward<'a>(
        &self,
        samples: &Samples,
        rows: &[usize],
        activations: &'a mut Activations,
    ) -> ArrayView2<'a, f32> {
        samples.gather(rows, self.normalization.as_ref(), &mut activations.input);
        self.network.forward(activations, rows.len())
    }
}

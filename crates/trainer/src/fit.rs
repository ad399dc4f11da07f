//! How a network is trained.

use dataset::Dataset;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::loss::{count_correct, softmax_cross_entropy};
use crate::network::Network;
use crate::normalize::Normalization;
use crate::optimizer::OptimizerState;
use crate::samples::Samples;
use crate::score::{Score, Tally};
use crate::trained::Trained;

/// Streams of the seeded generator: each choice has its own, so that changing one setting leaves the other draws alone.
const WEIGHTS: u64 = 0;
const ORDER: u64 = 1;
const SPLIT: u64 = 2;

/// Trains networks as a [`TrainConfig`] says.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: TrainConfig,
}

/// Where a training stands after a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// How many epochs there will be.
    pub epochs: usize,
    /// The batch of this epoch, from 1.
    pub batch: usize,
    /// How many batches an epoch has.
    pub batches: usize,
    /// The learning rate of this batch.
    pub learning_rate: f64,
    /// Loss and accuracy over this epoch's samples so far, each taken before its batch changed the weights.
    pub training: Score,
    /// Loss and accuracy on the validation part; only after the last batch of an epoch, and if there is such a part.
    pub validation: Option<Score>,
}

impl Progress {
    /// Whether this was the last batch of its epoch.
    pub fn epoch_done(&self) -> bool {
        self.batch == self.batches
    }
}

impl Trainer {
    /// A trainer for a checked configuration.
    ///
    /// # Errors
    ///
    /// Those of [`TrainConfig::check`].
    pub fn new(config: TrainConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { config })
    }

    /// Trains a new network on all samples, apart from the validation part if one is configured, and calls `progress` after
    /// every batch.
    ///
    /// Everything runs on one thread in a fixed order: the same configuration and samples give the same bits on the same kind of
    /// processor.
    ///
    /// # Errors
    ///
    /// If the data set has more than one input, has no labels or holds NaN or infinite values, if a label is not below the width of
    /// the last layer, a layer is too large, a part would be empty, or the training diverges.
    pub fn fit(&self, dataset: &Dataset, mut progress: impl FnMut(&Progress)) -> Result<Trained> {
        let samples = Samples::labelled(dataset)?;
        samples.check_finite()?;
        let (mut training, validation) = self.split(samples.len())?;

        let classes = dataset.class_count().unwrap_or(0);
        let network =
            Network::new(&self.config.layers, samples.features.ncols(), classes, &mut self.generator(WEIGHTS))?;
        samples.check_labels(&network.last().name, network.last().units())?;

        let batch_size = self.config.batch_size.min(training.len());
        let batches = training.len().div_ceil(batch_size);
        let steps = (batches as u64).saturating_mul(self.config.epochs as u64);
        let mut activations = network.activations(batch_size)?;
        let mut gradients = network.gradients(batch_size)?;
        let mut optimizer = OptimizerState::new(self.config.optimizer, network.parameters());
        let mut trained = Trained {
            input: samples.input.to_owned(),
            shape: samples.shape.to_owned(),
            normalization: Normalization::fit(self.config.normalize, samples.features, &training),
            network,
        };

        // Names that collide in the model are better found now than after the work.
        trained.to_model()?;

        let mut order = self.generator(ORDER);
        let mut step = 0;
        for epoch in 1..=self.config.epochs {
            training.shuffle(&mut order);
            let mut tally = Tally::default();
            for (batch, rows) in (1..).zip(training.chunks(batch_size)) {
                let factor = self.config.schedule.factor(step, steps);
                let learning_rate = self.config.optimizer.learning_rate * factor;
                step += 1;

                let logits = trained.forward(&samples, rows, &mut activations);
                let by_logits = gradients.logits(rows.len());
                let loss = softmax_cross_entropy(logits, samples.labels_at(rows), by_logits);
                tally.add(loss, count_correct(logits, samples.labels_at(rows)), rows.len());

                let network = &mut trained.network;
                let diverged = |culprit| Error::Diverged { epoch, batch, culprit, learning_rate };
                if !loss.is_finite() {
                    let culprit = network.first_non_finite(&activations, rows.len());
                    return Err(diverged(culprit.unwrap_or_else(|| network.overflowed_loss())));
                }
                network.backward(&activations, &mut gradients, rows.len());
                optimizer.step(learning_rate, network.parameters_mut(&gradients));
                let epoch_done = batch == batches;
                // No later loss would show what the very last step did.
                if epoch_done && let Some(culprit) = network.first_non_finite(&activations, 0) {
                    return Err(diverged(culprit));
                }
                progress(&Progress {
                    epoch,
                    epochs: self.config.epochs,
                    batch,
                    batches,
                    learning_rate,
                    training: tally.score(),
                    validation: match epoch_done && !validation.is_empty() {
                        true => Some(trained.evaluate(&samples, &validation)?),
                        false => None,
                    },
                });
            }
        }
        Ok(trained)
    }

    /// The indices of the training and of the validation part.
    fn split(&self, samples: usize) -> Result<(Vec<usize>, Vec<usize>)> {
        let mut training: Vec<usize> = (0..samples).collect();
        let Some(fraction) = self.config.validation else {
            return Ok((training, Vec::new()));
        };
        let count = (samples as f64 * fraction).round() as usize;
        if count == 0 || count >= samples {
            return Err(Error::EmptyPart { samples, fraction });
        }
        training.shuffle(&mut self.generator(SPLIT));
        let validation = training.split_off(samples - count);
        Ok((training, validation))
    }

    fn generator(&self, stream: u64) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.config.seed);
        generator.set_stream(stream);
        generator
    }
}

#[cfg(test)]
mod tests;

//! How a network is trained.

use dataset::Dataset;
use rand::seq::SliceRandom;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::config::{Output, TrainConfig};
use crate::error::{Culprit, Error, Place, Result};
use crate::network::{Activations, Gradients, Network};
use crate::normalize::Normalization;
use crate::op::Mode;
use crate::optimizer::OptimizerState;
use crate::random::{Purpose, generator};
use crate::samples::Samples;
use crate::schedule::Rates;
use crate::score::{Score, Tally};
use crate::trained::{NetworkInput, Trained, answers, check_targets, losses, requests, widths};

/// Trains networks as a [`TrainConfig`] says.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: TrainConfig,
    threads: usize,
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
    /// The score over this epoch's samples so far, each taken before its batch changed the weights.
    pub training: Score,
    /// The score on the validation part; only after the last batch of an epoch, and if there is such a part.
    pub validation: Option<Score>,
}

impl Progress {
    /// Whether this was the last batch of its epoch.
    pub fn epoch_done(&self) -> bool {
        self.batch == self.batches
    }
}

impl Trainer {
    /// A trainer for a checked configuration, on one thread.
    ///
    /// # Errors
    ///
    /// Those of [`TrainConfig::check`].
    pub fn new(config: TrainConfig) -> Result<Self> {
        config.check()?;
        Ok(Self { config, threads: 1 })
    }

    /// The same trainer on so many threads; 0 for as many as the machine has. The trained network is the same bits for any number.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Trains a new network on all samples, apart from the validation part if one is configured, and calls `progress` after
    /// every batch.
    ///
    /// Every sum runs in an order that depends on shapes alone: the same configuration and samples give the same bits for any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// If the data set lacks an input or target the network needs, or holds NaN or infinite values, if a label is not below the width of
    /// its output, layers do not fit each other or are too large, a part would be empty, or the training diverges.
    pub fn fit(&self, dataset: &Dataset, progress: impl FnMut(&Progress) + Send) -> Result<Trained> {
        self.pool()?.install(|| Run::new(&self.config, dataset)?.finish(progress))
    }

    fn pool(&self) -> Result<ThreadPool> {
        ThreadPoolBuilder::new().num_threads(self.threads).build().map_err(|cause| Error::Threads { cause })
    }
}

/// A training under way.
struct Run<'a> {
    config: &'a TrainConfig,
    outputs: Vec<Output>,
    samples: Samples<'a>,
    training: Vec<usize>,
    validation: Vec<usize>,
    /// Its parameters are those of the start; those learnt are in `network`.
    trained: Trained,
    network: Network,
    activations: Activations,
    gradients: Gradients,
    optimizer: OptimizerState,
    rates: Rates,
    /// Batches done.
    step: u64,
}

impl<'a> Run<'a> {
    fn new(config: &'a TrainConfig, dataset: &'a Dataset) -> Result<Self> {
        let outputs = config.heads();
        let samples = Samples::labelled(dataset, &outputs)?;
        samples.check_finite()?;
        let (training, validation) = split(config, samples.len())?;

        let widths = widths(&samples, &outputs, dataset.class_count());
        let mut rng = generator(config.seed, Purpose::Weights, 0);
        let network = Network::new(&config.layers, &samples.shapes(), &requests(&outputs, &widths), &mut rng)?;
        check_targets(&network, &samples, &outputs)?;

        let input = |input: &crate::samples::Features| NetworkInput {
            name: input.name.to_owned(),
            shape: input.shape.to_vec(),
            normalization: Normalization::fit(config.normalize, input.values, samples.len(), &training),
        };
        let trained = Trained {
            inputs: samples.inputs.iter().map(input).collect(),
            layers: config.layers.clone(),
            losses: losses(&network, &samples, &outputs, &training)?,
            outputs: outputs.clone(),
            widths,
            parameters: network.parameters.clone(),
        };
        // Names that collide in the model are better found now than after the work.
        trained.to_model()?;

        let batch = config.batch_size.min(training.len());
        let batches = training.len().div_ceil(batch) as u64;
        let rates = Rates::new(config.schedule.clone(), batches.saturating_mul(config.epochs as u64), batches);
        Ok(Self {
            config,
            outputs,
            training,
            validation,
            trained,
            activations: network.activations(batch)?,
            gradients: network.gradients(batch)?,
            optimizer: OptimizerState::new(config.optimizer, network.learnt()),
            rates,
            network,
            samples,
            step: 0,
        })
    }

    fn finish(mut self, mut progress: impl FnMut(&Progress)) -> Result<Trained> {
        for epoch in 1..=self.config.epochs {
            self.epoch(epoch, &mut progress)?;
        }
        Ok(Trained { parameters: self.network.parameters, ..self.trained })
    }

    fn epoch(&mut self, epoch: usize, progress: &mut impl FnMut(&Progress)) -> Result<()> {
        // From the order of the file, not that of the last epoch, so that a resumed run sees the same.
        let mut order = self.training.clone();
        order.shuffle(&mut generator(self.config.seed, Purpose::Order, epoch as u64));
        let size = self.config.batch_size.min(order.len());
        let batches = order.len().div_ceil(size);
        let mut tally = Tally::default();
        for (batch, rows) in (1..).zip(order.chunks(size)) {
            let learning_rate = self.config.optimizer.learning_rate * self.rates.factor(self.step);
            let epoch_done = batch == batches;
            self.batch(rows, learning_rate, epoch_done, &mut tally).map_err(|culprit| Error::Diverged {
                epoch,
                batch,
                culprit,
                learning_rate,
            })?;
            let validation = match epoch_done && !self.validation.is_empty() {
                true => Some(self.trained.evaluate(&mut self.network, &self.samples, &self.validation)?),
                false => None,
            };
            if epoch_done {
                self.rates.epoch_done(validation.unwrap_or_else(|| tally.score()).loss);
            }
            progress(&Progress {
                epoch,
                epochs: self.config.epochs,
                batch,
                batches,
                learning_rate,
                training: tally.score(),
                validation,
            });
        }
        Ok(())
    }

    /// Learns from the samples at `rows`, or names where the training diverged.
    fn batch(&mut self, rows: &[usize], rate: f64, last_of_epoch: bool, tally: &mut Tally) -> Result<(), Culprit> {
        let Self { network, activations, gradients, samples, .. } = self;
        let mode = Mode::Training { seed: self.config.seed, step: self.step };
        self.step += 1;
        self.trained.forward(network, samples, rows, mode, activations);

        gradients.clear();
        let mut loss = 0.0;
        for (index, (output, function)) in self.outputs.iter().zip(&self.trained.losses).enumerate() {
            let answers = answers(network, activations, index, rows.len());
            let wanted = samples.targets[index].gather(rows);
            let gradient = network.head_gradient(gradients, index, rows.len());
            let part = output.weight * function.evaluate(answers, wanted.view(), gradient);
            if output.weight != 1.0 {
                gradient.iter_mut().for_each(|by| *by *= output.weight as f32);
            }
            tally.add_answers(index, function, answers, wanted.view());
            if !part.is_finite() {
                let culprit = network.first_non_finite(activations, rows.len());
                let overflow = || Culprit { layer: output.layer.clone(), place: Place::Loss };
                return Err(culprit.unwrap_or_else(overflow));
            }
            loss += part;
        }
        tally.add_loss(loss, rows.len());

        network.backward(activations, gradients, rows.len());
        network.update_statistics();
        let learnt =
            network.parameters.iter_mut().zip(&gradients.parameters).filter(|(parameter, _)| parameter.trainable);
        self.optimizer.step(rate, learnt.map(|(parameter, gradient)| (&mut parameter.values[..], &gradient[..])));
        // No later loss would show what the very last step did.
        match last_of_epoch.then(|| network.first_non_finite(activations, 0)).flatten() {
            Some(culprit) => Err(culprit),
            None => Ok(()),
        }
    }
}

/// The indices of the training and of the validation part, each in the order of the data.
fn split(config: &TrainConfig, samples: usize) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut training: Vec<usize> = (0..samples).collect();
    let Some(fraction) = config.validation else {
        return Ok((training, Vec::new()));
    };
    let count = (samples as f64 * fraction).round() as usize;
    if count == 0 || count >= samples {
        return Err(Error::EmptyPart { samples, fraction });
    }
    training.shuffle(&mut generator(config.seed, Purpose::Split, 0));
    let mut validation = training.split_off(samples - count);
    training.sort_unstable();
    validation.sort_unstable();
    Ok((training, validation))
}

#[cfg(test)]
mod tests;

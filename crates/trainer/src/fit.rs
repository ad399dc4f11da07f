//! How a network is trained.

mod evolve;
mod find_rate;
mod resume;

use std::path::{Path, PathBuf};
use std::time::Instant;

use dataset::Dataset;
use rand::seq::SliceRandom;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::augment::Augmentation;
use crate::config::{Output, TrainConfig};
use crate::error::{Culprit, Error, Place, Result};
use crate::evolution::Population;
use crate::monitor::{GradientMonitor, LayerGradient, Watched};
use crate::network::{Activations, Gradients, Network};
use crate::normalize::Normalization;
use crate::op::{Mode, Parameter};
use crate::optimizer::{OptimizerState, Rule};
use crate::quantized::Quantization;
use crate::random::{Purpose, generator};
use crate::samples::Samples;
use crate::schedule::Rates;
use crate::score::{Score, Tally};
use crate::stopping::{Best, Keep, Verdict};
use crate::trained::{Answers, NetworkInput, Trained, answers, check_targets, losses, requests, widths};

use self::evolve::Evolving;

/// Trains networks as a [`TrainConfig`] says.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: TrainConfig,
    threads: usize,
    checkpoint: Option<PathBuf>,
    resume: Option<PathBuf>,
    /// What a training starts from in place of first values.
    start: Option<Trained>,
    quantization: Option<Quantization>,
}

/// Where a training stands after a batch.
#[derive(Clone, Debug, PartialEq)]
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
    /// Samples of this epoch that were learnt from so far.
    pub samples: usize,
    /// Batches that have changed the parameters so far, over all epochs.
    pub step: u64,
    /// Seconds of training so far, those before the checkpoint it goes on from included.
    pub seconds: f64,
    /// Whether this epoch is the best so far; only after its last batch.
    pub best: bool,
    /// How strongly the loss pulls at each layer, from the input on; only after the last batch of an epoch.
    pub gradients: Vec<LayerGradient>,
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
    /// Those of [`TrainConfig::check`], and [`Error::NoLayers`].
    pub fn new(config: TrainConfig) -> Result<Self> {
        config.check()?;
        match config.layers.is_empty() {
            true => Err(Error::NoLayers),
            false => Ok(Self { config, threads: 1, start: None, quantization: None, checkpoint: None, resume: None }),
        }
    }

    /// A trainer that goes on with a network, one trained before or [read](Trained::from_model) from an ONNX model: with its layers,
    /// parameters and normalization in place of those of the configuration.
    ///
    /// # Errors
    ///
    /// [`Error::LayersGiven`] if the configuration has layers of its own; those of [`TrainConfig::check`].
    pub fn from_trained(config: TrainConfig, start: Trained) -> Result<Self> {
        if !config.layers.is_empty() {
            return Err(Error::LayersGiven);
        }
        let config = TrainConfig { layers: start.layers.clone(), ..config };
        config.check()?;
        Ok(Self { config, threads: 1, start: Some(start), quantization: None, checkpoint: None, resume: None })
    }

    /// The same trainer for a network that computes in the integers of an 8-bit engine, in training and afterwards: what it learns holds for
    /// the quantized model.
    #[must_use]
    pub fn quantized(self, quantization: Quantization) -> Self {
        Self { quantization: Some(quantization), ..self }
    }

    /// The same trainer on so many threads; 0 for as many as the machine has. The trained network is the same bits for any number.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same trainer writing its whole state to a file after every epoch. A file that is there is replaced as a whole or not at all.
    #[must_use]
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Self { checkpoint: Some(path.into()), ..self }
    }

    /// The same trainer going on from the state in a file. The network it gives is that of a training that was never stopped, bit for
    /// bit, provided that the configuration, apart from the number of epochs, and the samples are the same.
    #[must_use]
    pub fn resume(self, path: impl Into<PathBuf>) -> Self {
        Self { resume: Some(path.into()), ..self }
    }

    /// Trains a new network on all samples, apart from the validation part if one is configured, and calls `progress` after
    /// every batch, which may stop the training by returning [`ControlFlow::Break`](std::ops::ControlFlow::Break).
    ///
    /// Every sum runs in an order that depends on shapes alone: the same configuration and samples give the same bits for any number of
    /// threads.
    ///
    /// # Errors
    ///
    /// If the data set lacks an input or target the network needs, or holds NaN or infinite values, if a label is not below the width of
    /// its output, layers do not fit each other or are too large, a part would be empty, or the training diverges; if the checkpoint to go on from
    /// is of another training or damaged, or one cannot be written.
    pub fn fit<V: Verdict>(&self, dataset: &Dataset, progress: impl FnMut(&Progress) -> V + Send) -> Result<Trained> {
        self.pool()?.install(|| self.start(dataset)?.finish(progress, self.checkpoint.as_deref()))
    }

    /// The best network of the training that [`Self::resume`] would go on with, for when that cannot be finished.
    ///
    /// # Errors
    ///
    /// Those of [`Self::fit`] before the first batch.
    pub fn best_so_far(&self, dataset: &Dataset) -> Result<Trained> {
        let run = self.start(dataset)?;
        Ok(run.end(Keep::Best))
    }

    fn start<'a>(&'a self, dataset: &'a Dataset) -> Result<Run<'a>> {
        let mut run = Run::new(self, dataset)?;
        if let Some(path) = &self.resume {
            run.restore(path)?;
        }
        Ok(run)
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
    /// In place of the optimizer, where there is no gradient.
    evolving: Option<Evolving>,
    rates: Rates,
    /// Batches done.
    step: u64,
    epochs_done: u64,
    best: Best,
    /// Those of the best epoch.
    best_parameters: Option<Vec<Parameter>>,
    monitor: GradientMonitor,
    /// Of the samples, once it is known.
    data_digest: Option<String>,
    start: Instant,
    /// Those that the training took before this run of it.
    seconds_before: f64,
}

impl<'a> Run<'a> {
    fn new(trainer: &'a Trainer, dataset: &'a Dataset) -> Result<Self> {
        let Trainer { config, start, quantization, .. } = trainer;
        let start = start.as_ref();
        let outputs = config.heads();
        let mut samples = Samples::labelled(dataset, &outputs)?;
        if let Some(start) = start {
            samples = start.of_trained_shape(samples)?;
        }
        samples.check_finite()?;
        samples.check_entries(config)?;
        let (training, validation) = split(config, samples.len())?;

        if let Some(augment) = config.augment {
            samples.inputs.iter().try_for_each(|input| augment.check_shape(input.shape))?;
        }
        let widths = widths(&samples, &outputs, dataset.class_count());
        let mut rng = generator(config.seed, Purpose::Weights, 0);
        let shapes = start.map_or_else(|| samples.shapes(), Trained::shapes);
        let mut network = Network::new(&config.layers, &shapes, &requests(&outputs, &widths), &mut rng)?;
        if let Some(start) = start {
            if let Some(quantization) = &start.quantization {
                network.quantize(quantization)?;
            }
            network.take(&start.parameters);
        }
        if let Some(quantization) = quantization {
            quantization.check()?;
            network.quantize(quantization)?;
        }
        check_targets(&network, &samples, &outputs)?;
        for (head, wanted) in samples.targets.iter().enumerate() {
            if let Some(normalization) = wanted.normalization(samples.len(), &training) {
                network.set_target_normalization(head, normalization);
            }
        }

        let input = |input: &crate::samples::Features| NetworkInput {
            name: input.name.to_owned(),
            shape: input.shape.to_vec(),
            normalization: match config.embedding_of(input.name) {
                Some(_) => None,
                None => Normalization::fit(config.normalize, input.values, samples.len(), &training),
            },
        };
        let trained = Trained {
            inputs: match start {
                Some(start) => start.inputs.clone(),
                None => samples.inputs.iter().map(input).collect(),
            },
            layers: config.layers.clone(),
            losses: losses(&network, &samples, &outputs, &training)?,
            outputs: outputs.clone(),
            widths,
            parameters: network.parameters.clone(),
            quantization: quantization.clone().or_else(|| start.and_then(|start| start.quantization.clone())),
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
            evolving: match config.optimizer.rule {
                Rule::Evolution(evolution) => {
                    let step_size = config.optimizer.learning_rate;
                    Some(Evolving::new(Population::new(evolution, step_size, config.seed)))
                }
                _ => None,
            },
            rates,
            network,
            samples,
            step: 0,
            epochs_done: 0,
            best: Best::default(),
            best_parameters: None,
            monitor: GradientMonitor::default(),
            data_digest: None,
            start: Instant::now(),
            seconds_before: 0.0,
        })
    }

    fn finish<V: Verdict>(
        mut self,
        mut progress: impl FnMut(&Progress) -> V,
        checkpoint: Option<&Path>,
    ) -> Result<Trained> {
        let stopping = self.config.early_stopping;
        while self.epochs_done < self.config.epochs as u64 && !self.best.is_stale(self.epochs_done, stopping) {
            let stops = self.epoch(&mut progress)?;
            let whole = self.step == self.epochs_done * self.batches() as u64;
            // After the call above, so that what it writes is never behind the checkpoint.
            if let Some(path) = checkpoint.filter(|_| whole) {
                self.save(path)?;
            }
            if stops {
                break;
            }
        }
        let keep = self.config.keep;
        Ok(self.end(keep))
    }

    fn end(self, keep: Keep) -> Trained {
        let best = self.best_parameters.filter(|_| keep == Keep::Best);
        Trained { parameters: best.unwrap_or(self.network.parameters), ..self.trained }
    }

    /// Batches per epoch.
    fn batches(&self) -> usize {
        self.training.len().div_ceil(self.config.batch_size.min(self.training.len()))
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.start.elapsed().as_secs_f64()
    }

    /// Trains for one more epoch; `true` if it was stopped.
    fn epoch<V: Verdict>(&mut self, progress: &mut impl FnMut(&Progress) -> V) -> Result<bool> {
        let epoch = self.epochs_done as usize + 1;
        // From the order of the file, not that of the last epoch, so that a resumed run sees the same.
        let mut order = self.training.clone();
        order.shuffle(&mut generator(self.config.seed, Purpose::Order, epoch as u64));
        let size = self.config.batch_size.min(order.len());
        let batches = self.batches();
        let mut tally = Tally::default();
        let mut samples = 0;
        for (batch, rows) in (1..).zip(order.chunks(size)) {
            let learning_rate = match &self.evolving {
                Some(evolving) => evolving.population.step_size(),
                None => self.config.optimizer.learning_rate * self.rates.factor(self.step),
            };
            let epoch_done = batch == batches;
            self.batch(rows, learning_rate, [batch, batches], &mut tally)?.map_err(|culprit| Error::Diverged {
                epoch,
                batch,
                culprit,
                learning_rate,
            })?;
            samples += rows.len();
            let training = tally.score();
            let validation = match epoch_done && !self.validation.is_empty() {
                true => Some(self.trained.evaluate(&mut self.network, &self.samples, &self.validation)?),
                false => None,
            };
            let mut state = Progress {
                epoch,
                epochs: self.config.epochs,
                batch,
                batches,
                learning_rate,
                training,
                validation,
                samples,
                step: self.step,
                seconds: self.seconds(),
                best: false,
                gradients: Vec::new(),
            };
            if epoch_done {
                self.rates.epoch_done(validation.unwrap_or(training).loss);
                state.best = self.judge(&validation.unwrap_or(training))?;
                state.gradients = self.monitor.finish();
            }
            if progress(&state).stops() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Counts the epoch and keeps its parameters, as long as they are the best, where later ones will not overwrite them.
    fn judge(&mut self, score: &Score) -> Result<bool> {
        self.epochs_done += 1;
        let cost = self.config.monitor.cost(score)?;
        let best = self.best.take(self.epochs_done, cost, self.config.early_stopping);
        if best {
            self.best_parameters = Some(self.network.parameters.clone());
        }
        Ok(best)
    }

    /// Learns from the samples at `rows`, or names where the training diverged.
    ///
    /// # Errors
    ///
    /// Those of making another network, which evolution needs.
    fn batch(
        &mut self,
        rows: &[usize],
        rate: f64,
        [batch, batches]: [usize; 2],
        tally: &mut Tally,
    ) -> Result<Result<(), Culprit>> {
        let Self { network, activations, gradients, samples, .. } = self;
        let mode = Mode::Training { seed: self.config.seed, step: self.step };
        self.step += 1;
        let augmentation = self.config.augment.map(|augment| Augmentation {
            augment,
            seed: self.config.seed,
            epoch: self.epochs_done,
        });
        self.trained.forward(network, samples, rows, mode, augmentation, activations);

        gradients.clear();
        let mut loss = 0.0;
        for (index, (output, function)) in self.outputs.iter().zip(&self.trained.losses).enumerate() {
            let Answers { scored, judged } = answers(network, activations, index, rows.len());
            let wanted = samples.targets[index].gather(rows);
            let gradient = network.head_gradient(gradients, index, rows.len());
            let seen = wanted.seen_by_loss(network, index);
            let part = output.weight * function.evaluate(scored, seen.view(), gradient);
            if output.weight != 1.0 {
                gradient.iter_mut().for_each(|by| *by *= output.weight as f32);
            }
            tally.add_answers(index, function, judged, wanted.view());
            if !part.is_finite() {
                let culprit = network.first_non_finite(activations, rows.len());
                let overflow = || Culprit { layer: output.layer.clone(), place: Place::Loss };
                return Ok(Err(culprit.unwrap_or_else(overflow)));
            }
            loss += part;
        }
        tally.add_loss(loss, rows.len());

        if let Some(evolving) = &mut self.evolving {
            network.update_statistics();
            let batch_size = self.config.batch_size.min(self.training.len());
            evolving.advance(&self.trained, (network, activations), samples, (rows, batch_size), mode)?;
            return Ok(Ok(()));
        }
        network.backward(activations, gradients, rows.len());
        network.update_statistics();
        if GradientMonitor::looks_at(batch - 1, batches) {
            let learnt = network.parameters.iter().zip(&gradients.parameters);
            self.monitor.look(learnt.filter(|(parameter, _)| parameter.trainable).map(|(parameter, gradient)| {
                Watched { name: &parameter.name, values: &parameter.values, gradient, weight: parameter.decays }
            }));
        }
        let learnt =
            network.parameters.iter_mut().zip(&gradients.parameters).filter(|(parameter, _)| parameter.trainable);
        self.optimizer.step(rate, learnt.map(|(parameter, gradient)| (&mut parameter.values[..], &gradient[..])));
        // No later loss would show what the very last step did.
        Ok(match (batch == batches).then(|| network.first_non_finite(activations, 0)).flatten() {
            Some(culprit) => Err(culprit),
            None => Ok(()),
        })
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

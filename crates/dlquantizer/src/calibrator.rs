//! Runs calibration data through a float model and collects the statistics of its tensors.

mod batching;
mod block;
mod convergence;
mod worker;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dataset::{Batch, Shard};
use int8_inference::{Session, SessionOptions};
use ndarray::ArrayViewD;

pub(crate) use self::convergence::Convergence;

use self::batching::Batching;
use self::block::Block;
use self::worker::{Task, Worker};
use crate::calibration_tensors::Tensor;
use crate::collected::{Activation, Collected};
use crate::coverage::Coverage;
use crate::{Calibration, Checkpoint, Error, FloatModel, TensorKind, TensorRecord};

/// Batches that each worker gets at a time, so that starting the workers costs little.
const BATCHES_PER_WORKER: usize = 4;

/// Collects the ranges of weights, biases and activations of one model.
///
/// One pass, memory that does not grow with the number of samples, and the same bytes for any order, batch size and number of threads.
pub struct Calibrator<'m> {
    model: &'m FloatModel,
    session: Session,
    /// The model's inputs.
    inputs: Vec<String>,
    workers: Vec<Worker>,
    /// What a checkpoint brought.
    before: Collected,
    /// Samples that wait for a full block, all of one shape.
    block: Block,
    /// For samples of the shape of the block.
    batching: Option<Batching>,
    /// Samples observed, those of the checkpoint included.
    samples: u64,
    convergence: Convergence,
    /// When to stop, as the part of its width that a range may still grow by.
    tolerance: Option<f64>,
}

impl<'m> Calibrator<'m> {
    /// A calibrator on all cores.
    ///
    /// # Errors
    ///
    /// When the float runtime lacks one of the model's operators.
    pub fn new(model: &'m FloatModel) -> Result<Self, Error> {
        Self::with_threads(model, None)
    }

    /// A calibrator with a number of worker threads; `None` takes all cores.
    ///
    /// # Errors
    ///
    /// As [`Calibrator::new`].
    pub fn with_threads(model: &'m FloatModel, threads: Option<usize>) -> Result<Self, Error> {
        let inputs: Vec<String> = model.prepared().inputs().into_iter().map(|input| input.name).collect();
        let taps = activations(model).map(|tensor| tensor.name.clone()).filter(|name| !inputs.contains(name)).collect();
        // The workers run batches side by side, each on one thread.
        let session = Session::new(model.prepared(), &SessionOptions { taps, threads: Some(1), isa: None })?;
        let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
        let worker = Worker::new(activations(model).map(|tensor| (tensor.name.as_str(), tensor.channels)));
        Ok(Self {
            model,
            session,
            inputs,
            workers: vec![worker; threads.unwrap_or(1).max(1)],
            before: Collected::default(),
            block: Block::default(),
            batching: None,
            samples: 0,
            convergence: Convergence::default(),
            tolerance: None,
        })
    }

    /// Goes on where `checkpoint` was made: the result is that of one calibrator over the samples of both.
    ///
    /// # Errors
    ///
    /// When the checkpoint is of another model or made by another version of the tool.
    pub fn resume(mut self, checkpoint: Checkpoint) -> Result<Self, Error> {
        let (collected, convergence) = checkpoint.into_state(self.model.digest(), activations(self.model).count())?;
        self.samples = collected.samples;
        self.before = collected;
        self.convergence = convergence;
        Ok(self)
    }

    /// Takes no more samples as soon as no range, from smallest to largest value, has grown by more than `tolerance`, as a part of its
    /// width, since half as many samples; at least 512 are taken.
    ///
    /// Where that is depends on the order of the samples, but not on batches and threads.
    #[must_use]
    pub fn until_stable(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Whether the calibrator has stopped as [`Calibrator::until_stable`] told it to.
    pub fn is_stable(&self) -> bool {
        self.tolerance.is_some_and(|tolerance| self.convergence.is_stable(tolerance))
    }

    /// Observes all batches and returns the calibration.
    ///
    /// # Errors
    ///
    /// When a batch does not fit the model, there are no samples, or a tensor had no finite value.
    pub fn run<'d>(mut self, batches: impl IntoIterator<Item = Batch<'d>>) -> Result<Calibration, Error> {
        for batch in batches {
            self.observe(&batch)?;
        }
        self.finish()
    }

    /// Observes the samples of one batch; they may be held back until enough for all workers have come.
    ///
    /// Samples may differ in shape from batch to batch where the model leaves a dimension open.
    ///
    /// # Errors
    ///
    /// When the batch lacks an input of the model or has a shape that it does not take.
    pub fn observe(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let names: Vec<&str> = self.inputs.iter().map(String::as_str).collect();
        let views = batch.inputs_for(&names)?;
        self.fit(&views)?;
        let mut start = 0;
        while start < batch.len() && !self.is_stable() {
            let due = self.convergence.next();
            let until_due = usize::try_from(due - self.samples()).unwrap_or(usize::MAX);
            let count = (self.block_size() - self.block.samples()).min(until_due).min(batch.len() - start);
            self.block.push(&views, start, count);
            start += count;
            if count == until_due {
                self.flush()?;
                let extremes = self.extremes();
                self.convergence.look(extremes);
            } else if self.block.samples() == self.block_size() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Makes ready for samples of this shape.
    fn fit(&mut self, views: &[ArrayViewD<'_, f32>]) -> Result<(), Error> {
        let changed = self.block.other_shape(views).map(|(input, shape)| (input, shape.to_vec()));
        if self.batching.is_some() && changed.is_none() {
            return Ok(());
        }
        self.flush()?;
        self.block = Block::like(views);
        self.block.push(views, 0, 1);
        self.block.push_unlike_first();
        let batching = Batching::probe(&self.session, &self.inputs, &self.block);
        self.block.clear();
        self.batching = Some(batching.map_err(|error| match changed {
            Some((input, before)) => Error::SampleShape {
                input: self.inputs[input].clone(),
                sample: self.samples(),
                before,
                shape: views[input].shape()[1..].to_vec(),
                error: Box::new(error),
            },
            None => error,
        })?);
        Ok(())
    }

    /// Samples of a full block.
    fn block_size(&self) -> usize {
        self.batching.as_ref().map_or(1, |batching| batching.samples) * self.workers.len() * BATCHES_PER_WORKER
    }

    /// Samples observed or waiting, those of the checkpoint included.
    pub fn samples(&self) -> u64 {
        self.samples + self.block.samples() as u64
    }

    /// Bytes of memory that calibrating takes at most with samples of the shape of `batch`, for any number of them: statistics, samples
    /// and activations of all workers. The model itself and what the float runtime needs inside an operator come on top.
    ///
    /// # Errors
    ///
    /// As [`Calibrator::observe`].
    pub fn memory_bound(&mut self, batch: &Batch<'_>) -> Result<usize, Error> {
        let names: Vec<&str> = self.inputs.iter().map(String::as_str).collect();
        let views = batch.inputs_for(&names)?;
        self.fit(&views)?;
        let sample: usize = views.iter().map(|view| size_of::<f32>() * view.len() / batch.len()).sum();
        let worker = self.batching.as_ref().map_or(0, |batching| {
            let held = (BATCHES_PER_WORKER + 1).saturating_mul(sample);
            batching.samples.saturating_mul(batching.bytes_per_sample.saturating_add(held))
        });
        Ok(self.state_bytes().saturating_add(self.workers.len().saturating_mul(worker)))
    }

    /// Bytes of the collected statistics; they do not grow with the number of samples.
    pub fn state_bytes(&self) -> usize {
        self.workers.iter().map(Worker::state_bytes).sum()
    }

    /// Observes what is still waiting and returns the calibration.
    ///
    /// # Errors
    ///
    /// When there were no samples or a tensor had no finite value.
    pub fn finish(self) -> Result<Calibration, Error> {
        self.finish_shard(Shard::ALL)
    }

    /// [`Calibrator::finish`] for samples that were one shard of a data set.
    ///
    /// # Errors
    ///
    /// As [`Calibrator::finish`].
    pub fn finish_shard(mut self, shard: Shard) -> Result<Calibration, Error> {
        let collected = self.collect()?;
        let mut records = Vec::with_capacity(self.model.tensors().len());
        for tensor in self.model.tensors() {
            records.extend(record(tensor, &collected)?);
        }
        let coverage = Coverage::shard(shard);
        Calibration::new(self.model.digest().to_owned(), collected.samples, coverage, collected.sketch, records)
    }

    /// Observes what is still waiting and returns what a later [`Calibrator::resume`] needs, with a `run` and a `position` that tell the
    /// caller which samples are still to come.
    ///
    /// # Errors
    ///
    /// When waiting samples cannot be run.
    pub fn checkpoint(&mut self, run: String, position: [u64; 2]) -> Result<Checkpoint, Error> {
        let collected = self.collect()?;
        Ok(Checkpoint::new(self.model.digest().to_owned(), run, position, collected, self.convergence.clone()))
    }

    /// The fewest samples after which every range was within `tolerance`, as a part of its width, of what it is now; none if ranges grew
    /// until the end. It is found on a grid that becomes wider by a quarter from point to point.
    ///
    /// # Errors
    ///
    /// When waiting samples cannot be run.
    pub fn converged_after(&mut self, tolerance: f64) -> Result<Option<u64>, Error> {
        self.flush()?;
        Ok(self.convergence.converged_after(&self.extremes(), tolerance))
    }

    /// The range of every activation.
    fn extremes(&self) -> Vec<Option<(f32, f32)>> {
        let of = |tensor: &Tensor| {
            let before = self.before.activations.get(&tensor.name);
            let before = before
                .into_iter()
                .flat_map(|activation| &activation.halves)
                .filter_map(|half| half.min().zip(half.max()));
            let now = self.workers.iter().filter_map(|worker| worker.extremes(&tensor.name));
            before.chain(now).reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
        };
        activations(self.model).map(of).collect()
    }

    /// Everything observed, what was waiting included.
    fn collect(&mut self) -> Result<Collected, Error> {
        self.flush()?;
        let mut all = self.before.clone();
        for worker in &self.workers {
            all.merge(&worker.collected(&self.inputs)).map_err(Error::Merge)?;
        }
        Ok(all)
    }

    /// Runs the samples that wait.
    fn flush(&mut self) -> Result<(), Error> {
        let Some(batching) = &self.batching else { return Ok(()) };
        let (session, names, block, waiting) = (&self.session, &self.inputs, &self.block, self.block.samples());
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = |worker: &mut Worker| loop {
            let start = next.fetch_add(batching.samples, Ordering::Relaxed);
            if start >= waiting {
                return;
            }
            let real = batching.samples.min(waiting - start);
            if let Err(error) = worker.run(&Task { session, names, batching, block, start, real }) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        };
        let busy = waiting.div_ceil(batching.samples);
        match self.workers.as_mut_slice() {
            [first, ..] if busy <= 1 => work(first),
            workers => std::thread::scope(|scope| {
                for worker in workers.iter_mut().take(busy) {
                    scope.spawn(|| work(worker));
                }
            }),
        }
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => {
                self.samples += waiting as u64;
                self.block.clear();
                Ok(())
            }
        }
    }
}

/// The tensors that are observed.
fn activations(model: &FloatModel) -> impl Iterator<Item = &Tensor> {
    model.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Activation && tensor.same_as.is_none())
}

/// The record of a tensor; none for integers (shapes, indices), which pass by unobserved and have no range.
fn record(tensor: &Tensor, collected: &Collected) -> Result<Option<TensorRecord>, Error> {
    let observed = collected.activations.get(tensor.same_as.as_ref().unwrap_or(&tensor.name));
    let (statistics, halves, channels, texture) = match (&tensor.constant, observed) {
        (Some(constant), _) => (constant.statistics.clone(), None, constant.channels.clone(), None),
        (None, Some(activation)) => {
            let merge = |error| Error::Merge(format!("tensor \"{}\": {error}", tensor.name));
            let Activation { halves, channels, texture } = activation.clone();
            // Channels and neighbours are a matter of shape.
            let (channels, texture) = if tensor.same_as.is_none() { (channels, texture) } else { (None, None) };
            (activation.statistics().map_err(merge)?, Some(halves), channels, texture)
        }
        (None, None) => return Ok(None),
    };
    Ok((collected.samples == 0 || statistics.count() > 0).then(|| TensorRecord {
        name: tensor.name.clone(),
        layer: tensor.layer.clone(),
        network_layer: tensor.network_layer.clone(),
        kind: tensor.kind,
        statistics,
        halves,
        channels,
        texture,
    }))
}

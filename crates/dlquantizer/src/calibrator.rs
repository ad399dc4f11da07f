//! Runs calibration data through a float model and collects the statistics of its tensors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dataset::Batch;
use int8_inference::{ObservedValues, Session, SessionOptions};
use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

use crate::{Calibration, Error, FloatModel, Observer, TensorKind, TensorRecord, TensorStatistics};

/// Samples that go through the model together, whatever batches the caller has: float kernels round differently at other sizes, and a
/// calibration must not depend on how its samples were cut.
const BATCH: usize = 64;

/// Batches that each worker gets at a time, so that starting the workers costs little.
const BATCHES_PER_WORKER: usize = 4;

/// Observers of the activations by tensor. Each worker fills one of its own; the sum does not depend on who saw what.
type Observers = HashMap<String, Observer>;

/// Collects the ranges of weights, biases and activations of one model.
///
/// One pass, memory that does not grow with the number of samples, and the same bytes for any batch size and number of threads.
pub struct Calibrator<'m> {
    model: &'m FloatModel,
    session: Session,
    /// Samples per run of the model.
    batch: usize,
    workers: Vec<Observers>,
    /// Samples waiting for a full block of batches, one array per input, `[block, ...]`.
    pending: Vec<ArrayD<f32>>,
    waiting: usize,
    samples: u64,
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
        let activations = || model.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Activation);
        let inputs: Vec<String> = model.prepared().inputs().into_iter().map(|input| input.name).collect();
        let taps = activations().map(|tensor| tensor.name.clone()).filter(|name| !inputs.contains(name)).collect();
        // The workers run batches side by side, each on one thread.
        let session = Session::new(model.prepared(), &SessionOptions { taps, threads: Some(1), isa: None })?;
        let batch = session.fixed_batch().unwrap_or(BATCH);
        let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from));
        let observers: Observers = activations().map(|tensor| (tensor.name.clone(), Observer::new())).collect();
        let workers = vec![observers; threads.unwrap_or(1).max(1)];
        Ok(Self { model, session, batch, workers, pending: Vec::new(), waiting: 0, samples: 0 })
    }

    fn block(&self) -> usize {
        self.batch * self.workers.len() * BATCHES_PER_WORKER
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
    /// # Errors
    ///
    /// When the batch lacks an input of the model or has other shapes.
    pub fn observe(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let inputs = self.model.prepared().inputs();
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let views = batch.inputs_for(&names)?;
        let block = self.block();
        if self.pending.is_empty() {
            self.pending = views.iter().map(|view| ArrayD::zeros([&[block], &view.shape()[1..]].concat())).collect();
        }
        let mut start = 0;
        while start < batch.len() {
            let count = (block - self.waiting).min(batch.len() - start);
            for ((name, pending), view) in names.iter().zip(&mut self.pending).zip(&views) {
                if pending.shape()[1..] != view.shape()[1..] {
                    return Err(Error::SampleShape {
                        input: (*name).to_owned(),
                        first: pending.shape()[1..].to_vec(),
                        other: view.shape()[1..].to_vec(),
                    });
                }
                let mut free = pending.slice_axis_mut(Axis(0), Slice::from(self.waiting..self.waiting + count));
                free.assign(&view.slice_axis(Axis(0), Slice::from(start..start + count)));
            }
            self.waiting += count;
            start += count;
            if self.waiting == block {
                self.run_pending()?;
            }
        }
        Ok(())
    }

    /// Samples observed or waiting.
    pub fn samples(&self) -> u64 {
        self.samples + self.waiting as u64
    }

    /// Bytes of the collected state; it does not grow with the number of samples.
    pub fn state_bytes(&self) -> usize {
        self.workers.iter().map(HashMap::len).sum::<usize>() * Observer::STATE_BYTES
    }

    /// Observes what is still waiting and returns the calibration.
    ///
    /// # Errors
    ///
    /// When there were no samples or a tensor had no finite value.
    pub fn finish(mut self) -> Result<Calibration, Error> {
        if self.waiting > 0 {
            self.run_pending()?;
        }
        let mut records = Vec::with_capacity(self.model.tensors().len());
        for tensor in self.model.tensors() {
            let statistics = match &tensor.constant {
                Some(statistics) => Some(statistics.clone()),
                None => self.observed(&tensor.name)?,
            };
            // Integer tensors (shapes, indices) pass by unobserved and have no range.
            if let Some(statistics) = statistics.filter(|statistics| self.samples == 0 || statistics.count() > 0) {
                records.push(TensorRecord {
                    name: tensor.name.clone(),
                    layer: tensor.layer.clone(),
                    network_layer: tensor.network_layer.clone(),
                    kind: tensor.kind,
                    statistics,
                });
            }
        }
        Calibration::new(self.model.digest().to_owned(), self.samples, records)
    }

    /// What all workers saw of an activation.
    fn observed(&self, tensor: &str) -> Result<Option<TensorStatistics>, Error> {
        let mut seen = self.workers.iter().filter_map(|observers| observers.get(tensor)).map(Observer::statistics);
        let Some(mut all) = seen.next() else { return Ok(None) };
        for statistics in seen {
            all.merge(&statistics).map_err(|error| Error::Merge(format!("tensor \"{tensor}\": {error}")))?;
        }
        Ok(Some(all))
    }

    /// Runs the pending samples, the last batch padded with copies of one of them, and observes all but the padding.
    fn run_pending(&mut self) -> Result<(), Error> {
        let missing = self.waiting.next_multiple_of(self.batch) - self.waiting;
        for pending in &mut self.pending {
            let (samples, mut free) = pending.view_mut().split_at(Axis(0), self.waiting);
            free.slice_axis_mut(Axis(0), Slice::from(..missing)).assign(&samples.slice_axis(Axis(0), Slice::from(..1)));
        }
        let names: Vec<String> = self.model.prepared().inputs().into_iter().map(|input| input.name).collect();
        let (session, pending, batch, waiting) = (&self.session, &self.pending, self.batch, self.waiting);
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = |observers: &mut Observers| loop {
            let start = next.fetch_add(batch, Ordering::Relaxed);
            if start >= waiting {
                return;
            }
            let inputs: Vec<_> = names
                .iter()
                .zip(pending)
                .map(|(name, all)| (name.as_str(), all.slice_axis(Axis(0), Slice::from(start..start + batch))))
                .collect();
            if let Err(error) = run_batch(session, &inputs, batch, batch.min(waiting - start), observers) {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return;
            }
        };
        match self.workers.as_mut_slice() {
            [only] => work(only),
            workers => std::thread::scope(|scope| {
                for observers in workers {
                    scope.spawn(|| work(observers));
                }
            }),
        }
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => {
                self.samples += self.waiting as u64;
                self.waiting = 0;
                Ok(())
            }
        }
    }
}

/// Runs one batch and observes the first `real` of its samples.
fn run_batch(
    session: &Session,
    inputs: &[(&str, ArrayViewD<'_, f32>)],
    batch: usize,
    real: usize,
    observers: &mut Observers,
) -> Result<(), Error> {
    let mut observe = |tensor: &str, shape: &[usize], values: &[f32]| {
        if let Some(observer) = observers.get_mut(tensor) {
            // Where the batch is not in front, the samples cannot be told from the padding, which at least is no new value.
            let in_front = shape.first() == Some(&batch);
            observer.observe(if in_front { &values[..values.len() / batch * real] } else { values });
        }
    };
    for (name, values) in inputs {
        observe(name, values.shape(), values.as_slice().unwrap_or_default());
    }
    session.observe(inputs, &mut |observed| {
        if let ObservedValues::F32(values) = observed.values {
            observe(observed.tensor, observed.shape, values);
        }
    })?;
    Ok(())
}

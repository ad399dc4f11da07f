//! Runs calibration data through a float model and collects the statistics of its tensors.

use std::collections::HashMap;

use dataset::Batch;
use int8_inference::{ObservedValues, Session, SessionOptions};
use ndarray::{ArrayD, Axis, Slice};

use crate::{Calibration, Error, FloatModel, Observer, TensorKind, TensorRecord};

/// Samples that go through the model together, whatever batches the caller has: float kernels round differently at other sizes, and a
/// calibration must not depend on how its samples were cut.
const BATCH: usize = 64;

/// Collects the ranges of weights, biases and activations of one model.
///
/// One pass, memory that does not grow with the number of samples, and the same bytes for any batch size.
pub struct Calibrator<'m> {
    model: &'m FloatModel,
    session: Session,
    batch: usize,
    observers: HashMap<String, Observer>,
    /// Samples waiting for a full batch, one array per input, `[batch, ...]`.
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
        let session = Session::new(model.prepared(), &SessionOptions { taps, threads, isa: None })?;
        let observers = activations().map(|tensor| (tensor.name.clone(), Observer::new())).collect();
        let batch = session.fixed_batch().unwrap_or(BATCH);
        Ok(Self { model, session, batch, observers, pending: Vec::new(), waiting: 0, samples: 0 })
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

    /// Observes the samples of one batch; they may be held back until enough for the model's batch have come.
    ///
    /// # Errors
    ///
    /// When the batch lacks an input of the model or has other shapes.
    pub fn observe(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let inputs = self.model.prepared().inputs();
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let views = batch.inputs_for(&names)?;
        if self.pending.is_empty() {
            self.pending =
                views.iter().map(|view| ArrayD::zeros([&[self.batch], &view.shape()[1..]].concat())).collect();
        }
        let mut start = 0;
        while start < batch.len() {
            let count = (self.batch - self.waiting).min(batch.len() - start);
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
            if self.waiting == self.batch {
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
        self.observers.len() * Observer::STATE_BYTES
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
        let records = self
            .model
            .tensors()
            .iter()
            .filter_map(|tensor| {
                let statistics = match &tensor.constant {
                    Some(statistics) => statistics.clone(),
                    None => self.observers.get(&tensor.name)?.statistics(),
                };
                // Integer tensors (shapes, indices) pass by unobserved and have no range.
                (self.samples == 0 || statistics.count() > 0).then(|| TensorRecord {
                    name: tensor.name.clone(),
                    layer: tensor.layer.clone(),
                    network_layer: tensor.network_layer.clone(),
                    kind: tensor.kind,
                    statistics,
                })
            })
            .collect();
        Calibration::new(self.model.digest().to_owned(), self.samples, records)
    }

    /// Runs the pending samples, padded with zeros to the full batch, and observes all but the padding.
    fn run_pending(&mut self) -> Result<(), Error> {
        for pending in &mut self.pending {
            pending.slice_axis_mut(Axis(0), Slice::from(self.waiting..)).fill(0.0);
        }
        let inputs = self.model.prepared().inputs();
        let views: Vec<_> =
            inputs.iter().zip(&self.pending).map(|(input, values)| (input.name.as_str(), values.view())).collect();
        let (batch, waiting, observers) = (self.batch, self.waiting, &mut self.observers);
        let mut observe = |tensor: &str, shape: &[usize], values: &[f32]| {
            if let Some(observer) = observers.get_mut(tensor) {
                // Where the batch is not in front, a part of a padded batch cannot be told from the padding.
                let in_front = shape.first() == Some(&batch);
                observer.observe(if in_front { &values[..values.len() / batch * waiting] } else { values });
            }
        };
        for (name, values) in &views {
            observe(name, values.shape(), values.as_slice().unwrap_or_default());
        }
        self.session.observe(&views, &mut |observed| {
            if let ObservedValues::F32(values) = observed.values {
                observe(observed.tensor, observed.shape, values);
            }
        })?;
        self.samples += self.waiting as u64;
        self.waiting = 0;
        Ok(())
    }
}

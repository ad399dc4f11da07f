//! A compiled model, ready to run from any thread.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use kernels::{Isa, Kernel};
use ndarray::{ArrayD, ArrayViewD};
use onnx_model::{Dim, Model};
use rayon::prelude::*;

use crate::compile::compile;
use crate::execute::{InputView, Run};
use crate::float_region::{FloatPool, TensorValues};
use crate::observe::Observed;
use crate::plan::{Plan, Work};
use crate::workspace::Workspace;
use crate::{Certificate, Error, binding, choose_kernel};

/// Samples that go through the whole plan together: few enough that a layer's activations stay in the cache, enough that its
/// weights are read from it rarely.
const CHUNK: usize = 128;

/// Below this many integer multiplications a second thread costs more than it brings.
const MACS_PER_THREAD: u64 = 4_000_000;

/// Integer multiplications that take as long as one in f32.
const MACS_PER_FLOAT_MAC: u64 = 4;

/// How a [`Session`] is compiled and run.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Tensors to return beside the model's outputs, by their names in the graph.
    pub taps: Vec<String>,
    /// Worker threads; without a number, one per core.
    pub threads: Option<usize>,
    /// Instruction set of the kernels; without one, what [`choose_kernel`] says.
    pub isa: Option<Isa>,
}

/// A model compiled for this machine: weights packed, buffers laid out.
///
/// It is `Send + Sync`: any number of threads may run it at once over one copy of the weights. What the engine runs itself - integer
/// layers, and the float layers of a dense network - gives the same bits on every machine, for every batch size and thread count.
pub struct Session {
    plan: Plan,
    kernel: &'static dyn Kernel,
    threads: usize,
    pool: Option<rayon::ThreadPool>,
    seats: Mutex<Vec<Seat>>,
}

/// What each of the runs going on at once has for itself. The threads of a float runtime are among it: sharing them, runs would wait
/// for each other.
struct Seat {
    workspace: Workspace,
    float_pool: FloatPool,
}

/// One result of [`Session::run_named`].
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The tensor's name in the graph.
    pub name: String,
    /// Its values, `[batch, ...]`.
    pub values: TensorValues,
}

/// One step of a compiled plan, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepInfo {
    /// The tensor the step makes.
    pub tensor: String,
    /// What it does, as `dense u8 x s8 784x512 -> u8`.
    pub work: String,
}

impl Session {
    /// Reads and compiles an ONNX file with default options.
    ///
    /// # Errors
    ///
    /// When the file is not a valid model, or has a node that neither the integer engine nor the float runtime executes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(&Model::open(path)?, &SessionOptions::default())
    }

    /// Compiles a model.
    ///
    /// # Errors
    ///
    /// As [`Session::open`]; also when a tap names no tensor or `options.isa` is not on this machine.
    pub fn new(model: &Model, options: &SessionOptions) -> Result<Self, Error> {
        let kernel = match options.isa {
            None => choose_kernel()?,
            Some(isa) => kernels::with_isa(isa)
                .ok_or_else(|| Error::Isa { asked: isa.to_string(), reason: "this machine lacks it".to_owned() })?,
        };
        let threads =
            options.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
        let pool = match threads {
            1 => None,
            _ => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .map_err(|error| Error::Threads { threads, reason: error.to_string() })?,
            ),
        };
        Ok(Self { plan: compile(model, &options.taps, kernel)?, kernel, threads, pool, seats: Mutex::default() })
    }

    /// Runs a model of one input and one output: f32 in, f32 out, `[batch, ...]` each.
    ///
    /// # Errors
    ///
    /// When the model has more inputs or outputs, or `x` does not have the shape the model declares.
    pub fn run(&self, x: &ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, Error> {
        self.check_single()?;
        let given = [(self.plan.inputs[0].name.as_str(), x.view())];
        if let (false, Some(sample)) = (self.plan.has_float(), &self.plan.outputs[0].sample) {
            let bound = binding::bind(&self.plan.inputs, &given)?;
            let batch = bound[0].shape()[0];
            let mut y = ArrayD::zeros([&[batch], sample.as_slice()].concat());
            if let Some(target) = y.as_slice_mut() {
                self.run_chunks(binding::flat(&bound[0]), target, batch)?;
            }
            return Ok(y);
        }
        match self.run_named(&given)?.into_iter().next().map(|output| output.values) {
            Some(TensorValues::F32(y)) => Ok(y),
            _ => Err(not_float()),
        }
    }

    /// [`Session::run`] on plain slices: `x` holds `batch` samples one after the other, `y` receives as many results.
    ///
    /// Where no part of the model runs in the float runtime, nothing is allocated once the buffers have grown to the batch size, apart from
    /// the note with which a thread is given its share of a large layer.
    ///
    /// # Errors
    ///
    /// When the model has more inputs or outputs, its shapes are not fixed in the file, or a slice has the wrong length.
    pub fn run_into(&self, x: &[f32], y: &mut [f32], batch: usize) -> Result<(), Error> {
        self.check_single()?;
        let input = &self.plan.inputs[0];
        let wrong = |what: &str, has: usize, wants: usize| Error::Input {
            input: input.name.clone(),
            reason: format!("a batch of {batch} needs {what} of {wants} values, the slice has {has}"),
        };
        let sample = input.sample.as_deref().ok_or_else(|| Error::Shape {
            tensor: input.name.clone(),
            reason: "`run_into` needs an input shape that is fixed in the file; use `run`".to_owned(),
        })?;
        let values_in = sample.iter().fold(batch, |product, &dim| product.saturating_mul(dim));
        if x.len() != values_in {
            return Err(wrong("an input", x.len(), values_in));
        }
        match (&self.plan.outputs[0].sample, self.plan.has_float()) {
            (Some(result), false) => {
                let results = batch * result.iter().product::<usize>();
                if y.len() != results {
                    return Err(wrong("an output", y.len(), results));
                }
                self.run_chunks(x, y, batch)
            }
            _ => {
                let shape = [&[batch], sample].concat();
                let view = ArrayViewD::from_shape(shape, x).map_err(|_| wrong("an input", x.len(), values_in))?;
                let result = self.run(&view)?;
                if y.len() != result.len() {
                    return Err(wrong("an output", y.len(), result.len()));
                }
                y.iter_mut().zip(&result).for_each(|(y, &value)| *y = value);
                Ok(())
            }
        }
    }

    /// Runs a plan without float runtime chunk by chunk, on several threads where that pays. Lengths are checked by the callers.
    fn run_chunks(&self, x: &[f32], y: &mut [f32], batch: usize) -> Result<(), Error> {
        if batch == 0 || y.is_empty() {
            return Ok(());
        }
        let sample = self.plan.inputs[0].sample.as_deref().unwrap_or_default();
        let (width_in, width_out) = (x.len() / batch, y.len() / batch);
        let run_chunk = |index: usize, y: &mut [f32]| -> Result<(), Error> {
            let samples = y.len() / width_out;
            let first = index * self.chunk(batch);
            let inputs = [InputView { values: &x[first * width_in..(first + samples) * width_in], sample }];
            self.with_workspace(&inputs, samples, |run, workspace| {
                self.plan.execute(run, workspace)?;
                y.copy_from_slice(self.plan.float_result(0, run, workspace).ok_or_else(not_float)?);
                Ok(())
            })
        };
        let size = self.chunk(batch) * width_out;
        match &self.pool {
            Some(pool) if size < y.len() => {
                pool.install(|| y.par_chunks_mut(size).enumerate().try_for_each(|(index, y)| run_chunk(index, y)))
            }
            _ => y.chunks_mut(size).enumerate().try_for_each(|(index, y)| run_chunk(index, y)),
        }
    }

    /// Runs with every input given by name and returns the model's outputs, then the taps.
    ///
    /// Integer inputs (token ids) are given as whole numbers in f32.
    ///
    /// # Errors
    ///
    /// When an input is missing, unknown or of another shape than the model declares, or batches differ.
    pub fn run_named(&self, inputs: &[(&str, ArrayViewD<'_, f32>)]) -> Result<Vec<NamedTensor>, Error> {
        let given = binding::bind(&self.plan.inputs, inputs)?;
        let batch = given.first().map_or(1, |array| array.shape()[0]);
        let chunk = match self.plan.fixed_batch {
            Some(fixed) => fixed,
            None if self.plan.has_float() => batch.max(1),
            None => self.chunk(batch),
        };
        // A batch of 0 still runs once, for the shapes of its empty results.
        let starts: Vec<usize> = (0..batch.max(1)).step_by(chunk).collect();
        let run = |&start: &usize| self.run_part(&given, start, chunk.min(batch - start));
        let mut parts: Vec<Vec<TensorValues>> = match &self.pool {
            // The float runtime has threads of its own.
            Some(pool) if starts.len() > 1 && !self.plan.has_float() => {
                pool.install(|| starts.par_iter().map(run).collect::<Result<_, _>>())?
            }
            _ => starts.iter().map(run).collect::<Result<_, _>>()?,
        };
        let mut results = Vec::with_capacity(self.plan.outputs.len());
        for (index, output) in self.plan.outputs.iter().enumerate().rev() {
            let pieces: Vec<TensorValues> = parts.iter_mut().filter_map(Vec::pop).collect();
            debug_assert!(parts.iter().all(|part| part.len() == index));
            results
                .push(NamedTensor { name: output.name.clone(), values: binding::concatenate(&output.name, pieces)? });
        }
        results.reverse();
        Ok(results)
    }

    /// Runs `samples` samples from `start`, padded with zeros to the model's own batch size where its float part insists on it.
    fn run_part(&self, given: &[binding::Bound<'_>], start: usize, samples: usize) -> Result<Vec<TensorValues>, Error> {
        let padded = self.plan.fixed_batch.unwrap_or(samples);
        let rows: Vec<_> = given.iter().map(|array| binding::rows(array, start, samples, padded)).collect();
        let views: Vec<InputView<'_>> =
            rows.iter().zip(given).map(|(values, array)| InputView { values, sample: &array.shape()[1..] }).collect();
        self.with_workspace(&views, padded, |run, workspace| {
            self.plan.execute(run, workspace)?;
            (0..self.plan.outputs.len())
                .map(|index| Ok(binding::truncate(self.plan.result(index, run, workspace)?, padded, samples)))
                .collect()
        })
    }

    /// Runs like [`Session::run_named`], in one piece, and shows each tensor to `see` as soon as it is made, without keeping any.
    ///
    /// What the float runtime computes in between is seen only where it was named in [`SessionOptions::taps`]; the model's inputs
    /// are the caller's and are not shown.
    ///
    /// # Errors
    ///
    /// As [`Session::run_named`]; also when the batch is not the model's own where it has one ([`Session::fixed_batch`]).
    pub fn observe(
        &self,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        see: &mut dyn FnMut(Observed<'_>),
    ) -> Result<(), Error> {
        let given = binding::bind(&self.plan.inputs, inputs)?;
        let batch = given.first().map_or(1, |array| array.shape()[0]);
        if let (Some(fixed), Some(input)) =
            (self.plan.fixed_batch.filter(|&fixed| fixed != batch), self.plan.inputs.first())
        {
            return Err(Error::Input {
                input: input.name.clone(),
                reason: format!("the model takes batches of exactly {fixed}, this one has {batch}"),
            });
        }
        let views: Vec<InputView<'_>> =
            given.iter().map(|array| InputView { values: binding::flat(array), sample: &array.shape()[1..] }).collect();
        self.with_workspace(&views, batch, |run, workspace| self.plan.execute_observed(run, workspace, see))
    }

    fn check_single(&self) -> Result<(), Error> {
        match (self.plan.inputs.len(), self.plan.outputs.len()) {
            (1, 1) => Ok(()),
            (inputs, outputs) => Err(Error::NotSingle { inputs, outputs }),
        }
    }

    /// Samples per chunk of a plan without float runtime: an equal share per thread where threads pay, no more than fits the cache.
    fn chunk(&self, batch: usize) -> usize {
        let float_macs = self.plan.float_macs_per_sample.saturating_mul(MACS_PER_FLOAT_MAC);
        let work = self.plan.macs_per_sample.saturating_add(float_macs).saturating_mul(batch as u64);
        let threads = usize::try_from(work / MACS_PER_THREAD).unwrap_or(usize::MAX).clamp(1, self.threads);
        batch.div_ceil(threads).clamp(1, CHUNK)
    }

    /// Gives `work` the buffers of an earlier run that has ended, or new ones if all are in use.
    fn with_workspace<T>(
        &self,
        inputs: &[InputView<'_>],
        samples: usize,
        work: impl FnOnce(&Run<'_>, &mut Workspace) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let seats = || self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let free = seats().pop();
        let mut seat =
            free.unwrap_or_else(|| Seat { workspace: Workspace::default(), float_pool: FloatPool::new(self.threads) });
        let run = Run { kernel: self.kernel, pool: &seat.float_pool, threads: self.pool.as_ref(), inputs, samples };
        let result = work(&run, &mut seat.workspace);
        seats().push(seat);
        result
    }

    /// The model's inputs: name and declared shape, batch first.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Option<&[Dim]>)> {
        self.plan.inputs.iter().map(|input| (input.name.as_str(), input.shape.as_deref()))
    }

    /// The only batch size the model runs with; `None` when it runs with any.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.plan.fixed_batch
    }

    /// The real tensors that the model quantizes, in the order they are made.
    pub fn quantized_tensors(&self) -> impl Iterator<Item = &str> {
        self.plan.steps.iter().filter_map(|step| step.quantized.as_ref().map(|(_, real)| real.as_str()))
    }

    /// Multiplications of the integer layers per sample.
    pub fn macs_per_sample(&self) -> u64 {
        self.plan.macs_per_sample
    }

    /// The instruction set of the kernels.
    pub fn isa(&self) -> Isa {
        self.kernel.isa()
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Bytes of buffers that one sample takes during a run, float regions not counted.
    pub fn buffer_bytes_per_sample(&self) -> usize {
        4 * self.plan.float_buffers.iter().sum::<usize>() + self.plan.byte_buffers.iter().sum::<usize>()
    }

    /// The steps of the plan in the order they run.
    pub fn steps(&self) -> Vec<StepInfo> {
        self.plan.steps.iter().map(|step| StepInfo { tensor: step.names.join(", "), work: step.describe() }).collect()
    }

    /// What was proven of each integer dense layer, in the order they run.
    pub fn certificates(&self) -> Vec<Certificate> {
        let steps = self.plan.steps.iter();
        let dense = steps.filter_map(|step| match &step.work {
            Work::Dense { dense, .. } => Some(Certificate {
                tensor: step.names.join(", "),
                channels: dense.weights.n(),
                pair_sums_proven: dense.pair_sums_proven,
                lowest: dense.reach.0,
                highest: dense.reach.1,
            }),
            _ => None,
        });
        dense.collect()
    }
}

fn not_float() -> Error {
    Error::Float("the model's output is not float32".to_owned())
}

//! A compiled model, ready to run from any thread.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use kernels::{Isa, Kernel};
use onnx_model::{Dim, Model};

use crate::compile::compile;
use crate::execute::{InputView, Run};
use crate::float_region::FloatPool;
use crate::plan::{Plan, Step, Work};
use crate::workspace::Workspace;
use crate::{Certificate, Error};

#[cfg(feature = "std")]
mod hosted;
#[cfg(feature = "std")]
mod profile;
#[cfg(feature = "std")]
mod tensors;

#[cfg(feature = "std")]
pub use hosted::NamedTensor;

/// Samples that go through the whole plan together: few enough that a layer's activations stay in the cache, enough that its
/// weights are read from it rarely.
const CHUNK: usize = 128;

/// How a [`Session`] is compiled and run.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Tensors to return beside the model's outputs, by their names in the graph.
    pub taps: Vec<String>,
    /// Worker threads; without a number, one per core.
    #[cfg(feature = "std")]
    pub threads: Option<usize>,
    /// Instruction set of the kernels; without one, what the environment variable `QUANTIZE_ISA` names, else the fastest there is.
    pub isa: Option<Isa>,
}

/// A model compiled for this machine: weights packed, buffers laid out.
///
/// It is `Send + Sync`: any number of threads may run it at once over one copy of the weights. What the engine runs itself - integer
/// layers, and the float layers of a dense network - gives the same bits on every machine, for every batch size and thread count. Only a model
/// with layers that take their range from the whole batch ([`Session::couples_samples`]) depends on which samples run together.
pub struct Session {
    plan: Plan,
    kernel: &'static dyn Kernel,
    #[cfg(feature = "std")]
    hosted: hosted::Hosted,
}

/// One step of a compiled plan, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepInfo {
    /// The tensor the step makes.
    pub tensor: String,
    /// What it does, as `dense 784 -> 512, u8 x s8 -> u8`.
    pub work: String,
    /// Multiplications per sample of a dense layer, all its rows counted, in int8 or in float; 0 for other steps.
    pub macs: u64,
    /// Whether it is a dense layer in int8.
    pub int8: bool,
    /// Bytes of weights as the kernels read them.
    pub weight_bytes: usize,
}

impl Session {
    /// Compiles a model.
    ///
    /// # Errors
    ///
    /// When a node is one that neither the integer engine nor the float runtime executes, a tap names no tensor, or `options.isa` is not on
    /// this machine.
    pub fn new(model: &Model, options: &SessionOptions) -> Result<Self, Error> {
        let kernel = match options.isa {
            #[cfg(feature = "std")]
            None => crate::choose_kernel()?,
            #[cfg(not(feature = "std"))]
            None => kernels::best(),
            Some(isa) => kernels::with_isa(isa)
                .ok_or_else(|| Error::Isa { asked: isa.to_string(), reason: "this machine lacks it".to_owned() })?,
        };
        Ok(Self {
            #[cfg(feature = "std")]
            hosted: hosted::Hosted::new(options.threads)?,
            plan: compile(model, &options.taps, kernel)?,
            kernel,
        })
    }

    /// Compiles the model in the bytes of an ONNX file, as `include_bytes!` has them.
    ///
    /// # Errors
    ///
    /// When they are not a valid model or keep weights in other files; else as [`Session::new`].
    pub fn from_bytes(bytes: &[u8], options: &SessionOptions) -> Result<Self, Error> {
        Self::new(&Model::from_bytes(bytes)?, options)
    }

    /// Runs a model of one input and one output on the calling thread, with buffers that the caller keeps: `x` holds `batch` samples one after
    /// the other, `y` receives as many results.
    ///
    /// Nothing is allocated once `workspace` has grown to the batch size. It may serve several sessions in turn.
    ///
    /// # Errors
    ///
    /// When the model has more inputs or outputs, its shapes are not fixed in the file, a part of it runs on whole tensors, or a slice has
    /// the wrong length.
    pub fn run_with(&self, workspace: &mut Workspace, x: &[f32], y: &mut [f32], batch: usize) -> Result<(), Error> {
        let sample = self.check_slices(x, y, batch)?;
        if batch == 0 || y.is_empty() {
            return Ok(());
        }
        let (width_in, width_out) = (x.len() / batch, y.len() / batch);
        let pool = FloatPool::new(1);
        let chunk = self.together(batch)?.unwrap_or(CHUNK);
        for first in (0..batch).step_by(chunk) {
            let samples = chunk.min(batch - first);
            let values = &x[first * width_in..][..samples * width_in];
            let run = Run {
                kernel: self.kernel,
                pool: &pool,
                #[cfg(feature = "std")]
                helpers: None,
                inputs: &[InputView { values, sample, tensor: None }],
                samples,
            };
            self.run_slice(&run, workspace, &mut y[first * width_out..][..samples * width_out])?;
        }
        Ok(())
    }

    /// Runs the plan once; its one result goes to `y`.
    fn run_slice(&self, run: &Run<'_>, workspace: &mut Workspace, y: &mut [f32]) -> Result<(), Error> {
        self.plan.execute(run, workspace)?;
        y.copy_from_slice(self.plan.float_result(0, run, workspace).ok_or_else(not_float)?);
        Ok(())
    }

    /// The shape of a sample, where a plan of buffers alone can read `batch` samples from `x` and write as many results to `y`.
    fn check_slices(&self, x: &[f32], y: &[f32], batch: usize) -> Result<&[usize], Error> {
        self.check_single()?;
        let (input, output) = (&self.plan.inputs[0], &self.plan.outputs[0]);
        let (Some(sample), Some(result), false) = (&input.sample, &output.sample, self.plan.in_one_piece()) else {
            return Err(Error::Shape {
                tensor: input.name.clone(),
                reason:
                    "slices need shapes that are fixed in the file and no part that works on whole tensors; use `run`"
                        .to_owned(),
            });
        };
        for (what, sample, has) in [("an input", sample, x.len()), ("an output", result, y.len())] {
            let wants = sample.iter().fold(batch, |product, &dim| product.saturating_mul(dim));
            if has != wants {
                return Err(self.wrong_slice(what, batch, has, wants));
            }
        }
        Ok(sample)
    }

    /// How many samples of a batch have to run together, where they depend on each other.
    fn together(&self, batch: usize) -> Result<Option<usize>, Error> {
        match self.plan.fixed_batch.filter(|_| self.couples_samples()) {
            // Padding would be seen by the other samples.
            Some(fixed) if !batch.is_multiple_of(fixed) => Err(self.divided_batch(fixed, batch)),
            Some(fixed) => Ok(Some(fixed)),
            None => Ok(self.couples_samples().then_some(batch.max(1))),
        }
    }

    #[cfg(feature = "std")]
    fn wrong_batch(&self, fixed: usize, batch: usize) -> Error {
        self.refused_batch(format!("the model takes batches of exactly {fixed}, this one has {batch}"))
    }

    fn divided_batch(&self, fixed: usize, batch: usize) -> Error {
        let left = batch.checked_rem(fixed).unwrap_or(batch);
        self.refused_batch(format!(
            "the model finds ranges over whole batches of {fixed}, this one of {batch} has {left} left over; give a multiple of {fixed}"
        ))
    }

    fn refused_batch(&self, reason: String) -> Error {
        let input = self.plan.inputs.first().map(|input| input.name.clone()).unwrap_or_default();
        Error::Input { input, reason }
    }

    fn wrong_slice(&self, what: &str, batch: usize, has: usize, wants: usize) -> Error {
        Error::Input {
            input: self.plan.inputs[0].name.clone(),
            reason: format!("a batch of {batch} needs {what} of {wants} values, the slice has {has}"),
        }
    }

    fn check_single(&self) -> Result<(), Error> {
        match (self.plan.inputs.len(), self.plan.outputs.len()) {
            (1, 1) => Ok(()),
            (inputs, outputs) => Err(Error::NotSingle { inputs, outputs }),
        }
    }

    /// The model's inputs: name and declared shape, batch first.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Option<&[Dim]>)> {
        self.plan.inputs.iter().map(|input| (input.name.as_str(), input.shape.as_deref()))
    }

    /// The batch size the model was exported with, where its parts depend on it; `None` when it runs with any. Other batches are cut into such
    /// and padded; where samples change each other's results ([`Session::couples_samples`]), they have to be a multiple of it.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.plan.fixed_batch
    }

    /// Whether samples that run together change each other's results, as they do where DynamicQuantizeLinear takes its range from all of them.
    pub fn couples_samples(&self) -> bool {
        self.plan.couples_samples()
    }

    /// The real tensors that the model quantizes, in the order they are made.
    pub fn quantized_tensors(&self) -> impl Iterator<Item = &str> {
        self.plan.steps.iter().filter_map(|step| step.quantized.as_ref().map(|(_, real)| real.as_str()))
    }

    /// Multiplications of the integer layers per sample.
    pub fn macs_per_sample(&self) -> u64 {
        self.plan.macs_per_sample
    }

    /// Multiplications of the engine's own float layers per sample.
    pub fn float_macs_per_sample(&self) -> u64 {
        self.plan.float_macs_per_sample
    }

    #[cfg(feature = "std")]
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The instruction set of the kernels.
    pub fn isa(&self) -> Isa {
        self.kernel.isa()
    }

    /// Bytes of buffers that one sample takes during a run, float regions not counted.
    pub fn buffer_bytes_per_sample(&self) -> usize {
        4 * self.plan.float_buffers.iter().sum::<usize>() + self.plan.byte_buffers.iter().sum::<usize>()
    }

    /// The steps of the plan in the order they run.
    pub fn steps(&self) -> Vec<StepInfo> {
        self.plan.steps.iter().map(Step::info).collect()
    }

    /// What was proven of each integer dense layer, in the order they run.
    pub fn certificates(&self) -> Vec<Certificate> {
        let steps = self.plan.steps.iter();
        let dense = steps.filter_map(|step| match &step.work {
            Work::Dense { dense, .. } => Some(Certificate {
                tensor: step.names.join(", "),
                channels: dense.weights.n(),
                pair_sums_proven: dense.pair_sums_proven,
                lowest: dense.reach.0.into(),
                highest: dense.reach.1.into(),
            }),
            Work::DenseDynamic { dense, .. } => Some(Certificate {
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

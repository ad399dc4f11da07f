//! Runs a session where there are files, threads and arrays.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayD, ArrayViewD};
use onnx_model::Model;

use super::{CHUNK, Session, SessionOptions, not_float};
use crate::execute::{InputView, Run};
use crate::float_region::{FloatPool, TensorValues};
use crate::observe::Observed;
use crate::run_dense::{Helpers, Pieces};
use crate::threads::{self, Split};
use crate::workspace::Workspace;
use crate::{Error, binding};

/// One result of [`Session::run_named`].
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The tensor's name in the graph.
    pub name: String,
    /// Its values, `[batch, ...]`.
    pub values: TensorValues,
}

/// What each of the runs going on at once has for itself. The threads of a float runtime are among it: sharing them, runs would wait
/// for each other.
struct Seat {
    workspace: Workspace,
    pieces: RefCell<Pieces>,
    float_pool: FloatPool,
}

/// Threads, and buffers for the runs they are given.
pub(super) struct Hosted {
    threads: usize,
    /// One thread less than `threads`: who calls works, too.
    pool: Option<rayon::ThreadPool>,
    seats: Mutex<Vec<Seat>>,
}

/// A run in pieces.
#[derive(Clone, Copy)]
struct Pieced {
    /// Samples that go through the plan together.
    piece: usize,
    /// Threads that take pieces beside the calling one.
    helpers: usize,
    /// Whether threads may share the layers of a piece.
    layers: bool,
}

impl Hosted {
    /// `threads` workers, or one per core.
    pub(super) fn new(threads: Option<usize>) -> Result<Self, Error> {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        let threads = threads.or_else(cores).unwrap_or(1).max(1);
        let pool = match threads {
            1 => None,
            _ => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads - 1)
                    .build()
                    .map_err(|error| Error::Threads { threads, reason: error.to_string() })?,
            ),
        };
        Ok(Self { threads, pool, seats: Mutex::default() })
    }
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

    /// Runs a model of one input and one output: f32 in, f32 out, `[batch, ...]` each.
    ///
    /// # Errors
    ///
    /// When the model has more inputs or outputs, or `x` does not have the shape the model declares.
    pub fn run(&self, x: &ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, Error> {
        self.check_single()?;
        let given = [(self.plan.inputs[0].name.as_str(), x.view())];
        if let (false, Some(sample)) = (self.plan.in_one_piece(), &self.plan.outputs[0].sample) {
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
    /// the notes with which further threads are given their share; [`Session::run_with`] allocates nothing at all.
    ///
    /// # Errors
    ///
    /// When the model has more inputs or outputs, its shapes are not fixed in the file, or a slice has the wrong length.
    pub fn run_into(&self, x: &[f32], y: &mut [f32], batch: usize) -> Result<(), Error> {
        self.check_single()?;
        let (input, output) = (&self.plan.inputs[0], &self.plan.outputs[0]);
        if let (Some(sample), true) = (&input.sample, self.plan.in_one_piece() || output.sample.is_none()) {
            let wants = sample.iter().fold(batch, |product, &dim| product.saturating_mul(dim));
            let wrong = |what: &str, has: usize, wants: usize| self.wrong_slice(what, batch, has, wants);
            let view = ArrayViewD::from_shape([&[batch], sample.as_slice()].concat(), x);
            let result = self.run(&view.map_err(|_| wrong("an input", x.len(), wants))?)?;
            if y.len() != result.len() {
                return Err(wrong("an output", y.len(), result.len()));
            }
            y.iter_mut().zip(&result).for_each(|(y, &value)| *y = value);
            return Ok(());
        }
        self.check_slices(x, y, batch)?;
        self.run_chunks(x, y, batch)
    }

    /// Runs a plan without float runtime piece by piece, on several threads where that pays. Lengths are checked by the callers.
    fn run_chunks(&self, x: &[f32], y: &mut [f32], batch: usize) -> Result<(), Error> {
        if batch == 0 || y.is_empty() {
            return Ok(());
        }
        let sample = self.plan.inputs[0].sample.as_deref().unwrap_or_default();
        let (width_in, width_out) = (x.len() / batch, y.len() / batch);
        let split = self.split(batch)?;
        // By position, since samples may have no elements to cut at.
        let pieces = y.chunks_mut(split.piece * width_out).enumerate();
        self.each(split, pieces, |(index, y)| {
            let (first, samples) = (index * split.piece, y.len() / width_out);
            let values = &x[first * width_in..][..samples * width_in];
            let inputs = [InputView { values, sample, tensor: None }];
            self.with_workspace(&inputs, samples, split.layers, |run, workspace| self.run_slice(run, workspace, y))
        })
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
        let alone = |piece| Pieced { piece, helpers: 0, layers: true };
        let split = match self.plan.fixed_batch {
            Some(fixed) if !self.couples_samples() => alone(fixed),
            None if self.plan.in_one_piece() => alone(batch.max(1)),
            _ => self.split(batch)?,
        };
        // A batch of 0 still runs once, for the shapes of its empty results.
        let starts = (0..batch.max(1)).step_by(split.piece);
        let mut parts: Vec<Vec<TensorValues>> = vec![Vec::new(); starts.len()];
        self.each(split, starts.zip(&mut parts), |(start, part)| {
            *part = self.run_part(&given, start, split.piece.min(batch - start), split)?;
            Ok(())
        })?;
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
    fn run_part(
        &self,
        given: &[binding::Bound<'_>],
        start: usize,
        samples: usize,
        split: Pieced,
    ) -> Result<Vec<TensorValues>, Error> {
        let padded = self.plan.fixed_batch.unwrap_or(samples);
        let rows: Vec<_> = given.iter().map(|array| binding::rows(array, start, samples, padded)).collect();
        let views: Vec<InputView<'_>> = rows
            .iter()
            .zip(given)
            .map(|(values, array)| InputView { values, sample: &array.shape()[1..], tensor: None })
            .collect();
        self.with_workspace(&views, padded, split.layers, |run, workspace| {
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
        if let Some(fixed) = self.plan.fixed_batch.filter(|&fixed| fixed != batch) {
            return Err(self.wrong_batch(fixed, batch));
        }
        let views: Vec<InputView<'_>> = given
            .iter()
            .map(|array| InputView { values: binding::flat(array), sample: &array.shape()[1..], tensor: None })
            .collect();
        self.with_workspace(&views, batch, true, |run, workspace| self.plan.execute_observed(run, workspace, see))
    }

    /// How a plan without float runtime is run: in pieces that fit the cache, samples or layers shared among threads where threads pay.
    fn split(&self, batch: usize) -> Result<Pieced, Error> {
        if let Some(piece) = self.together(batch)? {
            return Ok(Pieced { piece, helpers: 0, layers: true });
        }
        Ok(match threads::choose(&self.plan, batch, self.hosted.threads) {
            Split::Samples { threads, piece } => {
                Pieced { piece: piece.min(CHUNK), helpers: threads - 1, layers: false }
            }
            Split::Channels => Pieced { piece: batch.clamp(1, CHUNK), helpers: 0, layers: true },
        })
    }

    /// Does `work` on every piece, on as many threads as `split` says; returns the first error met.
    fn each<I>(
        &self,
        split: Pieced,
        mut pieces: I,
        work: impl Fn(I::Item) -> Result<(), Error> + Sync,
    ) -> Result<(), Error>
    where
        I: Iterator<Item: Send> + Send,
    {
        match &self.hosted.pool {
            Some(pool) if split.helpers > 0 => {
                let failed = Mutex::new(None);
                threads::share(pool, split.helpers, pieces, |piece| {
                    if let Err(error) = work(piece) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
                failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
            }
            _ => pieces.try_for_each(work),
        }
    }

    /// Gives `work` the buffers of an earlier run that has ended, or new ones if all are in use.
    pub(super) fn with_workspace<T>(
        &self,
        inputs: &[InputView<'_>],
        samples: usize,
        share_layers: bool,
        work: impl FnOnce(&Run<'_>, &mut Workspace) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let seats = || self.hosted.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let free = seats().pop();
        let mut seat = free.unwrap_or_else(|| Seat {
            workspace: Workspace::default(),
            pieces: RefCell::default(),
            float_pool: FloatPool::new(self.hosted.threads),
        });
        let pool = self.hosted.pool.as_ref().filter(|_| share_layers);
        let helpers = pool.map(|pool| Helpers { pool, pieces: &seat.pieces });
        let run = Run { kernel: self.kernel, pool: &seat.float_pool, helpers, inputs, samples };
        let result = work(&run, &mut seat.workspace);
        seats().push(seat);
        result
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.hosted.threads
    }
}

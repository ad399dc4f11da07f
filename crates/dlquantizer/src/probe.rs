//! A fixed input and the hash of what a model makes of it: the proof that another machine computes the same.
//!
//! The integer engine gives the same bits with every kernel, batch size and number of threads, so one hash of its outputs holds for all of
//! them. [`Recipe::emit`](crate::Recipe::emit) writes it into the model, and whoever runs the model can compute it again.
//!
//! Where samples that run together change each other's results (ranges found at run time), all of them run together.
//!
//! **The input.** Of input `j` (from 0), let `s` and `z` be the scale and zero point of the QuantizeLinear that reads it, `z` in uint8 form;
//! 1/32 and 128 where none does. Element `i` in row-major order, batch first, is `x = f32(k) · (s / 8)`, with the integer
//!
//! ```text
//! k = floor(h · 2553 / 2^32) - 8 · (z + 32)        h = the upper 32 bits of output i of SplitMix64 with seed j
//! ```
//!
//! so `x` runs in eighths of a step, ties of the rounding among them, from 32 steps below the lowest level to 32 above the highest. Sample 0
//! has the lowest `k` everywhere, sample 1 the highest.
//!
//! **The hash** is BLAKE3 over the outputs one after the other: the name, behind its length; the type, 0 for float32, 1 uint8, 2 int8,
//! 3 int32; the number of dimensions and each of them; the BLAKE3 of the values, little-endian, every NaN as `7fc00000`. Lengths and
//! dimensions are 64-bit little-endian.
//!
//! **What it covers.** Nodes that the engine leaves to the float runtime have last bits that depend on the machine. Tensors they hand to the
//! engine are cut and become inputs of the probe; tensors the engine hands to them count as outputs. Where nothing is cut, the outputs
//! are those of the model.
//!
//! (SplitMix64: G. L. Steele, D. Lea, C. H. Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014.)

mod cut;
mod hash;
mod input;
mod record;

use int8_inference::{Session, SessionOptions};
use ndarray::{ArrayD, Axis, Slice};
use onnx_model::Model;

pub use input::input_quantization;
pub use record::PROBE_KEY;

use crate::Error;
use record::{CutTensor, Record};

/// Samples of a probe: more than the engine runs in one piece, and a multiple of nothing that a kernel works on at once.
const SAMPLES: usize = 163;

/// Multiplications of a probe, so that slow kernels are done soon; those in f32 count [`FLOAT_WORK`] times.
const MAX_WORK: u64 = 1 << 31;

/// How much longer the scalar kernel takes for a fused multiply-add than for an integer product.
const FLOAT_WORK: u64 = 64;

/// Values of a probe's inputs and bytes of its buffers.
const MAX_BYTES: usize = 1 << 26;

/// A fixed input for a model, see the [module](self).
pub struct Probe {
    /// What the engine itself computes of the model.
    model: Model,
    inputs: Vec<(String, ArrayD<f32>)>,
    record: Record,
}

/// A probe and the hash that was recorded when the model was emitted.
pub struct RecordedProbe {
    /// The probe as it was.
    pub probe: Probe,
    /// The hash, in hexadecimal.
    pub hash: String,
}

impl Probe {
    /// A probe of everything that the engine computes of `model`; `None` where that is nothing, depends on dimensions that the file
    /// leaves open, or comes in batches of a fixed size that is too much for a probe.
    ///
    /// # Errors
    ///
    /// When the model cannot be compiled.
    pub fn new(model: &Model) -> Result<Option<Self>, Error> {
        let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
        Self::of(model, &Session::new(model, &options)?)
    }

    /// [`Probe::new`] of a model that is compiled already.
    pub(crate) fn of(model: &Model, session: &Session) -> Result<Option<Self>, Error> {
        let boundary = session.boundary();
        let cut: Vec<CutTensor> =
            boundary.imports.into_iter().map(|(tensor, shape)| CutTensor { tensor, shape }).collect();
        let mut outputs = boundary.outputs;
        for export in boundary.exports {
            if !outputs.contains(&export) {
                outputs.push(export);
            }
        }
        if outputs.is_empty() {
            return Ok(None);
        }
        let model = cut::cut(model, &cut, &outputs)?;
        let Some(samples) = samples_worth(&model)? else { return Ok(None) };
        let record = Record { samples, cut, outputs };
        Ok(Some(Self { inputs: input::inputs(&model, samples)?, model, record }))
    }

    /// The probe that `model` was emitted with; `None` if it carries no hash.
    ///
    /// # Errors
    ///
    /// When the metadata entry is not one that [`Recipe::emit`](crate::Recipe::emit) writes, speaks of another model, or asks for more samples
    /// than a probe of this one has.
    pub fn recorded(model: &Model) -> Result<Option<RecordedProbe>, Error> {
        let Some(entry) = model.metadata(PROBE_KEY) else { return Ok(None) };
        let (record, hash) = Record::parse(entry)?;
        let model = cut::cut(model, &record.cut, &record.outputs)?;
        input::check_size(&model, record.samples)?;
        // What a file asks for costs no more than what would be emitted.
        match samples_worth(&model)? {
            Some(most) if record.samples <= most => {}
            Some(most) => {
                let asked = record.samples;
                return Err(Error::Probe(format!("asks for {asked} samples, a probe of this model has {most}")));
            }
            None => {
                return Err(Error::Probe(
                    "covers nodes of the float runtime, open dimensions, or batches too large for a probe".to_owned(),
                ));
            }
        }
        let probe = Self { inputs: input::inputs(&model, record.samples)?, model, record };
        Ok(Some(RecordedProbe { probe, hash }))
    }

    /// Compiles what the probe runs.
    ///
    /// # Errors
    ///
    /// As [`Session::new`]; also when a part would run in the float runtime, which the probe was to leave out.
    pub fn session(&self, options: &SessionOptions) -> Result<Session, Error> {
        let session = Session::new(&self.model, options)?;
        match session.boundary().float_nodes {
            0 => Ok(session),
            nodes => Err(Error::Probe(format!("covers {nodes} nodes that this version runs in the float runtime"))),
        }
    }

    /// The hash of the outputs, in hexadecimal, with the samples run in batches of `batch`.
    ///
    /// # Errors
    ///
    /// When `session` is not one of [`Probe::session`].
    pub fn hash(&self, session: &Session, batch: usize) -> Result<String, Error> {
        let samples = self.record.samples;
        let mut outputs = hash::Outputs::default();
        for start in (0..samples).step_by(batch.max(1)) {
            let end = start.saturating_add(batch.max(1)).min(samples);
            let part = |(name, values): &'_ (String, ArrayD<f32>)| {
                (name.clone(), values.slice_axis(Axis(0), Slice::from(start..end)).to_owned())
            };
            let given: Vec<(String, ArrayD<f32>)> = self.inputs.iter().map(part).collect();
            let given: Vec<_> = given.iter().map(|(name, values)| (name.as_str(), values.view())).collect();
            outputs.add(&session.run_named(&given)?)?;
        }
        Ok(outputs.finish())
    }

    /// Samples it has.
    pub fn samples(&self) -> usize {
        self.record.samples
    }

    /// The tensors that are hashed.
    pub fn outputs(&self) -> &[String] {
        &self.record.outputs
    }

    /// Tensors of the model that the float runtime makes and the probe replaces.
    pub fn replaced(&self) -> impl Iterator<Item = &str> {
        self.record.cut.iter().map(|cut| cut.tensor.as_str())
    }

    /// The metadata entry for this probe and the `hash` it gave.
    pub(crate) fn to_metadata(&self, hash: &str) -> String {
        self.record.to_metadata(hash)
    }
}

/// How many samples are within bounds for what is left of a model after the cut; `None` if it cannot be run on the engine alone, or not even
/// the one batch size it runs with is within bounds.
fn samples_worth(model: &Model) -> Result<Option<usize>, Error> {
    let session = Session::new(model, &SessionOptions { threads: Some(1), ..SessionOptions::default() })?;
    let Some(values) = input::values_per_sample(model) else { return Ok(None) };
    if session.boundary().float_nodes > 0 {
        return Ok(None);
    }
    let float_work = session.float_macs_per_sample().saturating_mul(FLOAT_WORK);
    let work = session.macs_per_sample().saturating_add(float_work).max(1);
    let bytes = values.saturating_mul(4).saturating_add(session.buffer_bytes_per_sample()).max(1);
    let by_work = usize::try_from(MAX_WORK / work).unwrap_or(usize::MAX);
    let most = by_work.min(MAX_BYTES / bytes).max(3);
    // Where samples are seen together, none can be padded.
    let whole = session.fixed_batch().unwrap_or(1).max(1);
    let samples = most.min(SAMPLES);
    Ok((whole <= most).then(|| (samples - samples % whole).max(whole)))
}

//! One thread's share of a calibration.

use std::collections::HashMap;

use int8_inference::{ObservedValues, Session};

use super::batching::Batching;
use super::block::Block;
use crate::Error;
use crate::calibration_tensors::ChannelAxis;
use crate::collected::{Activation, Collected};
use crate::sketch::{Sketch, sample_hash};
use crate::statistics::{ChannelObserver, Observer};
use crate::texture::Texture;

/// Fills observers of its own; the sum over the workers does not depend on who saw what.
#[derive(Clone)]
pub(super) struct Worker {
    samples: u64,
    sketch: Sketch,
    /// Of each input.
    textures: Vec<Texture>,
    observers: HashMap<String, ActivationObserver>,
    /// Most bytes that the observers come to occupy.
    state_bytes: usize,
    /// The batch being run, by input.
    buffers: Vec<Vec<f32>>,
}

/// The values of one activation.
#[derive(Clone)]
struct ActivationObserver {
    halves: [Observer; 2],
    channels: Option<(ChannelAxis, ChannelObserver)>,
}

/// The samples of a block that go through the model in one run: `real` of them from `start`.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) session: &'a Session,
    pub(super) names: &'a [String],
    pub(super) batching: &'a Batching,
    pub(super) block: &'a Block,
    pub(super) start: usize,
    pub(super) real: usize,
}

impl Worker {
    /// A worker that observes the tensors of these names; of those with so many channels, each of them as well.
    pub(super) fn new<'t>(tensors: impl Iterator<Item = (&'t str, Option<(ChannelAxis, usize)>)>) -> Self {
        let (mut observers, mut state_bytes) = (HashMap::new(), 0);
        for (name, channels) in tensors {
            let of_channels = channels.map_or(0, |(_, count)| count * ChannelObserver::BYTES_PER_CHANNEL);
            state_bytes += 2 * Observer::STATE_BYTES + of_channels;
            observers.insert(name.to_owned(), ActivationObserver::new(channels.map(|(axis, _)| axis)));
        }
        let (sketch, textures, buffers) = Default::default();
        Self { samples: 0, sketch, textures, observers, state_bytes, buffers }
    }

    /// Most bytes that the observers come to occupy, whatever they observe.
    pub(super) fn state_bytes(&self) -> usize {
        self.state_bytes
    }

    /// Runs one batch, padded with copies of one of its samples, and observes all but the padding.
    pub(super) fn run(&mut self, task: &Task<'_>) -> Result<(), Error> {
        let Task { session, names, batching, block, start, real } = *task;
        let mut samples: Vec<(usize, usize)> = Vec::with_capacity(real);
        for sample in start..start + real {
            let hash = sample_hash(block.sample(sample));
            self.sketch.insert(hash);
            samples.push(((hash & 1) as usize, sample));
            if Texture::is_of_interest(hash) {
                self.textures.resize(names.len(), Texture::default());
                self.textures
                    .iter_mut()
                    .zip(block.sample(sample))
                    .for_each(|(texture, values)| texture.observe(values));
            }
        }
        if !batching.fixed {
            // Each half in one piece.
            samples.sort_unstable();
        }
        let halves: Vec<(usize, usize)> =
            samples.chunk_by(|(a, _), (b, _)| a == b).map(|run| (run[0].0, run.len())).collect();
        let mut rows: Vec<usize> = samples.into_iter().map(|(_, sample)| sample).collect();
        rows.resize(batching.samples, start);
        block.gather(&rows, &mut self.buffers);
        let inputs = block.batch(batching.samples, &self.buffers);
        let inputs: Vec<_> = names.iter().map(String::as_str).zip(inputs).collect();
        let observers = &mut self.observers;
        let mut inseparable = None;
        let mut observe = |tensor: &str, shape: &[usize], values: &[f32]| {
            let Some(observer) = observers.get_mut(tensor) else { return };
            let split = match batching.axis(tensor) {
                Some(axis) => Split { axis, samples: batching.samples, halves: &halves },
                None if batching.samples == 1 => Split { axis: 0, samples: 1, halves: &halves },
                // What all samples of a batch made together is of neither half.
                None if batching.samples == real => Split { axis: 0, samples: 1, halves: &[(0, 1)] },
                None => {
                    inseparable = Some(tensor.to_owned());
                    return;
                }
            };
            observer.observe(values, shape, split);
        };
        for (name, values) in &inputs {
            observe(name, values.shape(), values.as_slice().unwrap_or_default());
        }
        session.observe(&inputs, &mut |observed| {
            if let ObservedValues::F32(values) = observed.values {
                observe(observed.tensor, observed.shape, values);
            }
        })?;
        if let Some(tensor) = inseparable {
            return Err(Error::PartialBatch { tensor, samples: real, batch: batching.samples });
        }
        self.samples += real as u64;
        Ok(())
    }

    /// What the worker has seen; `names` are the model's inputs.
    pub(super) fn collected(&self, names: &[String]) -> Collected {
        let textures: HashMap<&String, &Texture> = names.iter().zip(&self.textures).collect();
        let activation = |(name, observer): (&String, &ActivationObserver)| {
            (name.clone(), observer.activation(textures.get(name).map(|&&texture| texture)))
        };
        let activations = self.observers.iter().map(activation).collect();
        Collected { samples: self.samples, sketch: self.sketch.clone(), activations }
    }

    /// The smallest and the largest finite value seen of a tensor.
    pub(super) fn extremes(&self, tensor: &str) -> Option<(f32, f32)> {
        let halves = self.observers.get(tensor)?.halves.iter();
        halves.filter_map(Observer::extremes).reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
    }
}

/// Where a batch of so many samples lies in a tensor: along `axis`, first the samples of `halves` as `(half, samples)`, then padding.
#[derive(Clone, Copy)]
struct Split<'a> {
    axis: usize,
    samples: usize,
    halves: &'a [(usize, usize)],
}

impl ActivationObserver {
    fn new(axis: Option<ChannelAxis>) -> Self {
        let channels = axis.map(|axis| (axis, ChannelObserver::new()));
        Self { halves: [Observer::new(), Observer::new()], channels }
    }

    fn observe(&mut self, values: &[f32], shape: &[usize], Split { axis, samples, halves }: Split<'_>) {
        let pieces = shape.iter().take(axis).product::<usize>().max(1);
        let piece = values.len() / pieces;
        if piece == 0 {
            return;
        }
        let sample = piece / samples;
        for piece in values.chunks_exact(piece) {
            let mut end = 0;
            for &(half, samples) in halves {
                let start = end;
                end += samples * sample;
                self.halves[half].observe(&piece[start..end]);
            }
            if let Some((channel_axis, observer)) = &mut self.channels
                && let Some((channels, inner)) = channel_axis.layout(shape, axis)
            {
                // The number of channels is that of the layer's weights, so it never changes.
                let observed = observer.observe(&piece[..end], channels, inner);
                debug_assert!(observed.is_ok(), "{observed:?}");
            }
        }
    }

    fn activation(&self, texture: Option<Texture>) -> Activation {
        let channels = self.channels.as_ref().map(|(_, observer)| observer.statistics());
        Activation { halves: self.halves.each_ref().map(Observer::statistics), channels, texture }
    }
}

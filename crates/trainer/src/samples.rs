//! How the samples of a data set become rows of a batch.

use std::borrow::Cow;

use dataset::{Dataset, Input};
use rayon::prelude::*;

use crate::augment::Augmentation;
use crate::config::{Output, TrainConfig};
use crate::error::{Error, Result};
use crate::layers::{Embedding, LayerKind};
use crate::loss::Targets;
use crate::network::{AnswerForm, Network};
use crate::normalize::{Normalization, Normalize};

/// Values that one thread writes at least.
const TOGETHER: usize = 1 << 13;

/// The arrays of a data set by what they are for.
pub(crate) struct Samples<'a> {
    len: usize,
    /// What the network reads.
    pub(crate) inputs: Vec<Features<'a>>,
    /// One per output; none if they are not needed.
    pub(crate) targets: Vec<Wanted<'a>>,
}

/// One input of the network.
pub(crate) struct Features<'a> {
    pub(crate) name: &'a str,
    /// The shape of one sample.
    pub(crate) shape: &'a [usize],
    /// `[samples, ...]` in row-major order.
    pub(crate) values: &'a [f32],
}

/// What an output should be.
pub(crate) enum Wanted<'a> {
    /// Class numbers, so many per sample.
    Classes(Cow<'a, [u32]>, usize),
    /// Values, so many per sample.
    Values(&'a [f32], usize),
}

impl<'a> Samples<'a> {
    /// The inputs of a data set: all arrays that are no targets of `outputs`.
    pub(crate) fn of(dataset: &'a Dataset, outputs: &[Output]) -> Self {
        let target = |input: &&Input| outputs.iter().any(|output| output.target.as_ref() == Some(&input.name));
        let inputs = dataset.inputs().iter().filter(|input| !target(input)).map(Features::of).collect();
        Self { len: dataset.len(), inputs, targets: Vec::new() }
    }

    /// Inputs and targets.
    pub(crate) fn labelled(dataset: &'a Dataset, outputs: &[Output]) -> Result<Self> {
        let targets = outputs.iter().map(|output| Wanted::of(dataset, output)).collect::<Result<_>>()?;
        Ok(Self { targets, ..Self::of(dataset, outputs) })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Refuses NaN and infinite values, which would turn every weight into NaN.
    pub(crate) fn check_finite(&self) -> Result<()> {
        for input in &self.inputs {
            check_finite(input.name, input.values, self.len)?;
        }
        Ok(())
    }

    /// Refuses numbers of entries that an embedding does not have.
    pub(crate) fn check_entries(&self, config: &TrainConfig) -> Result<()> {
        for input in &self.inputs {
            let Some((layer, embedding)) = config.embedding_of(input.name) else { continue };
            let is_entry = |value: &f32| value.fract() == 0.0 && *value >= 0.0 && (*value as usize) < embedding.entries;
            if let Some(at) = input.values.iter().position(|value| !is_entry(value)) {
                return Err(Error::NoEntry {
                    layer: layer.to_owned(),
                    input: input.name.to_owned(),
                    sample: at * self.len / input.values.len(),
                    value: input.values[at],
                    entries: embedding.entries,
                });
            }
        }
        Ok(())
    }

    /// Names and shapes of the inputs.
    pub(crate) fn shapes(&self) -> Vec<(&'a str, &'a [usize])> {
        self.inputs.iter().map(|input| (input.name, input.shape)).collect()
    }

    /// Writes the samples at `rows` of input `input`, changed and normalized, to the first rows of `batch`.
    pub(crate) fn gather(
        &self,
        input: usize,
        rows: &[usize],
        augmentation: Option<Augmentation>,
        normalization: Option<&Normalization>,
        batch: &mut [f32],
    ) {
        let Features { values, shape, .. } = self.inputs[input];
        let size: usize = shape.iter().product();
        let room = || vec![0.0; if augmentation.is_some() { size } else { 0 }];
        let write = |changed: &mut Vec<f32>, (&row, output): (&usize, &mut [f32])| {
            let mut sample = &values[row * size..][..size];
            if let Some(augmentation) = augmentation {
                augmentation.apply(row, shape, sample, changed);
                sample = changed;
            }
            match normalization {
                Some(normalization) => normalization.apply(sample, output),
                None => output.copy_from_slice(sample),
            }
        };
        let together = TOGETHER.div_ceil(size.max(1));
        let pairs = rows.par_iter().zip(batch.par_chunks_exact_mut(size));
        pairs.with_min_len(together).for_each_init(room, write);
    }
}

impl<'a> Features<'a> {
    fn of(input: &'a Input) -> Self {
        // A data set keeps its arrays in row-major order, `[samples, ...]`.
        let values = input.samples.as_slice().expect("samples in row-major order");
        Self { name: &input.name, shape: &input.samples.shape()[1..], values }
    }
}

impl<'a> Wanted<'a> {
    fn of(dataset: &'a Dataset, output: &Output) -> Result<Self> {
        let Some(name) = &output.target else {
            let labels = dataset.labels().ok_or(Error::NoLabels)?;
            return match output.loss.takes_labels() {
                true => Ok(Self::Classes(labels.into(), 1)),
                false => Err(Error::NoTarget { layer: output.layer.clone() }),
            };
        };
        let Some(input) = dataset.inputs().iter().find(|input| input.name == *name) else {
            let known: Vec<&str> = dataset.inputs().iter().map(|input| input.name.as_str()).collect();
            return Err(Error::UnknownTarget { target: name.clone(), known: known.join(", ") });
        };
        let Features { values, shape, .. } = Features::of(input);
        check_finite(name, values, dataset.len())?;
        let per_sample = shape.iter().product();
        if !output.loss.takes_classes() {
            return Ok(Self::Values(values, per_sample));
        }
        let class = |(index, &value): (usize, &f32)| {
            // All integers below are f32 without rounding.
            if value.fract() == 0.0 && (0.0..16_777_216.0).contains(&value) {
                Ok(value as u32)
            } else {
                Err(Error::NoClass { target: name.clone(), sample: index / per_sample, value })
            }
        };
        let classes: Vec<u32> = values.iter().enumerate().map(class).collect::<Result<_>>()?;
        Ok(Self::Classes(classes.into(), per_sample))
    }

    /// Mean and standard deviation of each column over the targets at `rows`; `None` of classes.
    pub(crate) fn normalization(&self, samples: usize, rows: &[usize]) -> Option<Normalization> {
        match self {
            Self::Classes(..) => None,
            Self::Values(values, _) => Normalization::fit(Normalize::Feature, values, samples, rows),
        }
    }

    /// The targets at `rows`.
    pub(crate) fn gather(&self, rows: &[usize]) -> Gathered {
        match self {
            Self::Classes(classes, size) => {
                Gathered::Classes(rows.iter().flat_map(|&row| classes[row * size..][..*size].iter().copied()).collect())
            }
            Self::Values(values, size) => {
                Gathered::Values(rows.iter().flat_map(|&row| values[row * size..][..*size].iter().copied()).collect())
            }
        }
    }
}

/// The targets of a batch, in row-major order.
#[derive(Clone)]
pub(crate) enum Gathered {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Gathered {
    /// These targets of output `output` as its loss sees them.
    pub(crate) fn seen_by_loss(&self, network: &Network, output: usize) -> Cow<'_, Self> {
        match self {
            Self::Values(values) if network.normalizes_targets(output) => {
                let mut values = values.clone();
                network.normalize_targets(output, &mut values);
                Cow::Owned(Self::Values(values))
            }
            _ => Cow::Borrowed(self),
        }
    }

    pub(crate) fn view(&self) -> Targets<'_> {
        match self {
            Self::Classes(classes) => Targets::Classes(classes),
            Self::Values(values) => Targets::Values(values),
        }
    }
}

fn check_finite(input: &str, values: &[f32], samples: usize) -> Result<()> {
    let size = values.len() / samples;
    let rows = values.chunks_exact(size).enumerate();
    let mut bad = rows.filter(|(_, row)| row.iter().any(|value| !value.is_finite())).map(|(index, _)| index);
    match bad.next() {
        None => Ok(()),
        Some(first) => Err(Error::NonFiniteSamples { input: input.to_owned(), count: 1 + bad.count(), samples, first }),
    }
}

impl Output {
    /// What becomes of the values its loss scores, if they are no answers yet.
    pub(crate) fn form(&self) -> Option<AnswerForm> {
        let form = AnswerForm { minimum_variance: self.loss.minimum_variance(), normalized: self.normalize_target };
        (form.normalized || form.minimum_variance.is_some()).then_some(form)
    }
}

impl TrainConfig {
    /// The embedding that reads an input, whose values then are the numbers of entries and never normalized.
    pub(crate) fn embedding_of(&self, input: &str) -> Option<(&str, &Embedding)> {
        self.layers.iter().enumerate().find_map(|(index, layer)| {
            let reads = (layer.inputs.is_empty() && index == 0) || layer.inputs.iter().any(|name| name == input);
            match &layer.kind {
                LayerKind::Embedding(embedding) if reads => Some((layer.name.as_str(), embedding)),
                _ => None,
            }
        })
    }

    /// The outputs of the network: those listed, or the last layer with the one loss.
    pub(crate) fn heads(&self) -> Vec<Output> {
        match self.layers.last() {
            Some(last) if self.outputs.is_empty() => vec![Output {
                layer: last.name.clone(),
                loss: self.loss.clone().unwrap_or_default(),
                weight: 1.0,
                target: self.target.clone(),
                normalize_target: self.normalize_target,
            }],
            _ => self.outputs.clone(),
        }
    }
}

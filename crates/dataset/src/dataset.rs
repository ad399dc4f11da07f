use std::collections::HashSet;
use std::mem;

use ndarray::{ArrayD, Axis};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::{Batch, Error, Labels, Normalization, Problem, Scale};

/// Samples for one input of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The name of the array in its file: the model's name for this input, or `x`.
    pub name: String,
    /// The samples, `[samples, ...]`.
    pub samples: ArrayD<f32>,
}

/// Samples in memory, with or without labels.
///
/// There is at least one sample, every input has the same number of them, and every array is in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    inputs: Vec<Input>,
    labels: Option<Labels>,
}

impl Dataset {
    /// A data set of the given arrays, each `[samples, ...]`.
    ///
    /// # Errors
    ///
    /// When there is no input or no sample, two inputs share a name, an array has a dimension of size zero, or the
    /// numbers of samples and labels differ.
    pub fn new(inputs: Vec<Input>, labels: Option<Labels>) -> Result<Self, Error> {
        Ok(Self::checked(inputs, labels)?)
    }

    pub(crate) fn checked(inputs: Vec<Input>, labels: Option<Labels>) -> Result<Self, Problem> {
        let shapes = inputs.iter().map(|input| (input.name.as_str(), input.samples.shape()));
        Self::check(shapes, labels.as_ref().map(|labels| labels.ids().len() as u64))?;
        let inputs =
            inputs.into_iter().map(|Input { name, samples }| Input { name, samples: row_major(samples) }).collect();
        Ok(Self { inputs, labels })
    }

    /// The number of samples, if arrays of these names and shapes and so many labels form a data set.
    pub(crate) fn check<'a>(
        arrays: impl Iterator<Item = (&'a str, &'a [usize])>,
        label_count: Option<u64>,
    ) -> Result<usize, Problem> {
        let arrays: Vec<_> = arrays.collect();
        let Some(&(first, first_shape)) = arrays.first() else {
            return Err(Problem::Samples("no array of samples; name it `x` or like the model's input".into()));
        };
        let len = first_shape.first().copied().unwrap_or(0);
        let mut names = HashSet::new();
        for (name, shape) in arrays {
            if !names.insert(name) {
                return Err(Problem::Samples(format!("two arrays are named `{name}`; every input needs its own name")));
            }
            if shape.is_empty() {
                return Err(Problem::Samples(format!(
                    "array `{name}` is a single number; samples need the shape [samples, ...]"
                )));
            }
            if shape.contains(&0) {
                return Err(Problem::Samples(format!(
                    "array `{name}` of shape {shape:?} is empty; at least one sample is needed"
                )));
            }
            if shape[0] != len {
                return Err(Problem::Samples(format!(
                    "array `{name}` of shape {shape:?} holds {} samples, but array `{first}` holds {len}; the first \
                     dimension of all arrays counts the samples, so save different parts (train, test) in files of \
                     their own",
                    shape[0]
                )));
            }
        }
        if let Some(count) = label_count
            && count != len as u64
        {
            return Err(Problem::Labels(format!(
                "{count} labels for {len} samples of array `{first}`; there must be one label per sample"
            )));
        }
        Ok(len)
    }

    /// The number of samples, never 0.
    pub fn len(&self) -> usize {
        self.inputs[0].samples.shape()[0]
    }

    /// Always false: a data set holds at least one sample.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The inputs in the order of the file.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The samples for the model input `name`.
    ///
    /// An input is found by its name; if the data set has one array only and it is called `x`, that one answers to any
    /// name.
    ///
    /// # Errors
    ///
    /// When the data set has no such input; the text lists what it has.
    pub fn input(&self, name: &str) -> Result<&Input, Error> {
        Ok(&self.inputs[self.position(name, true)?])
    }

    /// The place of the input `name`; with `x_serves`, a lone array called `x` answers to any name.
    pub(crate) fn position(&self, name: &str, x_serves: bool) -> Result<usize, Problem> {
        let lone_x = x_serves && self.inputs.len() == 1 && self.inputs[0].name == "x";
        let by_name = self.inputs.iter().position(|input| input.name == name);
        by_name.or(lone_x.then_some(0)).ok_or_else(|| {
            let names: Vec<_> = self.inputs.iter().map(|input| input.name.as_str()).collect();
            Problem::Request(format!(
                "the data set has no array for the model input `{name}`, only `{}`; name the arrays like \
                 the model's inputs (a model of one input also takes an array named `x`)",
                names.join("`, `")
            ))
        })
    }

    /// The labels, one class number per sample.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_ref().map(Labels::ids)
    }

    /// The number of classes, when there are labels; see [`Labels::class_count`].
    pub fn class_count(&self) -> Option<usize> {
        self.labels.as_ref().map(Labels::class_count)
    }

    /// The names of the classes by number, when the file had names instead of numbers.
    pub fn class_names(&self) -> Option<&[String]> {
        self.labels.as_ref().and_then(Labels::class_names)
    }

    /// The samples in order, `size` at a time (0 counts as 1); the last batch may be smaller.
    pub fn batches(&self, size: usize) -> impl ExactSizeIterator<Item = Batch<'_>> {
        let size = size.clamp(1, self.len());
        (0..self.len().div_ceil(size)).map(move |i| {
            let start = i * size;
            Batch::new(self, start..self.len().min(start + size))
        })
    }

    /// The samples (and labels) at `indices`, in that order; an index may be repeated.
    ///
    /// # Errors
    ///
    /// When there is no index or one of them is not below [`Dataset::len`].
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        let len = self.len();
        if let Some(index) = indices.iter().find(|&&index| index >= len) {
            return Err(Problem::Request(format!(
                "there is no sample {index}; the data set holds samples 0 to {}",
                len - 1
            ))
            .into());
        }
        if indices.is_empty() {
            return Err(Problem::Request("a selection needs at least one sample".into()).into());
        }
        let inputs = self
            .inputs
            .iter()
            .map(|Input { name, samples }| Input { name: name.clone(), samples: samples.select(Axis(0), indices) });
        Ok(Self { inputs: inputs.collect(), labels: self.labels.as_ref().map(|labels| labels.select(indices)) })
    }

    /// The first `count` samples, or all of them if there are fewer.
    ///
    /// # Errors
    ///
    /// When `count` is 0.
    pub fn take(&self, count: usize) -> Result<Self, Error> {
        let indices: Vec<_> = (0..count.min(self.len())).collect();
        self.select(&indices)
    }

    /// The numbers `0..len` in an order drawn uniformly from all orders; the same seed gives the same order on every
    /// machine.
    pub fn shuffled_indices(&self, seed: u64) -> Vec<usize> {
        let mut indices: Vec<_> = (0..self.len()).collect();
        indices.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        indices
    }

    /// Two data sets: `fraction` of the samples (rounded to whole samples), and the rest, both in shuffled order.
    ///
    /// # Errors
    ///
    /// When `fraction` is not between 0 and 1, or leaves one of the two without a sample.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self), Error> {
        let count = (self.len() as f64 * fraction).round();
        if !(1.0..self.len() as f64).contains(&count) {
            return Err(Problem::Request(format!(
                "a fraction of {fraction} does not split {} samples into two data sets",
                self.len()
            ))
            .into());
        }
        let indices = self.shuffled_indices(seed);
        let (first, rest) = indices.split_at(count as usize);
        Ok((self.select(first)?, self.select(rest)?))
    }

    /// This data set with every value of every input multiplied by `scale`.
    #[must_use]
    pub fn rescale(mut self, scale: Scale) -> Self {
        for input in &mut self.inputs {
            input.samples.mapv_inplace(|value| value * scale.factor());
        }
        self
    }

    /// This data set with every input turned into `(x - mean) / std`.
    ///
    /// # Errors
    ///
    /// When `normalization` is neither one mean and deviation nor one per element of a sample.
    pub fn normalize(mut self, normalization: &Normalization) -> Result<Self, Error> {
        for input in &mut self.inputs {
            let features = input.samples.len() / input.samples.shape()[0];
            if ![1, features].contains(&normalization.mean().len()) {
                return Err(Problem::Request(format!(
                    "a normalization of {} features does not fit array `{}` of {features} features per sample",
                    normalization.mean().len(),
                    input.name
                ))
                .into());
            }
            for mut sample in input.samples.outer_iter_mut() {
                normalization.apply(sample.iter_mut());
            }
        }
        Ok(self)
    }

    /// This data set with each sample of the input `name` (found like [`Dataset::input`] does) viewed in another shape.
    ///
    /// `shape` is that of one sample: rows of 784 pixels become images with `&[1, 28, 28]`.
    ///
    /// # Errors
    ///
    /// When there is no such input or `shape` has another number of elements than a sample.
    pub fn shape_samples(mut self, name: &str, shape: &[usize]) -> Result<Self, Error> {
        let position = self.position(name, true)?;
        let Input { name, samples } = &mut self.inputs[position];
        let old = samples.shape().to_vec();
        let new: Vec<_> = old[..1].iter().chain(shape).copied().collect();
        *samples = mem::take(samples).into_shape_with_order(new).map_err(|_| {
            Problem::Request(format!(
                "samples of shape {:?} in array `{name}` cannot be viewed as {shape:?}, which has another \
                 number of elements",
                &old[1..]
            ))
        })?;
        Ok(self)
    }
}

/// The same array with its elements in memory in row-major order.
fn row_major(array: ArrayD<f32>) -> ArrayD<f32> {
    if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
}

#[cfg(test)]
mod tests;

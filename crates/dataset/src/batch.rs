use std::ops::Range;

use ndarray::{ArrayViewD, Axis, Slice};

use crate::{Dataset, Error};

/// Consecutive samples of a [`Dataset`], viewed in place.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    dataset: &'a Dataset,
    range: Range<usize>,
}

impl<'a> Batch<'a> {
    /// The samples in `range`, which must be within the data set.
    pub(crate) fn new(dataset: &'a Dataset, range: Range<usize>) -> Self {
        Self { dataset, range }
    }

    /// The number of samples, never 0.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Always false: a batch holds at least one sample.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The places of these samples in the data set.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The samples `[batch, ...]` for the model input `name`, found like [`Dataset::input`] does.
    ///
    /// # Errors
    ///
    /// When the data set has no such input.
    pub fn input(&self, name: &str) -> Result<ArrayViewD<'a, f32>, Error> {
        Ok(self.view(self.dataset.position(name, true)?))
    }

    /// The samples `[batch, ...]` for each of a model's inputs, in the order of `names`.
    ///
    /// An input is found by its name; the lone array `x` of a data set also serves a model of one input, whatever that
    /// is called.
    ///
    /// # Errors
    ///
    /// When the data set lacks one of the inputs.
    pub fn inputs_for(&self, names: &[&str]) -> Result<Vec<ArrayViewD<'a, f32>>, Error> {
        let views = names.iter().map(|name| {
            let position = self.dataset.position(name, names.len() == 1)?;
            Ok(self.view(position))
        });
        views.collect()
    }

    /// The labels of these samples.
    pub fn labels(&self) -> Option<&'a [u32]> {
        Some(&self.dataset.labels()?[self.range()])
    }

    fn view(&self, position: usize) -> ArrayViewD<'a, f32> {
        let samples = &self.dataset.inputs()[position].samples;
        samples.slice_axis(Axis(0), Slice::from(self.range()))
    }
}

//! How the samples of a data set become rows of a batch.

use dataset::Dataset;
use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::normalize::Normalization;

/// The one input of a data set as rows of features, with its labels.
pub(crate) struct Samples<'a> {
    pub(crate) input: &'a str,
    /// The shape of one sample.
    pub(crate) shape: &'a [usize],
    /// `[samples, features]`.
    pub(crate) features: ArrayView2<'a, f32>,
    /// One per sample; none if they are not needed.
    pub(crate) labels: &'a [u32],
}

impl<'a> Samples<'a> {
    /// The samples without their labels.
    pub(crate) fn of(dataset: &'a Dataset) -> Result<Self> {
        let [input] = dataset.inputs() else {
            let names = dataset.inputs().iter().map(|input| input.name.as_str());
            return Err(Error::InputCount {
                count: dataset.inputs().len(),
                names: names.collect::<Vec<_>>().join(", "),
            });
        };
        let shape = &input.samples.shape()[1..];
        let rows = (dataset.len(), shape.iter().product::<usize>());
        // A data set keeps its arrays in row-major order, `[samples, ...]`.
        let features = input.samples.view().into_shape_with_order(rows);
        Ok(Self { input: &input.name, shape, features: features.expect("samples in row-major order"), labels: &[] })
    }

    pub(crate) fn labelled(dataset: &'a Dataset) -> Result<Self> {
        let labels = dataset.labels().ok_or(Error::NoLabels)?;
        Ok(Self { labels, ..Self::of(dataset)? })
    }

    pub(crate) fn len(&self) -> usize {
        self.features.nrows()
    }

    /// Refuses NaN and infinite values, which would turn every weight into NaN.
    pub(crate) fn check_finite(&self) -> Result<()> {
        let rows = self.features.rows().into_iter().enumerate();
        let mut bad = rows.filter(|(_, row)| row.iter().any(|value| !value.is_finite())).map(|(index, _)| index);
        match bad.next() {
            None => Ok(()),
            Some(first) => Err(Error::NonFiniteSamples {
                input: self.input.to_owned(),
                count: 1 + bad.count(),
                samples: self.len(),
                first,
            }),
        }
    }

    /// Refuses a label that names no unit of the last layer.
    pub(crate) fn check_labels(&self, layer: &str, units: usize) -> Result<()> {
        let wrong = self.labels.iter().position(|&label| label as usize >= units);
        match wrong {
            None => Ok(()),
            Some(sample) => {
                Err(Error::LabelOutOfRange { sample, label: self.labels[sample], layer: layer.to_owned(), units })
            }
        }
    }

    /// The labels at `rows`.
    pub(crate) fn labels_at(&self, rows: &[usize]) -> impl Iterator<Item = u32> {
        rows.iter().map(|&row| self.labels[row])
    }

    /// Writes the samples at `rows`, normalized, to the first rows of `batch`.
    pub(crate) fn gather(&self, rows: &[usize], normalization: Option<&Normalization>, batch: &mut Array2<f32>) {
        for (&row, mut output) in rows.iter().zip(batch.rows_mut()) {
            let sample = self.features.row(row);
            match normalization {
                Some(normalization) => normalization.apply(sample, output),
                None => output.assign(&sample),
            }
        }
    }
}

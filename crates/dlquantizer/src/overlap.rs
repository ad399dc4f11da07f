//! Whether samples were seen in calibration.

use dataset::Dataset;
use onnx_model::Model;

use crate::sketch::{Sketch, sample_hash};
use crate::{CALIBRATION_SAMPLES_KEY, Error};

/// Hashes that go into an int8 model: few bytes, and enough to notice one sample in five with 99.9 % probability.
const IN_MODEL: usize = 32;

/// Samples of a calibration that occur among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// Samples of the sketch that were found.
    pub found: usize,
    /// Samples of the sketch, a random choice of those that calibrated.
    pub of: usize,
    /// The first of the others that calibrated, counted from 0.
    pub first: usize,
}

impl Sketch {
    /// Which samples of `data`, in the form that the float network `model` takes, are among those of the sketch; none if none is.
    ///
    /// # Errors
    ///
    /// When the data lacks an input of the model.
    pub fn overlap(&self, model: &Model, data: &Dataset) -> Result<Option<Overlap>, Error> {
        let names: Vec<String> = model.inputs().into_iter().map(|input| input.name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut found = Self::default();
        let mut first = None;
        for (sample, batch) in data.batches(1).enumerate() {
            let views = batch.inputs_for(&names)?;
            let hash = sample_hash(views.iter().filter_map(|view| view.as_slice()));
            if self.contains(hash) {
                found.insert(hash);
                first = first.or(Some(sample));
            }
        }
        Ok(first.map(|first| Overlap { found: found.len(), of: self.len(), first }))
    }

    /// The samples that an int8 model was calibrated on, as far as it tells; none if it does not.
    ///
    /// # Errors
    ///
    /// When what it tells cannot be read.
    pub fn of_model(model: &Model) -> Result<Option<Self>, Error> {
        let Some(text) = model.metadata(CALIBRATION_SAMPLES_KEY) else { return Ok(None) };
        let hashes = text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let damaged = |_| Error::CalibrationSamples { value: text.chars().take(100).collect() };
        Self::try_from(hashes).map(Some).map_err(damaged)
    }

    /// The text that [`Sketch::of_model`] reads.
    pub(crate) fn to_metadata(&self) -> String {
        Vec::<String>::from(self.smallest(IN_MODEL)).join(",")
    }
}

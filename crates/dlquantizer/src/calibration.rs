//! The result of a calibration: the statistics of every tensor with a range, and the file it is kept in.

#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::read_file::read_file;
use crate::statistics::{StoredStatistics, TensorStatistics};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// The version of the calibration file that is written, and the only one that is read.
pub const FORMAT_VERSION: u64 = 1;

/// The largest calibration file that is read; the worst tensor takes less than 4 MiB, a usual one 50 KiB.
const SIZE_LIMIT: u64 = 1 << 30;

/// The statistics of all weights, biases and activations of one model over some samples.
///
/// A calibration has at least one sample, no two tensors of one name, and a finite value in every tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredCalibration")]
pub struct Calibration {
    format_version: u64,
    tool_version: String,
    model_digest: String,
    samples: u64,
    tensors: Vec<TensorRecord>,
}

/// The statistics of one tensor and what it is in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRecord")]
pub struct TensorRecord {
    /// The tensor's name in the ONNX graph.
    pub name: String,
    /// The optimized layer, as it runs after preparation, that the tensor is a learnable or the output of.
    pub layer: String,
    /// The layer or layers of the network as given that became [`Self::layer`].
    pub network_layer: String,
    /// What the tensor is to the layer.
    pub kind: TensorKind,
    /// Its values.
    pub statistics: TensorStatistics,
}

/// What a tensor is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorKind {
    /// A constant the layer multiplies by.
    Weight,
    /// A constant the layer adds.
    Bias,
    /// Data that depends on the sample.
    Activation,
}

/// A [`Calibration`] as read, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCalibration {
    format_version: u64,
    tool_version: String,
    model_digest: String,
    samples: u64,
    tensors: Vec<TensorRecord>,
}

impl TryFrom<StoredCalibration> for Calibration {
    type Error = String;

    fn try_from(stored: StoredCalibration) -> Result<Self, String> {
        let StoredCalibration { format_version, tool_version, model_digest, samples, tensors } = stored;
        if format_version != FORMAT_VERSION {
            return Err(format!("format version {format_version} is not {FORMAT_VERSION}"));
        }
        let calibration = Self { format_version, tool_version, model_digest, samples, tensors };
        calibration.check().map_err(|error| error.to_string())?;
        Ok(calibration)
    }
}

/// A [`TensorRecord`] as read, so that an inconsistency is reported with the tensor's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecord {
    name: String,
    layer: String,
    network_layer: String,
    kind: TensorKind,
    statistics: StoredStatistics,
}

impl TryFrom<StoredRecord> for TensorRecord {
    type Error = String;

    fn try_from(stored: StoredRecord) -> Result<Self, String> {
        let statistics =
            stored.statistics.try_into().map_err(|error| format!("tensor \"{}\": {error}", stored.name))?;
        Ok(Self {
            name: stored.name,
            layer: stored.layer,
            network_layer: stored.network_layer,
            kind: stored.kind,
            statistics,
        })
    }
}

impl Calibration {
    /// A calibration of the model with this BLAKE3 digest (hexadecimal) over so many samples.
    ///
    /// # Errors
    ///
    /// [`Error::NoSamples`], [`Error::DuplicateTensor`], or [`Error::NothingFinite`] naming the tensor.
    pub fn new(model_digest: String, samples: u64, tensors: Vec<TensorRecord>) -> Result<Self, Error> {
        let calibration = Self {
            format_version: FORMAT_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            model_digest,
            samples,
            tensors,
        };
        calibration.check()?;
        Ok(calibration)
    }

    fn check(&self) -> Result<(), Error> {
        if self.samples == 0 {
            return Err(Error::NoSamples);
        }
        let mut names = HashSet::with_capacity(self.tensors.len());
        for TensorRecord { name, statistics, .. } in &self.tensors {
            if !names.insert(name) {
                return Err(Error::DuplicateTensor(name.clone()));
            }
            if statistics.finite_count() == 0 {
                return Err(Error::NothingFinite {
                    tensor: name.clone(),
                    count: statistics.count(),
                    nans: statistics.nans(),
                    infs: statistics.infs(),
                });
            }
        }
        Ok(())
    }

    /// Reads a calibration file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is larger than 1 GiB, or as [`Self::from_bytes`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = read_file(path, SIZE_LIMIT, "calibration")?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Writes a calibration file, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the directory does not allow it or the disk is full; an existing file is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(onnx_model::write_atomic(path, &self.to_bytes())?)
    }

    /// Parses the bytes of a calibration file; `file` is how errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::CalibrationVersion`] for another format version; [`Error::InvalidCalibration`] with line and column, or
    /// the tensor, for anything else that is not a consistent calibration: unknown or missing fields, counts that do
    /// not add up, bins out of order, what [`Self::new`] refuses.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(|error| {
            let file = file.to_owned();
            // Another version may well have other fields: its number explains more than the first unknown one.
            match version(bytes).filter(|&version| version != FORMAT_VERSION) {
                Some(found) => Error::CalibrationVersion { file, found, expected: FORMAT_VERSION },
                None => Error::InvalidCalibration { file, reason: error.to_string() },
            }
        })
    }

    /// The calibration file: JSON, one line, the same bytes for equal calibrations.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("names and numbers are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// The BLAKE3 digest of [`Self::to_bytes`], hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        blake3::hash(&self.to_bytes()).to_hex().to_string()
    }

    /// The calibration over the samples of both; the order does not matter.
    ///
    /// Activations are added. Weights and biases are the same in both, so they stay.
    ///
    /// # Errors
    ///
    /// [`Error::OtherModel`] when the models differ, [`Error::Merge`] when the versions of the tool or the tensors
    /// do or more than 2^48 values of a tensor come together.
    pub fn merge(mut self, other: &Self) -> Result<Self, Error> {
        self.check_model(&other.model_digest)?;
        if self.tool_version != other.tool_version {
            return Err(Error::Merge(format!(
                "one is of version {}, the other of version {} of the tool, which may compute differently",
                self.tool_version, other.tool_version
            )));
        }
        let same_tensors = self.tensors.len() == other.tensors.len()
            && (self.tensors.iter().zip(&other.tensors)).all(|(ours, theirs)| ours.is_same(theirs));
        if !same_tensors {
            return Err(Error::Merge("they are not of the same tensors in the same order".to_owned()));
        }
        for (ours, theirs) in self.tensors.iter_mut().zip(&other.tensors) {
            if ours.kind == TensorKind::Activation {
                ours.statistics
                    .merge(&theirs.statistics)
                    .map_err(|error| Error::Merge(format!("tensor \"{}\": {error}", ours.name)))?;
            }
        }
        self.samples =
            self.samples.checked_add(other.samples).ok_or_else(|| Error::Merge("more than 2^64 samples".to_owned()))?;
        Ok(self)
    }

    /// Confirms that the calibration was collected on the model with this digest.
    ///
    /// # Errors
    ///
    /// [`Error::OtherModel`] when it was not.
    pub fn check_model(&self, digest: &str) -> Result<(), Error> {
        if self.model_digest == digest {
            return Ok(());
        }
        Err(Error::OtherModel { calibrated: self.model_digest.clone(), model: digest.to_owned() })
    }

    /// The version of the tool that calibrated.
    #[must_use]
    pub fn tool_version(&self) -> &str {
        &self.tool_version
    }

    /// The digest of the model that was calibrated.
    #[must_use]
    pub fn model_digest(&self) -> &str {
        &self.model_digest
    }

    /// How many samples were run through the model, at least 1.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// All tensors, in the order the calibration was made with.
    #[must_use]
    pub fn tensors(&self) -> &[TensorRecord] {
        &self.tensors
    }

    /// The tensor of this name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&TensorRecord> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

impl TensorRecord {
    /// Whether both records are of one tensor, with the same values if it is a constant.
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.layer == other.layer
            && self.network_layer == other.network_layer
            && self.kind == other.kind
            && (self.kind == TensorKind::Activation || self.statistics == other.statistics)
    }
}

/// The format version of bytes that are JSON with one.
fn version(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Header {
        format_version: u64,
    }
    let header: Header = serde_json::from_slice(bytes).ok()?;
    Some(header.format_version)
}

//! The result of a calibration: the statistics of every tensor with a range, and the file it is kept in.

#[cfg(test)]
mod tests;

use crate::collected::Activation;
use crate::coverage::Coverage;
use crate::error::Error;
use crate::read_file::read_file;
use crate::sketch::Sketch;
use crate::statistics::{ChannelStatistics, StoredStatistics, TensorStatistics};
use crate::texture::Texture;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;

/// The version of the calibration file that is written, and the only one that is read.
pub const FORMAT_VERSION: u64 = 2;

/// The largest calibration file that is read; the worst tensor takes less than 8 MiB, a usual one 100 KiB.
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
    /// None when all of the data was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<Coverage>,
    sketch: Sketch,
    tensors: Vec<TensorRecord>,
}

/// The statistics of one tensor and what it is in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredRecord", try_from = "StoredRecord")]
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
    /// Of an activation, its values on two random halves of the samples, told apart by the hash of a sample.
    pub halves: Option<[TensorStatistics; 2]>,
    /// Its values by channel, where it is a weight, a bias or the output of a dense layer or convolution.
    pub channels: Option<ChannelStatistics>,
    /// How alike neighbouring values are, where it is an input of the model.
    pub texture: Option<Texture>,
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
    shards: Option<Coverage>,
    sketch: Sketch,
    tensors: Vec<TensorRecord>,
}

impl TryFrom<StoredCalibration> for Calibration {
    type Error = String;

    fn try_from(stored: StoredCalibration) -> Result<Self, String> {
        let StoredCalibration { format_version, tool_version, model_digest, samples, shards, sketch, tensors } = stored;
        if format_version != FORMAT_VERSION {
            return Err(format!("format version {format_version} is not {FORMAT_VERSION}"));
        }
        let calibration = Self { format_version, tool_version, model_digest, samples, shards, sketch, tensors };
        calibration.check().map_err(|error| error.to_string())?;
        Ok(calibration)
    }
}

/// The stored form of a [`TensorRecord`], so that an inconsistency is reported with the tensor's name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecord {
    name: String,
    layer: String,
    network_layer: String,
    kind: TensorKind,
    /// The values of a constant, or of both halves of an activation's.
    statistics: Vec<StoredStatistics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<ChannelStatistics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    texture: Option<Texture>,
}

impl From<TensorRecord> for StoredRecord {
    fn from(record: TensorRecord) -> Self {
        let TensorRecord { name, layer, network_layer, kind, statistics, halves, channels, texture } = record;
        let parts = halves.map_or_else(|| vec![statistics], Vec::from);
        let statistics = parts.into_iter().map(Into::into).collect();
        Self { name, layer, network_layer, kind, statistics, channels, texture }
    }
}

impl TryFrom<StoredRecord> for TensorRecord {
    type Error = String;

    fn try_from(stored: StoredRecord) -> Result<Self, String> {
        let StoredRecord { name, layer, network_layer, kind, statistics, channels, texture } = stored;
        let in_tensor = |error: String| format!("tensor \"{name}\": {error}");
        let parts: Result<Vec<TensorStatistics>, _> = statistics.into_iter().map(TryInto::try_into).collect();
        let parts = parts.map_err(|error| in_tensor(error.to_string()))?;
        let (statistics, halves) = match (kind, <[TensorStatistics; 2]>::try_from(parts)) {
            (TensorKind::Activation, Ok(halves)) => {
                let both = Activation { halves, channels: None, texture: None };
                (both.statistics().map_err(in_tensor)?, Some(both.halves))
            }
            (TensorKind::Weight | TensorKind::Bias, Err(mut parts)) if parts.len() == 1 => (parts.remove(0), None),
            _ => return Err(in_tensor("an activation has the statistics of two halves, a constant of one".to_owned())),
        };
        let values =
            |channels: &ChannelStatistics| -> u64 { (0..channels.len()).map(|channel| channels.count(channel)).sum() };
        if channels.as_ref().is_some_and(|channels| statistics.finite_count() != values(channels)) {
            return Err(in_tensor("its channels do not have as many values as it has".to_owned()));
        }
        Ok(Self { name, layer, network_layer, kind, statistics, halves, channels, texture })
    }
}

impl Calibration {
    /// A calibration of the model with this BLAKE3 digest (hexadecimal) over so many samples, those of `sketch` among them.
    ///
    /// # Errors
    ///
    /// [`Error::NoSamples`], [`Error::DuplicateTensor`], or [`Error::NothingFinite`] naming the tensor.
    pub(crate) fn new(
        model_digest: String,
        samples: u64,
        shards: Option<Coverage>,
        sketch: Sketch,
        tensors: Vec<TensorRecord>,
    ) -> Result<Self, Error> {
        let calibration = Self {
            format_version: FORMAT_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            model_digest,
            samples,
            shards,
            sketch,
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
    /// not add up, bins out of order, no samples, a tensor twice or without a finite value.
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

    /// The calibration over the samples of both; the order does not matter, and all shards of a data set together give the bytes of a
    /// calibration over the whole.
    ///
    /// Activations are added. Weights and biases are the same in both, so they stay.
    ///
    /// # Errors
    ///
    /// [`Error::OtherModel`] when the models differ, [`Error::Merge`] when the versions of the tool or the tensors
    /// do, when both saw the same shard or the very same samples, when one is a shard and the other is not, or when more than 2^48 values
    /// of a tensor come together.
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
        self.shards = match (&self.shards, &other.shards) {
            (Some(ours), Some(theirs)) => ours.merge(theirs).map_err(Error::Merge)?,
            (None, None) if self.samples == other.samples && self.sketch == other.sketch => {
                return Err(Error::Merge(format!("both have seen the same {} samples", self.samples)));
            }
            (None, None) => None,
            (Some(shards), None) | (None, Some(shards)) => {
                return Err(Error::Merge(format!("one has seen {shards}, the other a whole data set")));
            }
        };
        for (ours, theirs) in self.tensors.iter_mut().zip(&other.tensors) {
            ours.merge(theirs).map_err(|error| Error::Merge(format!("tensor \"{}\": {error}", ours.name)))?;
        }
        self.sketch.merge(&other.sketch);
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

    /// The shards of the data that were seen; `None` when all of it was.
    #[must_use]
    pub fn shards(&self) -> Option<&Coverage> {
        self.shards.as_ref()
    }

    /// Which samples were seen, as far as that is kept.
    #[must_use]
    pub fn sketch(&self) -> &Sketch {
        &self.sketch
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

    /// Adds the values of the same activation on other samples; a constant stays as it is.
    fn merge(&mut self, other: &Self) -> Result<(), String> {
        let (Some(halves), Some(others)) = (self.halves.take(), other.halves.clone()) else { return Ok(()) };
        let mut both = Activation { halves, channels: self.channels.take(), texture: self.texture };
        both.merge(&Activation { halves: others, channels: other.channels.clone(), texture: other.texture })?;
        self.statistics = both.statistics()?;
        (self.halves, self.channels, self.texture) = (Some(both.halves), both.channels, both.texture);
        Ok(())
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

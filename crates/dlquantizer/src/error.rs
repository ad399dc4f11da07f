//! What can go wrong between a float model and its int8 model.

use std::io;
use std::path::{Path, PathBuf};

/// Why a stage of the quantization refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A calibration or recipe cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A calibration or recipe is larger than any real one.
    #[error("{}: larger than {limit} bytes, so not a {kind}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
        /// What the file should have been.
        kind: &'static str,
    },
    /// A model cannot be read or edited, or a file of any kind not be written.
    #[error(transparent)]
    Model(#[from] onnx_model::Error),
    /// A file is not a calibration, or a damaged one.
    #[error("{file}: not a valid calibration: {reason}; run `quantize calibrate` again")]
    InvalidCalibration {
        /// The file.
        file: String,
        /// What is wrong, with line and column or the tensor.
        reason: String,
    },
    /// A calibration file is of another format version.
    #[error(
        "{file}: calibration format version {found}, this build reads version {expected}; \
         calibrate again, or use the version of the tool that wrote it"
    )]
    CalibrationVersion {
        /// The file.
        file: String,
        /// The version in the file.
        found: u64,
        /// The version that can be read.
        expected: u64,
    },
    /// A calibration saw no samples.
    #[error("the calibration saw no samples; calibrate on at least one")]
    NoSamples,
    /// A tensor has no finite value to read a range off.
    #[error(
        "tensor \"{tensor}\": none of its {count} values is finite ({nans} NaN, {infs} infinite), so it has no range; \
         check the calibration data and the weights"
    )]
    NothingFinite {
        /// The tensor.
        tensor: String,
        /// Values observed.
        count: u64,
        /// NaN among them.
        nans: u64,
        /// Infinities among them.
        infs: u64,
    },
    /// Two records of a calibration bear one name.
    #[error("the calibration holds tensor \"{0}\" twice")]
    DuplicateTensor(String),
    /// A calibration was collected on another model.
    #[error(
        "the calibration belongs to another model (BLAKE3 {calibrated}, this one is {model}); \
         calibrate this model, or give the one that was calibrated"
    )]
    OtherModel {
        /// Digest of the model that was calibrated.
        calibrated: String,
        /// Digest of the model given.
        model: String,
    },
    /// Two calibrations cannot be merged.
    #[error("the calibrations cannot be merged: {0}")]
    Merge(String),
    /// A recipe is not one.
    #[error("{file}: {reason}")]
    InvalidRecipe {
        /// The file.
        file: String,
        /// What is wrong, where, and what would be right.
        reason: String,
    },
    /// A pattern of a recipe matches no layer.
    #[error("the recipe's pattern \"{pattern}\" matches no layer; {layers}")]
    NoSuchLayer {
        /// The pattern.
        pattern: String,
        /// The layers there are, or the ones of nearest name.
        layers: String,
    },
}

/// The bytes of a file that should not exceed `limit`, without believing what the system says of its size.
pub(crate) fn read_file(path: &Path, limit: u64, kind: &'static str) -> Result<Vec<u8>, Error> {
    use io::Read;

    let read = |error| Error::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.to_owned(), limit, kind });
    }
    Ok(bytes)
}

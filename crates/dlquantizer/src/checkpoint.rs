//! A calibration that was interrupted, and the file it waits in.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::calibrator::Convergence;
use crate::collected::Collected;
use crate::read_file::read_file;
use crate::{Error, FORMAT_VERSION};

/// The largest checkpoint that is read.
const SIZE_LIMIT: u64 = 1 << 30;

/// Everything an interrupted calibration needs to go on, and to end in the same bytes as if it had never been interrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    format_version: u64,
    tool_version: String,
    model_digest: String,
    run: String,
    position: [u64; 2],
    convergence: Convergence,
    collected: Collected,
}

impl Checkpoint {
    pub(crate) fn new(
        model_digest: String,
        run: String,
        position: [u64; 2],
        collected: Collected,
        convergence: Convergence,
    ) -> Self {
        let tool_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format_version: FORMAT_VERSION, tool_version, model_digest, run, position, convergence, collected }
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is larger than 1 GiB, or is not a whole and consistent checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_bytes(&read_file(path, SIZE_LIMIT, "checkpoint")?, &path.display().to_string())
    }

    /// Parses the bytes of a checkpoint; `file` is how errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCheckpoint`] for what is not a whole and consistent checkpoint.
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, Error> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::InvalidCheckpoint { file: file.to_owned(), reason: error.to_string() })
    }

    /// The checkpoint as JSON, one line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("names and numbers are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the directory does not allow it or the disk is full; an earlier checkpoint is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(onnx_model::write_atomic(path, &self.to_bytes())?)
    }

    /// Confirms that the checkpoint was made in a run that its caller described by the same words.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRun`] with both descriptions.
    pub fn check_run(&self, run: &str) -> Result<(), Error> {
        match self.run == run {
            true => Ok(()),
            false => {
                Err(Error::OtherRun(format!("it was made with other samples or options: {}, now {run}", self.run)))
            }
        }
    }

    /// Where its maker was in the data.
    #[must_use]
    pub fn position(&self) -> [u64; 2] {
        self.position
    }

    /// Samples observed so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.collected.samples
    }

    /// What was collected, if it was on this model and by this version of the tool.
    pub(crate) fn into_state(self, model_digest: &str, activations: usize) -> Result<(Collected, Convergence), Error> {
        let version = env!("CARGO_PKG_VERSION");
        if self.format_version != FORMAT_VERSION || self.tool_version != version {
            return Err(Error::OtherRun(format!(
                "it was made by version {} of the tool, this is {version}",
                self.tool_version
            )));
        }
        if self.model_digest != model_digest {
            return Err(Error::OtherRun(format!(
                "it is of another model (BLAKE3 {}, this one is {model_digest})",
                self.model_digest
            )));
        }
        if !self.convergence.is_consistent(activations, self.collected.samples) {
            return Err(Error::OtherRun("its ranges are not those of its samples".to_owned()));
        }
        Ok((self.collected, self.convergence))
    }
}

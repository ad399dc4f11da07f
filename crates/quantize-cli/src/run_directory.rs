//! The directory of a training: its configuration, its metrics and what is known of it as a whole.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use trainer::{MetricsFile, MetricsLog, read_metrics};

/// The configuration of the training, as it was used.
const CONFIG: &str = "config.toml";
/// A [`RunInfo`].
const INFO: &str = "run.json";
/// Far more than any of the small files holds.
const MAX_BYTES: u64 = 1 << 20;

/// A directory, whether or not it exists.
pub(crate) struct RunDirectory(PathBuf);

/// What is known of a training as a whole.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunInfo {
    /// The version of this program.
    pub(crate) version: String,
    pub(crate) data: PathBuf,
    /// Samples trained on.
    pub(crate) samples: usize,
    pub(crate) parameters: usize,
    /// Whether the training came to its end.
    pub(crate) finished: bool,
    /// On the test part, if the data have one and the training is finished; the accuracy, in per cent, if it tells classes.
    pub(crate) test_loss: Option<f64>,
    pub(crate) test_accuracy: Option<f64>,
}

impl RunDirectory {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether there is something of a run in it.
    pub(crate) fn is_used(&self) -> bool {
        [CONFIG, INFO, MetricsLog::JSON_LINES].iter().any(|name| self.0.join(name).exists())
    }

    /// Whether there is a run in it that has written no metrics.
    pub(crate) fn is_before_first_epoch(&self) -> bool {
        let metrics = fs::metadata(self.0.join(MetricsLog::JSON_LINES));
        self.is_used() && metrics.is_ok_and(|metrics| metrics.len() == 0)
    }

    /// Where the state of the training is kept.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// Where the best network of a training is kept that could not be finished.
    pub(crate) fn best_model(&self) -> PathBuf {
        self.0.join("best.onnx")
    }

    /// Where the configuration is kept.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.0.join(CONFIG)
    }

    /// Refuses a directory that holds a run.
    pub(crate) fn check_unused(&self) -> Result<()> {
        if self.is_used() || self.checkpoint().exists() {
            bail!("{} already holds a run; give another directory, or --resume to go on with it", self.0.display());
        }
        Ok(())
    }

    /// Makes the directory, if there is none, and keeps the configuration in it.
    pub(crate) fn create(&self, config: &str) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot create {}", self.0.display()))?;
        Ok(onnx_model::write_atomic(self.0.join(CONFIG), config.as_bytes())?)
    }

    pub(crate) fn write_info(&self, info: &RunInfo) -> Result<()> {
        let text = serde_json::to_string_pretty(info)? + "\n";
        Ok(onnx_model::write_atomic(self.0.join(INFO), text.as_bytes())?)
    }

    /// The text of the configuration.
    pub(crate) fn config(&self) -> Result<String> {
        self.read(CONFIG)?.with_context(|| {
            format!(
                "{} is no directory of a run: it has no {CONFIG}, which `quantize train --run-dir` writes",
                self.0.display()
            )
        })
    }

    /// What is known of the run; nothing if it was stopped before that was written.
    pub(crate) fn info(&self) -> Result<Option<RunInfo>> {
        let Some(text) = self.read(INFO)? else { return Ok(None) };
        let info = serde_json::from_str(&text).with_context(|| self.0.join(INFO).display().to_string())?;
        Ok(Some(info))
    }

    pub(crate) fn metrics(&self) -> Result<MetricsFile> {
        Ok(read_metrics(self.0.join(MetricsLog::JSON_LINES))?)
    }

    fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.0.join(name);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)) {
            Ok(_) if text.len() as u64 > MAX_BYTES => bail!("{} is larger than {MAX_BYTES} bytes", path.display()),
            Ok(_) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

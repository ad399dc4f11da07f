//! Where a training keeps what it would need to go on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dataset::Dataset;
use trainer::{Error, MetricsLog, Trainer, checkpoint_epoch};

use crate::console::warn;
use crate::run_directory::{RunDirectory, RunInfo};

/// Files of one training beside its model.
pub(super) struct Place {
    pub(super) directory: Option<RunDirectory>,
    pub(super) checkpoint: PathBuf,
    /// Epochs that an earlier run of the training has done; `None` for a new training.
    resumed: Option<u64>,
}

impl Place {
    /// The place that was asked for, if any, after a look at what is there. Nothing is written yet.
    pub(super) fn find(run_dir: Option<&Path>, checkpoint: Option<&Path>, resume: bool) -> Result<Option<Self>> {
        let directory = run_dir.map(RunDirectory::new);
        let checkpoint = match (checkpoint, &directory) {
            (Some(path), _) => path.to_owned(),
            (None, Some(directory)) => directory.checkpoint(),
            (None, None) => return Ok(None),
        };
        let resumed = match (resume, checkpoint.exists()) {
            (true, true) => Some(checkpoint_epoch(&checkpoint)?),
            (true, false) => {
                warn(&format!("{} does not exist, so that training starts anew", checkpoint.display()));
                Some(0)
            }
            (false, _) => {
                directory.as_ref().map_or(Ok(()), RunDirectory::check_unused)?;
                None
            }
        };
        if directory.is_none() {
            onnx_model::check_writable(&checkpoint)?;
        }
        Ok(Some(Self { directory, checkpoint, resumed }))
    }

    /// The trainer that writes its checkpoints here and goes on from the one that is there.
    pub(super) fn trainer(&self, trainer: Trainer) -> Trainer {
        let trainer = trainer.checkpoint(&self.checkpoint);
        match self.resumed {
            Some(epochs) if epochs > 0 => trainer.resume(&self.checkpoint),
            _ => trainer,
        }
    }

    /// Makes the run directory ready for records, once there is nothing left that would keep the training from running.
    pub(super) fn begin(&self, config: &str) -> Result<Option<MetricsLog>> {
        let Some(directory) = &self.directory else { return Ok(None) };
        directory.create(config)?;
        if let Some(info) = directory.info()? {
            directory.write_info(&RunInfo { finished: false, ..info })?;
        }
        let log = match self.resumed {
            Some(epochs) => MetricsLog::resume(directory.path(), epochs)?,
            None => MetricsLog::create(directory.path())?,
        };
        Ok(Some(log))
    }

    /// Adds to the error of a training that broke off what of it is kept, and keeps its best network as a model.
    pub(super) fn keep(&self, error: Error, trainer: &Trainer, samples: &Dataset) -> anyhow::Error {
        let diverged = matches!(error, Error::Diverged { .. });
        let error = anyhow::Error::from(error);
        if !diverged || !self.checkpoint.exists() {
            return error;
        }
        let epoch = match checkpoint_epoch(&self.checkpoint) {
            Ok(epoch) => epoch,
            Err(other) => return error.context(other),
        };
        let mut kept = format!("the state after epoch {epoch} is kept in {}", self.checkpoint.display());
        if let Some(directory) = &self.directory {
            let path = directory.best_model();
            let saved = self.save_best(&path, trainer, samples);
            kept = match saved {
                Ok(()) => format!("the best network so far is kept in {}, {kept}", path.display()),
                Err(other) => format!("{kept}; {other:#}"),
            };
        }
        anyhow::anyhow!("{error:#}; {kept}")
    }

    fn save_best(&self, path: &Path, trainer: &Trainer, samples: &Dataset) -> Result<()> {
        let best = trainer.clone().resume(&self.checkpoint).best_so_far(samples)?;
        best.to_model()?.save(path).with_context(|| path.display().to_string())
    }
}

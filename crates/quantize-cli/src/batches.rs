//! Batch sizes of models that were exported with a fixed one.

use std::path::Path;

use anyhow::{Result, bail};
use int8_inference::Session;

/// Samples to run together where the user names no number: some `usual`, in whole batches of the model.
pub(crate) fn default_batch(session: &Session, usual: usize) -> usize {
    match session.fixed_batch() {
        Some(fixed) if fixed > 0 => (usual / fixed).max(1) * fixed,
        _ => usual,
    }
}

/// Refuses what is left over of `samples` samples, `batch` at a time, where the model needs whole batches as it finds ranges over each.
pub(crate) fn check_whole(session: &Session, model: &Path, batch: usize, samples: usize) -> Result<()> {
    let Some(fixed) = session.fixed_batch().filter(|&fixed| fixed > 0 && session.couples_samples()) else {
        return Ok(());
    };
    let why = format!("{}: the model finds ranges over whole batches of {fixed}", model.display());
    if !batch.is_multiple_of(fixed) {
        bail!("{why}, --batch {batch} divides them; pass --batch {fixed}");
    }
    match samples % fixed {
        0 => Ok(()),
        left if left == samples => bail!("{why}, there are only {samples} samples; give more"),
        left => bail!("{why}, {samples} samples leave {left} over; pass --samples {}", samples - left),
    }
}

//! `quantize train --find-rate`: which learning rate a training should have.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dataset::Dataset;
use serde::Serialize;
use trainer::Trainer;

use crate::console::Report;
use crate::format;

/// Enough for a curve of about 30 batches to each power of ten.
const BATCHES: usize = 200;

/// What the loss was over the learning rate.
#[derive(Serialize)]
pub(crate) struct RateReport {
    file: PathBuf,
    /// Half of the rate at which the loss diverges; `null` if it does not.
    proposal: Option<f64>,
    diverged: Option<f64>,
    points: Vec<Point>,
}

/// One batch.
#[derive(Serialize)]
struct Point {
    rate: f64,
    loss: f64,
    smoothed: f64,
}

/// Finds the rate and writes the curve: as an image to a file named .svg, as CSV to any other.
pub(super) fn find(trainer: &Trainer, samples: &Dataset, path: &Path) -> Result<RateReport> {
    let curve = trainer.find_rate(samples, BATCHES)?;
    let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    let text = if is_svg { curve.to_svg() } else { curve.to_csv() };
    onnx_model::write_atomic(path, text.as_bytes())?;
    let points =
        curve.points.iter().map(|point| Point { rate: point.rate, loss: point.loss, smoothed: point.smoothed });
    Ok(RateReport {
        file: path.to_owned(),
        proposal: curve.proposal(),
        diverged: curve.diverged,
        points: points.collect(),
    })
}

impl Report for RateReport {
    fn text(&self) -> String {
        let verdict = match (self.diverged, self.proposal) {
            (Some(diverged), Some(proposal)) => format!(
                "the loss diverges at a learning rate of {}\nproposed: learning_rate = {}\n",
                format::real(diverged),
                format::real(proposal)
            ),
            _ => "the loss does not diverge at any learning rate up to 10\n".to_owned(),
        };
        format!("{} batches\n{verdict}wrote {}\n", self.points.len(), self.file.display())
    }
}

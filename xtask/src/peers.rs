//! Other tools and us on the same files, measured in turns in one run.

mod calibration;
mod inference;

use anyhow::Result;
use clap::ValueEnum;

/// What is compared.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Comparison {
    /// ONNX Runtime and us running int8 models.
    Inference,
    /// ONNX Runtime, NNCF and us calibrating float models.
    Calibration,
}

/// Measures and prints tables in Markdown.
pub(crate) fn run(comparison: Comparison) -> Result<()> {
    match comparison {
        Comparison::Inference => inference::run(),
        Comparison::Calibration => calibration::run(),
    }
}

//! Other tools and us on the same files, measured in turns in one run.

mod calibration;
mod inference;
mod side;
mod training;

use anyhow::Result;

pub(crate) use self::training::{Ours, train_ours};

/// What is compared.
#[derive(clap::Subcommand)]
pub(crate) enum Comparison {
    /// ONNX Runtime, OpenVINO, oneDNN and us running int8 models.
    ///
    /// QUANTIZE_ISA and ONEDNN_MAX_CPU_ISA hold us and oneDNN to an instruction set; ONNX Runtime and OpenVINO always take the best.
    Inference(inference::Args),
    /// ONNX Runtime, NNCF and us calibrating float models.
    Calibration,
    /// PyTorch, scikit-learn and us training a classifier; for Linux.
    Training(training::Args),
}

/// Measures and prints tables in Markdown.
pub(crate) fn run(comparison: &Comparison) -> Result<()> {
    match comparison {
        Comparison::Inference(args) => inference::run(args),
        Comparison::Calibration => calibration::run(),
        Comparison::Training(args) => training::run(args),
    }
}

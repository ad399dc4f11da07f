//! `quantize calibrate`: the dynamic ranges of a model's tensors over samples.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use dataset::{Dataset, Part};
use dlquantizer::{Calibrator, FloatModel, TensorKind, TensorRecord};
use serde::Serialize;

use crate::console::{Report, warn};
use crate::data::DataArgs;
use crate::files::{check_output, open_float};
use crate::format::{self, Column};
use crate::progress;
use crate::threads::ThreadsArgs;

/// Collects the ranges of all weights, biases and activations of a float model in one pass over samples.
///
/// Memory does not grow with the number of samples; batch size and threads do not change a byte of the result.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize calibrate digits.onnx --data calibration-data/digits -o digits.calibration.json")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Calibration file to write.
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,
    #[command(flatten)]
    work: WorkArgs,
}

/// How the samples go through the model.
#[derive(clap::Args)]
pub(crate) struct WorkArgs {
    /// Samples handed over together.
    #[arg(long, value_name = "N", default_value_t = Self::default().batch)]
    batch: NonZeroUsize,
    #[command(flatten)]
    threads: ThreadsArgs,
}

impl Default for WorkArgs {
    fn default() -> Self {
        Self { batch: NonZeroUsize::MIN.saturating_add(63), threads: ThreadsArgs::default() }
    }
}

/// What a calibration found.
#[derive(Serialize)]
pub(crate) struct CalibrateReport {
    file: PathBuf,
    samples: u64,
    seconds: f64,
    samples_per_second: f64,
    state_bytes: usize,
    tensors: Vec<TensorReport>,
}

/// The values of one tensor.
#[derive(Serialize)]
struct TensorReport {
    name: String,
    layer: String,
    network_layer: String,
    kind: TensorKind,
    count: u64,
    min: Option<f32>,
    max: Option<f32>,
    mean: Option<f64>,
    zeros: u64,
    nans: u64,
    infs: u64,
}

pub(crate) fn run(args: &Args) -> Result<CalibrateReport> {
    let model = open_float(&args.model)?;
    let mut pieces = args.data.stream(Part::Calibration)?;
    check_output(&args.output, &args.model)?;
    let samples = pieces.len();
    let next = || pieces.next(args.work.batch.get());
    calibrate(&model, samples, next, &args.work, &args.output)
        .with_context(|| format!("cannot calibrate {} on {}", args.model.display(), args.data.data.display()))
}

/// Runs the samples that `next` gives piece by piece through the model and writes the calibration to `output`.
pub(crate) fn calibrate(
    model: &FloatModel,
    samples: Option<usize>,
    mut next: impl FnMut() -> Result<Option<Dataset>>,
    work: &WorkArgs,
    output: &Path,
) -> Result<CalibrateReport> {
    let mut calibrator = Calibrator::with_threads(model, work.threads.threads)?;
    let state_bytes = calibrator.state_bytes();
    progress::announce(&format!(
        "the statistics take at most {}, for any number of samples",
        format::bytes(state_bytes)
    ));
    let start = Instant::now();
    let bar = progress::bar(samples, "calibrating");
    while let Some(piece) = next()? {
        for batch in model.adapt(piece)?.batches(work.batch.get()) {
            calibrator.observe(&batch)?;
            bar.inc(batch.len() as u64);
        }
    }
    bar.finish_and_clear();
    let calibration = calibrator.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    calibration.save(output)?;
    let report = CalibrateReport {
        file: output.to_owned(),
        samples: calibration.samples(),
        seconds,
        samples_per_second: calibration.samples() as f64 / seconds,
        state_bytes,
        tensors: calibration.tensors().iter().map(TensorReport::of).collect(),
    };
    for tensor in report.tensors.iter().filter(|tensor| tensor.nans + tensor.infs > 0) {
        warn(&format!(
            "tensor \"{}\": {} NaN and {} infinite of {} values are left out of its range",
            tensor.name, tensor.nans, tensor.infs, tensor.count
        ));
    }
    Ok(report)
}

impl TensorReport {
    fn of(record: &TensorRecord) -> Self {
        let statistics = &record.statistics;
        Self {
            name: record.name.clone(),
            layer: record.layer.clone(),
            network_layer: record.network_layer.clone(),
            kind: record.kind,
            count: statistics.count(),
            min: statistics.min(),
            max: statistics.max(),
            mean: statistics.mean(),
            zeros: statistics.zeros(),
            nans: statistics.nans(),
            infs: statistics.infs(),
        }
    }
}

impl Report for CalibrateReport {
    fn text(&self) -> String {
        let columns = [
            Column::Text("Optimized Layer Name"),
            Column::Text("Network Layer Name"),
            Column::Text("Learnables / Activations"),
            Column::Number("MinValue"),
            Column::Number("MaxValue"),
        ];
        let bound = |value: Option<f32>| value.map_or_else(String::new, |value| format::real(value.into()));
        let rows = self.tensors.iter().map(|tensor| {
            let kind = match tensor.kind {
                TensorKind::Weight => "Weights",
                TensorKind::Bias => "Bias",
                TensorKind::Activation => "Activations",
            };
            [tensor.layer.clone(), tensor.network_layer.clone(), kind.to_owned(), bound(tensor.min), bound(tensor.max)]
        });
        format!(
            "{}\n{} samples in {:.3} s, {} per second, statistics of at most {}\nwrote {}\n",
            format::table(columns, rows),
            format::count(self.samples as usize),
            self.seconds,
            format::count(self.samples_per_second as usize),
            format::bytes(self.state_bytes),
            self.file.display()
        )
    }
}

//! `quantize validate`: float against int8 on labelled samples.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use dataset::{Dataset, Part};
use dlquantizer::{Calibration, FloatModel, Overlap, Sketch, Validation, Verdict};
use int8_inference::{Session, SessionOptions};
use serde::Serialize;

use crate::batches::check_whole;
use crate::console::Report;
use crate::data::DataArgs;
use crate::files::{InFile, open_float, open_session};
use crate::format::{self, Column};
use crate::threads::ThreadsArgs;

/// Compares an int8 model with its float model on samples and fails if it has lost too much.
///
/// The int8 model runs in the integer engine itself. Exit code 1 means that the drop is larger than allowed.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize validate digits.onnx digits.int8.onnx --data calibration-data/digits --metric top1 --max-drop 0.5")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "FLOAT_ONNX")]
    float: PathBuf,
    /// Int8 model.
    #[arg(value_name = "INT8_ONNX")]
    int8: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// What is compared.
    #[arg(long, value_enum, default_value = "top1")]
    metric: Metric,
    /// Largest drop that passes, in points of per cent.
    #[arg(long, value_name = "POINTS", default_value = "1.0", allow_negative_numbers = true, value_parser = points)]
    max_drop: f64,
    /// Calibration that the int8 model was made with: no sample of it may be among those compared. Without it, what the int8 model knows of
    /// its calibration is searched for.
    #[arg(long, value_name = "JSON")]
    calibration: Option<PathBuf>,
    /// Compares samples that were seen in calibration as well.
    #[arg(long)]
    allow_overlap: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
}

/// A metric by the word that names it.
#[derive(Clone, Copy, ValueEnum)]
enum Metric {
    /// The highest score is the label's.
    Top1,
    /// The label is among the five highest scores.
    Top5,
    /// Both models choose the same class; needs no labels.
    Agreement,
}

impl From<Metric> for dlquantizer::Metric {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Top1 => Self::Top1,
            Metric::Top5 => Self::Top5,
            Metric::Agreement => Self::Agreement,
        }
    }
}

/// The comparison and its verdict.
#[derive(Serialize)]
pub(crate) struct ValidateReport {
    #[serde(flatten)]
    pub(crate) validation: Validation,
    max_drop: f64,
    verdict: Verdict,
}

pub(crate) fn run(args: &Args) -> Result<ValidateReport> {
    let float = open_float(&args.float)?;
    let options = SessionOptions { threads: args.threads.threads, ..SessionOptions::default() };
    let (int8_model, int8) = open_session(&args.int8, &options)?;
    let samples = args.data.open_for(float.network(), &args.float, Part::Test)?;
    if let Some(fixed) = int8.fixed_batch() {
        check_whole(&int8, &args.int8, fixed, samples.len())?;
    }
    if !args.allow_overlap {
        let (seen, source) = match &args.calibration {
            Some(path) => (Some(Calibration::load(path)?.sketch().clone()), path),
            None => (Sketch::of_model(&int8_model).in_file(&args.int8)?, &args.int8),
        };
        let overlap = seen.map(|seen| seen.overlap(float.network(), &samples)).transpose()?.flatten();
        if let Some(Overlap { found, of, first }) = overlap {
            bail!(
                "{}: {found} of the {of} calibration samples that {} knows are among these samples, the first is sample {first} (counted from \
                 0); on samples that it was fitted to, a model proves nothing: give others, or pass --allow-overlap",
                args.data.data.display(),
                source.display()
            );
        }
    }
    validate(&float, &int8, &samples, args.metric.into(), args.max_drop).with_context(|| {
        format!("cannot compare {} with {} on {}", args.float.display(), args.int8.display(), args.data.data.display())
    })
}

/// Compares both models and judges the drop.
pub(crate) fn validate(
    float: &FloatModel,
    int8: &Session,
    samples: &Dataset,
    metric: dlquantizer::Metric,
    max_drop: f64,
) -> Result<ValidateReport> {
    let validation = Validation::compare(float, int8, samples, metric)?;
    Ok(ValidateReport { max_drop, verdict: validation.verdict(max_drop), validation })
}

/// A finite number of points.
fn points(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(points) if points.is_finite() => Ok(points),
        _ => Err("not a number of points such as 0.5".to_owned()),
    }
}

impl Report for ValidateReport {
    fn text(&self) -> String {
        let Validation { metric, samples, float, int8, drop, agreement, tensors } = &self.validation;
        let metric = format!("{metric:?}").to_lowercase();
        let columns = [Column::Text("Quantized Tensor"), Column::Number("SQNR [dB]")];
        let rows = tensors.iter().map(|tensor| {
            let sqnr = tensor.sqnr_db.map_or_else(|| "exact".to_owned(), |sqnr| format!("{sqnr:.1}"));
            [tensor.name.clone(), sqnr]
        });
        let verdict = match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
        };
        format!(
            "{}\n{}\n{verdict}: {metric} drop {drop:.2} points on {} samples, at most {} allowed\n",
            format::table(columns, rows),
            format::pairs([
                (&format!("{metric} float"), format::percent(*float)),
                (&format!("{metric} int8"), format::percent(*int8)),
                ("same class", format::percent(*agreement)),
            ]),
            format::count(*samples),
            self.max_drop,
        )
    }

    fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }
}

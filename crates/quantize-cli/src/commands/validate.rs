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
    /// Array of the data to compare with in place of its labels: values to predict, or a class for each step of a sequence.
    #[arg(long, value_name = "ARRAY")]
    target: Option<String>,
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
    /// A single score is on the right side: above 1/2 behind a sigmoid, else above 0, exactly where the label is 1.
    Binary,
    /// Root of the mean squared error of predicted values; needs --target. The drop is by how many per cent it grew.
    Rmse,
}

impl From<Metric> for dlquantizer::Metric {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Top1 => Self::Top1,
            Metric::Top5 => Self::Top5,
            Metric::Agreement => Self::Agreement,
            Metric::Binary => Self::Binary,
            Metric::Rmse => Self::RootMeanSquaredError,
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
    validate(&float, &int8, &samples, args.metric.into(), args.target.as_deref(), args.max_drop).with_context(|| {
        format!("cannot compare {} with {} on {}", args.float.display(), args.int8.display(), args.data.data.display())
    })
}

/// Compares both models and judges the drop.
pub(crate) fn validate(
    float: &FloatModel,
    int8: &Session,
    samples: &Dataset,
    metric: dlquantizer::Metric,
    target: Option<&str>,
    max_drop: f64,
) -> Result<ValidateReport> {
    let validation = Validation::compare_to(float, int8, samples, metric, target)?;
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
        let word = metric.word();
        let (shown, unit): (fn(f64) -> String, _) = match metric {
            dlquantizer::Metric::RootMeanSquaredError => (|error| format!("{error:.4}"), "per cent"),
            _ => (format::percent, "points"),
        };
        let mut measures = vec![(format!("{word} float"), shown(*float)), (format!("{word} int8"), shown(*int8))];
        measures.extend(agreement.map(|agreement| ("same class".to_owned(), format::percent(agreement))));
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
            "{}\n{}\n{verdict}: {word} drop {drop:.2} {unit} on {} samples, at most {} allowed\n",
            format::table(columns, rows),
            format::pairs(measures),
            format::count(*samples),
            self.max_drop,
        )
    }

    fn passed(&self) -> bool {
        self.verdict == Verdict::Pass
    }
}

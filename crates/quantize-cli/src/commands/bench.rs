//! `quantize bench`: how fast a model runs.

mod layers;
mod random;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use dataset::{Input, Part};
use int8_inference::{Session, SessionOptions};
use onnx_model::{Model, Summary};
use serde::Serialize;

use crate::console::{Console, Report};
use crate::data::ReadingArgs;
use crate::files::{InFile, open_session};
use crate::format::{self, Column};
use crate::machine::{self, Speeds};
use crate::threads::ThreadsArgs;
use crate::timing::{Timing, time};

/// Batch sizes where neither the user nor the model names any.
const BATCHES: [usize; 3] = [1, 32, 256];

/// Times a float or int8 model, alone or turn by turn with another one.
///
/// Without --data the samples are random, in the range that the model quantizes its input to.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize bench digits.int8.onnx --batch 1,32,256 --threads 1
  quantize bench digits.int8.onnx --against digits.onnx --batch 256 --threads 1
  quantize bench digits.int8.onnx --per-layer --batch 1,256")]
pub(crate) struct Args {
    /// Float or int8 model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Another model to time in the same run, in turns.
    #[arg(long, value_name = "ONNX")]
    against: Option<PathBuf>,
    /// Batch sizes [default: 1,32,256, or the one that the model was exported with where it is fixed].
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = RangedU64ValueParser::<usize>::new().range(1..=65536))]
    batch: Vec<usize>,
    /// Times each step of the plan, on one thread, and compares the layers with what this machine can do at best.
    #[arg(long, conflicts_with = "against")]
    per_layer: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Time for each model and batch size.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Samples to run, as for the other commands.
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    data: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Data")]
    reading: ReadingArgs,
}

/// One row per batch size and model.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct BenchReport(pub(crate) Vec<Row>);

/// How fast one model runs one batch size.
#[derive(Serialize)]
pub(crate) struct Row {
    model: PathBuf,
    pub(crate) batch: usize,
    threads: usize,
    /// Instruction set of the integer kernels; `float` for a model without integer layers.
    isa: String,
    pub(crate) median_us: f64,
    min_us: f64,
    /// Additions and multiplications of the dense layers, in 10^9 per second.
    gops: f64,
    /// The time that they take at the peak of the machine's cores, measured in the same run, in per cent of the median; absent for scalar
    /// code.
    percent_of_peak: Option<f64>,
    samples_per_second: f64,
    /// How much more samples per second than the model it is timed against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) speedup: Option<f64>,
}

/// A model to be timed.
pub(crate) struct Subject<'a> {
    pub(crate) path: &'a Path,
    pub(crate) model: &'a Model,
    pub(crate) session: &'a Session,
}

pub(crate) fn run(args: &Args, console: &Console) -> Result<bool> {
    if args.per_layer && args.threads.threads.is_some_and(|threads| threads > 1) {
        bail!("--per-layer times the steps on one thread; leave --threads out");
    }
    let threads = if args.per_layer { Some(1) } else { args.threads.threads };
    let options = SessionOptions { threads, ..SessionOptions::default() };
    let paths: Vec<&Path> = std::iter::once(&args.model).chain(&args.against).map(PathBuf::as_path).collect();
    let opened: Vec<(Model, Session)> = paths.iter().map(|path| open_session(path, &options)).collect::<Result<_>>()?;
    let subjects: Vec<Subject> =
        paths.iter().zip(&opened).map(|(path, (model, session))| Subject { path, model, session }).collect();
    let samples = match &args.data {
        Some(path) => args.reading.open_for(path, &opened[0].0, &args.model, Part::Test)?.inputs().to_vec(),
        None => random::random_samples(&subjects).in_file(&args.model)?,
    };
    let fixed = subjects.iter().find_map(|subject| subject.session.fixed_batch());
    let batches = match (args.batch.as_slice(), &fixed) {
        ([], Some(fixed)) => std::slice::from_ref(fixed),
        ([], None) => &BATCHES,
        (given, _) => given,
    };
    if args.per_layer {
        return console.finish(&layers::per_layer(&subjects[0], &samples, batches, args.seconds)?);
    }
    console.finish(&bench(&subjects, &samples, batches, args.seconds)?)
}

/// Times the first model, and the second turn by turn with it, on each batch size.
pub(crate) fn bench(
    subjects: &[Subject],
    samples: &[Input],
    batches: &[usize],
    budget: Duration,
) -> Result<BenchReport> {
    let mut operations = Vec::new();
    let mut ideal_us = Vec::new();
    for subject in subjects {
        let macs = Summary::of(subject.model).in_file(subject.path)?.macs;
        operations.push(2.0 * own_macs(subject.session).max(macs) as f64);
        ideal_us.push(machine::speeds(subject.session.isa()).map(|peak| ideal(subject.session, macs, peak)));
    }
    let sessions: Vec<&Session> = subjects.iter().map(|subject| subject.session).collect();
    let mut rows = Vec::new();
    for &batch in batches {
        let names =
            || subjects.iter().map(|subject| subject.path.display().to_string()).collect::<Vec<_>>().join(" and ");
        let timings = time(&sessions, samples, batch, budget).with_context(|| format!("cannot time {}", names()))?;
        for (index, (subject, Timing { median_us, min_us })) in subjects.iter().zip(&timings).enumerate() {
            let session = subject.session;
            rows.push(Row {
                model: subject.path.to_owned(),
                batch,
                threads: session.threads(),
                isa: if session.macs_per_sample() > 0 { session.isa().to_string() } else { "float".to_owned() },
                median_us: *median_us,
                min_us: *min_us,
                gops: operations[index] * batch as f64 / (median_us * 1e3),
                percent_of_peak: ideal_us[index].map(|ideal| 100.0 * ideal * batch as f64 / median_us),
                samples_per_second: batch as f64 * 1e6 / median_us,
                speedup: timings.get(1).filter(|_| index == 0).map(|other| other.median_us / median_us),
            });
        }
    }
    Ok(BenchReport(rows))
}

/// Microseconds that the multiplications of a sample take at the peak of as many cores as the session has threads: those of int8 layers in
/// int8, all others in f32.
fn ideal(session: &Session, macs: u64, peak: Speeds) -> f64 {
    let steps = session.steps();
    let at_peak = |(macs, peak): (u64, Option<f64>)| peak.map_or(0.0, |peak| 2.0 * macs as f64 / (peak * 1e3));
    let own: f64 = steps.iter().map(|step| step.macs).zip(step_peaks(session, Some(peak))).map(at_peak).sum();
    // What the float runtime multiplies.
    let rest = macs.saturating_sub(own_macs(session));
    (own + at_peak((rest, Some(peak.float_gflops)))) / session.threads() as f64
}

/// Multiplications per sample of the layers that the engine runs itself.
fn own_macs(session: &Session) -> u64 {
    session.macs_per_sample().saturating_add(session.float_macs_per_sample())
}

/// What a core can do at best of each step of the plan; `None` for a step that is no dense layer.
fn step_peaks(session: &Session, peak: Option<Speeds>) -> Vec<Option<f64>> {
    let mut certificates = session.certificates().into_iter();
    let of_step = |step: int8_inference::StepInfo| {
        let proven = step.int8 && certificates.next().is_some_and(|proof| proof.pair_sums_proven == proof.channels);
        let peak = peak.filter(|_| step.macs > 0)?;
        Some(match (step.int8, proven) {
            (true, true) => peak.int8_proven_gops,
            (true, false) => peak.int8_gops,
            (false, _) => peak.float_gflops,
        })
    };
    session.steps().into_iter().map(of_step).collect()
}

/// A number of seconds, above 0 and at most an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not a number of seconds above 0 and up to 3600".to_owned()),
    }
}

impl Report for BenchReport {
    fn text(&self) -> String {
        let columns = [
            Column::Text("Model"),
            Column::Number("Batch"),
            Column::Number("Threads"),
            Column::Text("ISA"),
            Column::Number("Median [us]"),
            Column::Number("Min [us]"),
            Column::Number("GOPS"),
            Column::Number("of Peak"),
            Column::Number("Samples/s"),
            Column::Number("Speedup"),
        ];
        let rows = self.0.iter().map(|row| {
            [
                row.model.display().to_string(),
                row.batch.to_string(),
                row.threads.to_string(),
                row.isa.clone(),
                format!("{:.2}", row.median_us),
                format!("{:.2}", row.min_us),
                format!("{:.1}", row.gops),
                row.percent_of_peak.map_or_else(String::new, |percent| format!("{percent:.1} %")),
                format::count(row.samples_per_second as usize),
                row.speedup.map_or_else(String::new, |speedup| format!("{speedup:.2}")),
            ]
        });
        format::table(columns, rows)
    }
}

//! `quantize bench`: how fast a model runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use dataset::Part;
use int8_inference::{Session, SessionOptions};
use ndarray::ArrayD;
use onnx_model::graph::GraphIndex;
use onnx_model::{Dim, Model};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::console::Report;
use crate::data::ReadingArgs;
use crate::files::{InFile, open_session};
use crate::format::{self, Column};
use crate::threads::ThreadsArgs;
use crate::timing::{Timing, time};

/// Different random samples a model is timed on.
const RANDOM_SAMPLES: usize = 64;

/// Times a float or int8 model, alone or turn by turn with another one.
///
/// Without --data the samples are random, in the range that the model quantizes its input to.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize bench digits.int8.onnx --batch 1,32,256 --threads 1
  quantize bench digits.int8.onnx --against digits.onnx --batch 256 --threads 1")]
pub(crate) struct Args {
    /// Float or int8 model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Another model to time in the same run, in turns.
    #[arg(long, value_name = "ONNX")]
    against: Option<PathBuf>,
    /// Batch sizes.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,32,256", value_parser = RangedU64ValueParser::<usize>::new().range(1..=65536))]
    batch: Vec<usize>,
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

pub(crate) fn run(args: &Args) -> Result<BenchReport> {
    let options = SessionOptions { threads: args.threads.threads, ..SessionOptions::default() };
    let paths: Vec<&Path> = std::iter::once(&args.model).chain(&args.against).map(PathBuf::as_path).collect();
    let opened: Vec<(Model, Session)> = paths.iter().map(|path| open_session(path, &options)).collect::<Result<_>>()?;
    let subjects: Vec<Subject> =
        paths.iter().zip(&opened).map(|(path, (model, session))| Subject { path, model, session }).collect();
    let samples = match &args.data {
        Some(path) => {
            let data = args.reading.open_for(path, &opened[0].0, &args.model, Part::Test)?;
            let input = data.inputs().first().context("the data has no samples")?;
            input.samples.clone()
        }
        None => random_samples(&subjects).in_file(&args.model)?,
    };
    bench(&subjects, &samples, &args.batch, args.seconds)
}

/// Times the first model, and the second turn by turn with it, on each batch size.
pub(crate) fn bench(
    subjects: &[Subject],
    samples: &ArrayD<f32>,
    batches: &[usize],
    budget: Duration,
) -> Result<BenchReport> {
    let mut operations = Vec::new();
    for subject in subjects {
        let layers = super::inspect::layers(subject.model).in_file(subject.path)?;
        let weights: usize = layers.iter().map(super::inspect::LayerReport::multiplications).sum();
        operations.push(2.0 * subject.session.macs_per_sample().max(weights as u64) as f64);
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
                samples_per_second: batch as f64 * 1e6 / median_us,
                speedup: timings.get(1).filter(|_| index == 0).map(|other| other.median_us / median_us),
            });
        }
    }
    Ok(BenchReport(rows))
}

/// Samples of the shape the first model takes, the same in every run, uniform over what a model quantizes its input to, or else over
/// 0 to 1.
fn random_samples(subjects: &[Subject]) -> Result<ArrayD<f32>> {
    let Some(subject) = subjects.first() else { bail!("there is no model to time") };
    let mut inputs = subject.session.inputs();
    let (Some((name, declared)), None) = (inputs.next(), inputs.next()) else {
        bail!("only models of one input can be timed");
    };
    let mut shape = vec![RANDOM_SAMPLES];
    for dim in
        declared.with_context(|| format!("input \"{name}\" has no shape in the file; pass --data"))?.iter().skip(1)
    {
        let Dim::Fixed(size) = dim else {
            bail!("the shape of input \"{name}\" is not fixed in the file, so the model cannot be timed");
        };
        shape.push(*size);
    }
    let (mut low, mut high) = (0.0, 1.0);
    for subject in subjects {
        if let Some(range) = quantized_range(subject.model)? {
            (low, high) = range;
            break;
        }
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size)).filter(|&count| count < 1 << 28);
    let count = count.with_context(|| format!("input \"{name}\" of shape {shape:?} is too large to time"))?;
    let values = (0..count).map(|_| low + (high - low) * random.random::<f32>()).collect();
    Ok(ArrayD::from_shape_vec(shape, values)?)
}

/// The real interval that the model's input is quantized to.
fn quantized_range(model: &Model) -> Result<Option<(f32, f32)>> {
    let index = GraphIndex::new(model.graph())?;
    let Some(input) = model.inputs().into_iter().next() else { return Ok(None) };
    for &reader in index.consumers(&input.name) {
        let node = &model.graph().node[reader];
        let [_, scale, zero_point, ..] = node.input.as_slice() else { continue };
        if node.op_type() == "QuantizeLinear"
            && let (Some(scale), Some(zero_point)) = (index.constant(scale)?, index.constant(zero_point)?)
            && let (Ok(scale), Ok(zero)) = (scale.scalar_f32(), zero_point.scalar_f32())
        {
            let lowest = if zero_point.data.data_type() == onnx_model::DataType::Int8 { -128.0 } else { 0.0 };
            let (low, high) = ((lowest - zero) * scale, (lowest + 255.0 - zero) * scale);
            return Ok(Some((low, high)).filter(|_| low.is_finite() && high.is_finite()));
        }
    }
    Ok(None)
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
                format::count(row.samples_per_second as usize),
                row.speedup.map_or_else(String::new, |speedup| format!("{speedup:.2}")),
            ]
        });
        format::table(columns, rows)
    }
}

//! `quantize run`: samples in, results out.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use dataset::{Dataset, Part};
use int8_inference::{NamedTensor, Session, SessionOptions};
use serde::Serialize;

use crate::arrays;
use crate::batches::{check_whole, default_batch};
use crate::console::Report;
use crate::data::DataArgs;
use crate::files::{check_output, open_session};
use crate::format::{self, Column};
use crate::progress;
use crate::test_data;
use crate::threads::ThreadsArgs;

/// Samples that run together where neither the user nor the model says how many.
const BATCH: usize = 256;

/// Runs a float or int8 model on samples and writes its results as NumPy arrays.
///
/// One result goes to a .npy file; several, or taps, to an .npz file with an array for each.
///
/// Where the data are a directory of ONNX's test data (input_0.pb, input_1.pb and so on), they are the model's inputs themselves, in its own
/// types and shapes, and the results are written as output_0.pb and so on to the directory that -o names.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize run digits.int8.onnx --data calibration-data/digits -o logits.npy
  quantize run digits.int8.onnx --data calibration-data/digits --tap x_quantized -o tensors.npz")]
pub(crate) struct Args {
    /// Float or int8 model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// File to write, .npy or .npz; for ONNX's test data a directory.
    #[arg(short, long, value_name = "NPY")]
    output: PathBuf,
    /// Further tensor to write, by its name in the graph, integers as integers; may be repeated.
    #[arg(long = "tap", value_name = "TENSOR")]
    taps: Vec<String>,
    /// Samples that run together [default: 256, or as many whole batches of a model that was exported with a fixed one].
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    #[command(flatten)]
    threads: ThreadsArgs,
}

/// What was written.
#[derive(Serialize)]
pub(crate) struct RunReport {
    file: PathBuf,
    /// Unless the model's inputs were given as they are.
    #[serde(flatten)]
    samples: Option<Samples>,
    seconds: f64,
    tensors: Vec<arrays::Description>,
}

/// What a batch at a time gives.
#[derive(Serialize)]
struct Samples {
    samples: usize,
    samples_per_second: f64,
}

pub(crate) fn run(args: &Args) -> Result<RunReport> {
    let options =
        SessionOptions { taps: args.taps.clone(), threads: args.threads.threads, ..SessionOptions::default() };
    let (model, session) = open_session(&args.model, &options)?;
    if test_data::is_test_data(&args.data.data) {
        return run_whole(args, &session);
    }
    let form = arrays::Form::of(&args.output)?;
    let results = model.outputs().len() + args.taps.len();
    if form == arrays::Form::Npy && results > 1 {
        bail!(
            "{}: a .npy file holds one array, but there are {results} results; write an .npz file",
            args.output.display()
        );
    }
    let samples = args.data.open_for(&model, &args.model, Part::Test)?;
    let batch = args.batch.map_or_else(|| default_batch(&session, BATCH), NonZeroUsize::get);
    check_whole(&session, &args.model, batch, samples.len())?;
    check_output(&args.output, [args.model.as_path(), &args.data.data])?;
    let start = Instant::now();
    let tensors = run_batches(&session, &samples, batch)
        .with_context(|| format!("cannot run {} on {}", args.model.display(), args.data.data.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    onnx_model::write_atomic(&args.output, &form.encode(&tensors)?)?;
    Ok(RunReport {
        file: args.output.clone(),
        samples: Some(Samples { samples: samples.len(), samples_per_second: samples.len() as f64 / seconds }),
        seconds,
        tensors: tensors.iter().map(arrays::Description::of).collect(),
    })
}

/// Runs once on the model's inputs as they are.
fn run_whole(args: &Args, session: &Session) -> Result<RunReport> {
    args.data.refuse_reading_flags("are the model's inputs as they are")?;
    if let Some(batch) = args.batch {
        bail!("--batch {batch} says how many samples run together, but the data are the model's inputs as they are");
    }
    let names: Vec<&str> = session.inputs().map(|(name, _)| name).collect();
    let inputs = test_data::inputs(&args.data.data, &names)?;
    test_data::check_directory(&args.output, &args.data.data)?;
    let start = Instant::now();
    let results = session
        .run_tensors(&inputs)
        .with_context(|| format!("cannot run {} on {}", args.model.display(), args.data.data.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    test_data::write_outputs(&args.output, &results)?;
    let tensors = results.iter().map(arrays::Description::of_tensor).collect();
    Ok(RunReport { file: args.output.clone(), samples: None, seconds, tensors })
}

/// The results for all samples, each tensor once.
fn run_batches(session: &Session, samples: &Dataset, size: usize) -> Result<Vec<NamedTensor>> {
    let names: Vec<&str> = session.inputs().map(|(name, _)| name).collect();
    let bar = progress::bar(Some(samples.len()), "running");
    let mut joined: Vec<arrays::Joiner> = Vec::new();
    for batch in samples.batches(size) {
        let inputs: Vec<_> = names.iter().copied().zip(batch.inputs_for(&names)?).collect();
        let results = session.run_named(&inputs)?;
        joined.resize_with(results.len(), arrays::Joiner::default);
        for (joiner, result) in joined.iter_mut().zip(results) {
            joiner.push(result, batch.len(), samples.len())?;
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let mut tensors: Vec<NamedTensor> = Vec::new();
    for joiner in joined {
        let tensor = joiner.finish()?;
        if tensors.iter().all(|other| other.name != tensor.name) {
            tensors.push(tensor);
        }
    }
    Ok(tensors)
}

impl Report for RunReport {
    fn text(&self) -> String {
        let columns = [Column::Text("Tensor"), Column::Text("Type"), Column::Text("Shape")];
        let rows = self
            .tensors
            .iter()
            .map(|tensor| [tensor.name.clone(), tensor.element_type.clone(), format!("{:?}", tensor.shape)]);
        let table = format::table(columns, rows);
        let (file, seconds) = (self.file.display(), self.seconds);
        match &self.samples {
            None => format!("{table}\nran in {seconds:.3} s\nwrote {file}\n"),
            Some(Samples { samples, samples_per_second }) => {
                let (samples, rate) = (format::count(*samples), format::count(*samples_per_second as usize));
                format!("{table}\n{samples} samples in {seconds:.3} s, {rate} per second\nwrote {file}\n")
            }
        }
    }
}

//! `quantize run`: samples in, results out.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use dataset::{Dataset, Part};
use int8_inference::{NamedTensor, Session, SessionOptions};
use serde::Serialize;

use crate::arrays;
use crate::console::Report;
use crate::data::DataArgs;
use crate::files::{check_output, open_session};
use crate::format::{self, Column};
use crate::progress;
use crate::threads::ThreadsArgs;

/// Runs a float or int8 model on samples and writes its results as NumPy arrays.
///
/// One result goes to a .npy file; several, or taps, to an .npz file with an array for each.
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
    /// File to write, .npy or .npz.
    #[arg(short, long, value_name = "NPY")]
    output: PathBuf,
    /// Further tensor to write, by its name in the graph, integers as integers; may be repeated.
    #[arg(long = "tap", value_name = "TENSOR")]
    taps: Vec<String>,
    /// Samples that run together.
    #[arg(long, value_name = "N", default_value = "256")]
    batch: NonZeroUsize,
    #[command(flatten)]
    threads: ThreadsArgs,
}

/// What was written.
#[derive(Serialize)]
pub(crate) struct RunReport {
    file: PathBuf,
    samples: usize,
    seconds: f64,
    samples_per_second: f64,
    tensors: Vec<arrays::Description>,
}

pub(crate) fn run(args: &Args) -> Result<RunReport> {
    let options =
        SessionOptions { taps: args.taps.clone(), threads: args.threads.threads, ..SessionOptions::default() };
    let (model, session) = open_session(&args.model, &options)?;
    let form = arrays::Form::of(&args.output)?;
    let results = model.outputs().len() + args.taps.len();
    if form == arrays::Form::Npy && results > 1 {
        bail!(
            "{}: a .npy file holds one array, but there are {results} results; write an .npz file",
            args.output.display()
        );
    }
    let samples = args.data.open_for(&model, &args.model, Part::Test)?;
    check_output(&args.output, [args.model.as_path(), &args.data.data])?;
    let start = Instant::now();
    let tensors = run_batches(&session, &samples, args.batch.get())
        .with_context(|| format!("cannot run {} on {}", args.model.display(), args.data.data.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    onnx_model::write_atomic(&args.output, &form.encode(&tensors)?)?;
    Ok(RunReport {
        file: args.output.clone(),
        samples: samples.len(),
        seconds,
        samples_per_second: samples.len() as f64 / seconds,
        tensors: tensors.iter().map(arrays::Description::of).collect(),
    })
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
            .map(|tensor| [tensor.name.clone(), tensor.element_type.to_owned(), format!("{:?}", tensor.shape)]);
        format!(
            "{}\n{} samples in {:.3} s, {} per second\nwrote {}\n",
            format::table(columns, rows),
            format::count(self.samples),
            self.seconds,
            format::count(self.samples_per_second as usize),
            self.file.display()
        )
    }
}

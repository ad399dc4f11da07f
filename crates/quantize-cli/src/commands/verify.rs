//! `quantize verify`: whether this machine computes what the one that emitted the model did.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use dlquantizer::probe::{Probe, RecordedProbe};
use int8_inference::{Isa, Session, SessionOptions};
use onnx_model::Model;
use serde::Serialize;

use crate::console::Report;
use crate::files::{InFile, open_session};
use crate::format::{self, Column};
use crate::progress;

/// Digits of a hash that people compare.
const SHOWN: usize = 16;

/// Computes again, with every kernel of this machine, the hash that `emit` wrote into the model.
///
/// The hash is of the outputs on a fixed input, which the documentation defines; each kernel runs it in several batch sizes and numbers of
/// threads. Exit code 1 means that any run gave another hash; 2 that the file has none, or cannot be read.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize verify digits.int8.onnx
  quantize verify digits.onnx --kernels-only")]
pub(crate) struct Args {
    /// Int8 model that `quantize emit` wrote.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Holds the kernels to each other alone: for models of other tools and float models, which have no hash. Exit code 1 means that they
    /// do not agree.
    #[arg(long)]
    kernels_only: bool,
}

/// The hashes of all runs.
#[derive(Serialize)]
pub(crate) struct VerifyReport {
    file: PathBuf,
    /// What every run has to give: the hash in the file, or without one that of the scalar kernel.
    expected: String,
    /// Whether that is what the file says.
    recorded: bool,
    samples: usize,
    /// The tensors that are hashed.
    outputs: Vec<String>,
    /// Nodes in the float runtime, whose last bits depend on the machine: not covered.
    float_nodes: usize,
    /// Tensors that those nodes make, replaced by fixed inputs.
    replaced: Vec<String>,
    kernels: Vec<KernelReport>,
    verdict: &'static str,
}

/// What one instruction set gave.
#[derive(Serialize)]
struct KernelReport {
    isa: &'static str,
    available: bool,
    runs: Vec<RunReport>,
}

/// One way to run the samples.
#[derive(Serialize)]
struct RunReport {
    threads: usize,
    batch: usize,
    hash: String,
    equal: bool,
}

pub(crate) fn run(args: &Args) -> Result<VerifyReport> {
    let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    let (model, session) = open_session(&args.model, &options)?;
    verify(&args.model, &model, &session, args.kernels_only)
}

/// Runs the probe of `model`, compiled as `session`, in every way; without `kernels_only` its file has to hold a hash.
pub(crate) fn verify(path: &Path, model: &Model, session: &Session, kernels_only: bool) -> Result<VerifyReport> {
    let (probe, recorded) = if kernels_only {
        match Probe::new(model).in_file(path)? {
            Some(probe) => (probe, None),
            None => bail!("{}: the engine itself runs no part of it, so there is nothing to verify", path.display()),
        }
    } else {
        match Probe::recorded(model).in_file(path)? {
            Some(RecordedProbe { probe, hash }) => (probe, Some(hash)),
            None => bail!(
                "{}: it holds no hash to verify; `quantize emit` writes one, or pass --kernels-only to hold the kernels of this machine to each other",
                path.display()
            ),
        }
    };
    let threads = thread_counts();
    // Where samples depend on each other, only all of them together give what was recorded.
    let batches = if session.couples_samples() { vec![probe.samples()] } else { batches(probe.samples()) };
    let available = Isa::ALL.into_iter().filter(|&isa| kernels::with_isa(isa).is_some()).count();
    let bar = progress::bar(Some(available * threads.len() * batches.len()), "verifying");
    let mut kernels = Vec::new();
    for isa in Isa::ALL {
        let mut runs = Vec::new();
        let present = kernels::with_isa(isa).is_some();
        for &threads in threads.iter().filter(|_| present) {
            let options = SessionOptions { threads: Some(threads), isa: Some(isa), ..SessionOptions::default() };
            let session = probe.session(&options).in_file(path)?;
            for &batch in &batches {
                bar.set_message(isa.name());
                let hash = probe.hash(&session, batch).in_file(path)?;
                runs.push(RunReport { threads, batch, hash, equal: false });
                bar.inc(1);
            }
        }
        kernels.push(KernelReport { isa: isa.name(), available: present, runs });
    }
    bar.finish_and_clear();
    // Slowest first, so the first run of all is the definition.
    let definition = kernels.iter().flat_map(|kernel| &kernel.runs).map(|run| run.hash.clone()).next();
    let expected = recorded.clone().or(definition).unwrap_or_default();
    for run in kernels.iter_mut().flat_map(|kernel| &mut kernel.runs) {
        run.equal = run.hash == expected;
    }
    let equal = kernels.iter().flat_map(|kernel| &kernel.runs).all(|run| run.equal);
    kernels.reverse();
    Ok(VerifyReport {
        file: path.to_owned(),
        expected,
        recorded: recorded.is_some(),
        samples: probe.samples(),
        outputs: probe.outputs().to_vec(),
        float_nodes: session.boundary().float_nodes,
        replaced: probe.replaced().map(str::to_owned).collect(),
        kernels,
        verdict: if equal { "pass" } else { "fail" },
    })
}

/// One, two and as many as there are cores.
fn thread_counts() -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 2 { vec![1, 2, cores] } else { vec![1, 2] }
}

/// Each sample alone, few, many, all.
fn batches(samples: usize) -> Vec<usize> {
    let mut batches = vec![1, 7, 64];
    batches.retain(|&batch| batch < samples);
    batches.push(samples);
    batches
}

impl VerifyReport {
    fn runs(&self) -> impl Iterator<Item = &RunReport> {
        self.kernels.iter().flat_map(|kernel| &kernel.runs)
    }

    fn conclusion(&self) -> String {
        let count = self.runs().count();
        let different = self.runs().filter(|run| !run.equal).count();
        let one_hash = self.runs().all(|run| Some(&run.hash) == self.runs().next().map(|first| &first.hash));
        match (different, self.recorded) {
            (0, true) => format!("pass: all {count} runs give the hash recorded at emission"),
            (0, false) => {
                format!("pass: all {count} runs agree; nothing is said about other machines, as no hash was compared")
            }
            (_, true) if one_hash => format!(
                "fail: all {count} runs agree with each other, but not with the hash recorded at emission, {}: the file was changed afterwards, \
                 or written by a version that computes otherwise",
                shown(&self.expected)
            ),
            _ => format!("fail: {different} of {count} runs differ from {}", shown(&self.expected)),
        }
    }

    fn coverage(&self) -> String {
        let outputs = self.outputs.join(", ");
        match (self.float_nodes, self.replaced.len()) {
            (0, _) => format!("hashed on {} samples: {outputs}", self.samples),
            (nodes, 0) => format!(
                "hashed on {} samples: {outputs}; not covered: {nodes} nodes behind it in the float runtime, whose last bits depend on the machine",
                self.samples
            ),
            (nodes, _) => format!(
                "hashed on {} samples: {outputs}; not covered: {nodes} nodes in the float runtime, whose last bits depend on the machine; \
                 fixed inputs in place of what they make: {}",
                self.samples,
                self.replaced.join(", ")
            ),
        }
    }
}

impl Report for VerifyReport {
    fn text(&self) -> String {
        let columns = [
            Column::Text("Kernel"),
            Column::Text("Threads"),
            Column::Text("Batches of"),
            Column::Text("Hash of the Outputs"),
            Column::Text("Result"),
        ];
        let mut rows = Vec::new();
        for kernel in &self.kernels {
            if !kernel.available {
                let missing = "not on this machine".to_owned();
                rows.push([kernel.isa.to_owned(), String::new(), String::new(), String::new(), missing]);
            }
            // One row for all that is equal, one for each run that is not.
            let (equal, different): (Vec<_>, Vec<_>) = kernel.runs.iter().partition(|run| run.equal);
            let groups = std::iter::once(equal).chain(different.into_iter().map(|run| vec![run]));
            for group in groups.filter(|group| !group.is_empty()) {
                rows.push([
                    kernel.isa.to_owned(),
                    distinct(group.iter().map(|run| run.threads)),
                    distinct(group.iter().map(|run| run.batch)),
                    group.first().map_or_else(String::new, |run| shown(&run.hash)),
                    match (group.iter().all(|run| run.equal), self.recorded) {
                        (true, true) => "as recorded".to_owned(),
                        (true, false) => "as scalar".to_owned(),
                        (false, _) => "DIFFERENT".to_owned(),
                    },
                ]);
            }
        }
        format!("{}\n{}\n{}\n", format::table(columns, rows), self.coverage(), self.conclusion())
    }

    fn passed(&self) -> bool {
        self.runs().all(|run| run.equal)
    }
}

fn shown(hash: &str) -> String {
    hash.chars().take(SHOWN).collect()
}

/// The numbers, ascending and each once.
fn distinct(numbers: impl Iterator<Item = usize>) -> String {
    let numbers: std::collections::BTreeSet<usize> = numbers.collect();
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

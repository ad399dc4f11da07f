//! Training speed and memory: every side in a process of its own, on the same samples, in turns.

mod ours;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

pub(crate) use self::ours::{Ours, train_ours};
use crate::python::{self, Python};
use crate::workspace::Workspace;

/// As many as Fashion-MNIST has.
const SAMPLES: usize = 60_000;

/// Epochs of each turn, and turns of each side; a side's times are those of all its epochs.
const EPOCHS: usize = 3;
const TURNS: usize = 5;

const BATCH: usize = 128;

/// How long, and on how many threads.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Numbers of threads, a table for each.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u8).range(1..))]
    threads: Vec<u8>,
    /// Directory with `train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz` of Fashion-MNIST; without it the samples shipped here
    /// are repeated, with noise.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
}

/// What a side tells of a turn.
#[derive(Deserialize, Serialize)]
pub(crate) struct Turn {
    /// Of each epoch.
    seconds: Vec<f64>,
    /// Over the last epoch.
    loss: f64,
    /// Memory at most, above what there was before the training.
    bytes: u64,
}

struct Side {
    name: &'static str,
    /// `None` for us.
    script: Option<&'static str>,
    seconds: Vec<f64>,
    loss: f64,
    bytes: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let files = workspace.target.join("peers");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let python = Python::installed(&workspace, "benches/peers/training")?;
    let (directory, part) = match &args.data {
        Some(directory) => (directory.clone(), "train"),
        None => (workspace.root.join("calibration-data/fashion-mnist"), "calibration"),
    };
    let samples = files.join("training.npy");
    let [images, labels] = ["images-idx3", "labels-idx1"].map(|what| directory.join(format!("{part}-{what}-ubyte.gz")));
    let count = SAMPLES.to_string();
    python.run("inputs.py", [Path::new(&count), &images, &labels, &samples.with_extension("")])?;

    for &threads in &args.threads {
        let mut sides = [
            Side::new("quantize", None),
            Side::new("PyTorch, fused Adam", Some("train_pytorch.py")),
            Side::new("scikit-learn", Some("train_scikit_learn.py")),
        ];
        for _ in 0..TURNS {
            for side in &mut sides {
                let turn = side.turn(&python, &samples, threads)?;
                side.seconds.extend(turn.seconds);
                side.loss = turn.loss;
                side.bytes = side.bytes.max(turn.bytes);
            }
        }
        println!("{}\n", table(&mut sides, threads));
    }
    println!(
        "{SAMPLES} samples, batches of {BATCH}, {TURNS} turns of {EPOCHS} epochs; {}",
        python.packages().join(", ")
    );
    Ok(())
}

impl Side {
    fn new(name: &'static str, script: Option<&'static str>) -> Self {
        Self { name, script, seconds: Vec::new(), loss: f64::NAN, bytes: 0 }
    }

    fn turn(&self, python: &Python, samples: &Path, threads: u8) -> Result<Turn> {
        let (epochs, batch, threads) = (EPOCHS.to_string(), BATCH.to_string(), threads.to_string());
        let Some(script) = self.script else {
            let this = env::current_exe().context("where this program is")?;
            let settings = ["--epochs", &epochs, "--batch", &batch, "--threads", &threads];
            let answer = python::run(Command::new(this).arg("train-ours").args(settings).arg(samples))?;
            return serde_json::from_slice(&answer).context("what our side answers");
        };
        let labels = samples.with_extension("labels.npy");
        python.ask(script, [samples, &labels, epochs.as_ref(), batch.as_ref(), threads.as_ref()])
    }

    /// The least and the median time of an epoch.
    fn times(&mut self) -> (f64, f64) {
        self.seconds.sort_by(f64::total_cmp);
        (self.seconds[0], self.seconds[self.seconds.len() / 2])
    }
}

fn table(sides: &mut [Side], threads: u8) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let title = format!("784-512-256-10, Adam, {threads} thread{}", if threads == 1 { "" } else { "s" });
    table
        .set_header([&title, "s per epoch", "median", "times ours", "memory above the data", "loss"].map(String::from));
    let (ours, ours_median) = sides[0].times();
    for side in sides {
        let (least, median) = side.times();
        let times = format!("{:.2} ({:.2})", least / ours, median / ours_median);
        let memory = format!("{} MB", side.bytes / 1_000_000);
        let loss = format!("{:.3}", side.loss);
        table.add_row([side.name.to_owned(), format!("{least:.2}"), format!("{median:.2}"), times, memory, loss]);
    }
    table
}

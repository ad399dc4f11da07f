//! Our side, in a process of its own so that its memory can be told.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use dataset::{Dataset, OpenOptions, Part};
use trainer::{TrainConfig, Trainer};

use super::Turn;

/// What to train on, and how.
#[derive(clap::Args)]
pub(crate) struct Ours {
    #[arg(long)]
    epochs: usize,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    threads: usize,
    samples: PathBuf,
}

/// Trains and prints a [`Turn`].
pub(crate) fn train_ours(args: &Ours) -> Result<()> {
    let Ours { epochs, batch, threads, samples } = args;
    let data = Dataset::open(samples, &OpenOptions::new(Part::Train))?;
    let config = TrainConfig::from_toml(&format!(
        r#"
        seed = 1
        epochs = {epochs}
        batch_size = {batch}
        normalize = "none"
        optimizer = {{ kind = "adam", learning_rate = 1e-3 }}
        layer = [
            {{ kind = "dense", name = "fc1", units = 512, activation = "relu" }},
            {{ kind = "dense", name = "fc2", units = 256, activation = "relu" }},
            {{ kind = "dense", name = "fc3" }},
        ]
        "#
    ))?;
    // Reading the data may have taken more than the training does: the peak is counted from here (proc(5), /proc/pid/clear_refs).
    fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs")?;
    let before = memory("VmRSS:")?;
    let (mut start, mut turn) = (Instant::now(), Turn { seconds: Vec::new(), loss: f64::NAN, bytes: 0 });
    Trainer::new(config)?.threads(*threads).fit(&data, |progress| {
        if progress.epoch_done() {
            turn.seconds.push(start.elapsed().as_secs_f64());
            turn.loss = progress.training.loss;
            start = Instant::now();
        }
    })?;
    turn.bytes = memory("VmHWM:")?.saturating_sub(before);
    println!("{}", serde_json::to_string(&turn)?);
    Ok(())
}

/// A line of what Linux knows of this process, in bytes.
fn memory(line: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("the memory of a process is known on Linux alone")?;
    let found = status.lines().find_map(|text| text.strip_prefix(line)).and_then(|text| text.split_whitespace().next());
    let kilobytes: u64 = found.with_context(|| format!("no {line}"))?.parse()?;
    Ok(1024 * kilobytes)
}

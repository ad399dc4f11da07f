//! `quantize calibrate`: the dynamic ranges of a model's tensors over samples.

mod interrupted;
mod table;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use dataset::{Dataset, Part, Shard};
use dlquantizer::{Calibrator, Check, FloatModel, RangeMethod};
use serde::Serialize;

pub(crate) use self::table::{TensorReport, bound, csv, exact, kind_name, ranges};

use self::interrupted::Interrupted;
use crate::console::{Report, warn};
use crate::data::{DataArgs, Pieces};
use crate::files::{check_output, open_float};
use crate::format::{self, Column};
use crate::progress;
use crate::threads::ThreadsArgs;

/// Growth of a range that counts as none, in per cent of its width.
const CONVERGED_PERCENT: f64 = 5.0;

/// Samples from which half of them are enough to be looked at.
const FEWEST_TO_CONVERGE: u64 = 512;

/// Bytes of samples that are read together, so that large images are read one by one.
const PIECE_BYTES: usize = 16 << 20;

/// Collects the ranges of all weights, biases and activations of a float model in one pass over samples.
///
/// Memory does not grow with the number of samples; order, batch size and threads do not change a byte of the result.
///
/// Ctrl-C writes a checkpoint beside the output, and the same command goes on from there. Exit code 1: `--check` found something.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  quantize calibrate digits.onnx --data calibration-data/digits -o digits.calibration.json
  quantize calibrate digits.onnx --data calibration-data/digits --shard 1/2 -o part1.calibration.json
  quantize calibrate digits.onnx --data calibration-data/digits --shard 2/2 -o part2.calibration.json")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Calibration file to write.
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,
    /// Sees only every COUNT-th sample, from the INDEX-th on; `quantize merge` puts the shards together.
    #[arg(long, value_name = "INDEX/COUNT", default_value_t = Shard::ALL)]
    shard: Shard,
    /// Stops when no range has grown by more than so many per cent since half as many samples.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "5", value_parser = percent)]
    until_stable: Option<f64>,
    /// Writes a checkpoint after every so many samples; after a crash the same command goes on from it.
    #[arg(long, value_name = "SAMPLES")]
    checkpoint_every: Option<NonZeroU64>,
    /// Shows how far halves of the samples agree, and fails with exit code 1 if something about the samples is wrong.
    #[arg(long)]
    check: bool,
    /// Prints the ranges as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// How the samples go through the model.
#[derive(clap::Args)]
pub(crate) struct WorkArgs {
    /// Samples read together, fewer of large ones.
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
    /// Those that a checkpoint had seen before.
    resumed_after: u64,
    seconds: f64,
    samples_per_second: f64,
    state_bytes: usize,
    memory_bytes: usize,
    /// Samples, at least 256, after which no range grew by more than 5 % of its width.
    converged_after: Option<u64>,
    stopped_early: bool,
    check: Check,
    tensors: Vec<TensorReport>,
    /// Whether it is printed as CSV.
    #[serde(skip)]
    csv: bool,
    /// Whether it shows how far halves of the samples agree, and findings fail it.
    #[serde(skip)]
    gate: bool,
}

/// What is to be calibrated, besides the samples.
pub(crate) struct Job<'a> {
    pub(crate) model: &'a FloatModel,
    pub(crate) work: &'a WorkArgs,
    pub(crate) output: &'a Path,
    shard: Shard,
    until_stable: Option<f64>,
    checkpoint_every: Option<NonZeroU64>,
    /// What tells this run from another one, for its checkpoint.
    run: &'a dyn Fn() -> Result<String>,
}

impl<'a> Job<'a> {
    /// All of the samples.
    pub(crate) fn new(model: &'a FloatModel, work: &'a WorkArgs, output: &'a Path) -> Self {
        Self {
            model,
            work,
            output,
            shard: Shard::ALL,
            until_stable: None,
            checkpoint_every: None,
            run: &|| Ok(String::new()),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<CalibrateReport> {
    let model = open_float(&args.model)?;
    let mut pieces = args.data.stream(Part::Calibration, args.shard)?;
    check_output(&args.output, [args.model.as_path(), &args.data.data])?;
    let stable = args.until_stable.map(|percent| format!(" --until-stable {percent}")).unwrap_or_default();
    let job = Job {
        shard: args.shard,
        until_stable: args.until_stable,
        checkpoint_every: args.checkpoint_every,
        run: &|| Ok(format!("{} --shard {}{stable}", args.data.describe()?, args.shard)),
        ..Job::new(&model, &args.work, &args.output)
    };
    let mut report = calibrate(&job, &mut pieces)
        .with_context(|| format!("cannot calibrate {} on {}", args.model.display(), args.data.data.display()))?;
    (report.csv, report.gate) = (args.csv, args.check);
    Ok(report)
}

/// Runs the samples piece by piece through the model and writes the calibration.
pub(crate) fn calibrate(job: &Job<'_>, pieces: &mut Pieces) -> Result<CalibrateReport> {
    let mut calibrator = Calibrator::with_threads(job.model, job.work.threads.threads)?;
    if let Some(percent) = job.until_stable {
        calibrator = calibrator.until_stable(percent / 100.0);
    }
    let mut interrupted = Interrupted::new(job.output, job.checkpoint_every, job.run)?;
    calibrator = interrupted.resume(calibrator, pieces)?;
    let resumed_after = calibrator.samples();
    let start = Instant::now();
    let bar = progress::bar(pieces.len(), "calibrating");
    bar.inc(resumed_after);
    let mut memory_bytes = None;
    // The first sample tells how large samples are.
    let mut together = 1;
    while !calibrator.is_stable()
        && let Some(piece) = pieces.next(together)?
    {
        let piece = job.model.adapt(piece)?;
        let sample_bytes = bytes_per_sample(&piece);
        together = (PIECE_BYTES / sample_bytes.max(1)).clamp(1, job.work.batch.get());
        for batch in piece.batches(together) {
            if memory_bytes.is_none() {
                // Samples as they are read, and in the form that the model takes.
                let bound = calibrator.memory_bound(&batch)?.saturating_add(2 * together * sample_bytes);
                bar.suspend(|| progress::announce(&announcement(bound)));
                memory_bytes = Some(bound);
            }
            calibrator.observe(&batch)?;
            bar.inc(batch.len() as u64);
        }
        interrupted.look(&mut calibrator, pieces)?;
    }
    bar.finish_and_clear();
    if calibrator.samples() == 0 && job.shard != Shard::ALL {
        bail!("there are no samples in shard {}; divide them into fewer shards", job.shard);
    }
    let stopped_early = calibrator.is_stable();
    let state_bytes = calibrator.state_bytes();
    let converged_after = calibrator.converged_after(CONVERGED_PERCENT / 100.0)?;
    let calibration = calibrator.finish_shard(job.shard)?;
    let seconds = start.elapsed().as_secs_f64();
    calibration.save(job.output)?;
    interrupted.done();
    let check = Check::of(job.model, &calibration)?;
    check.findings.iter().for_each(|finding| warn(&finding.to_string()));
    Ok(CalibrateReport {
        file: job.output.to_owned(),
        samples: calibration.samples(),
        resumed_after,
        seconds,
        samples_per_second: (calibration.samples() - resumed_after) as f64 / seconds,
        state_bytes,
        memory_bytes: memory_bytes.unwrap_or(state_bytes),
        converged_after,
        stopped_early,
        check,
        tensors: calibration.tensors().iter().map(|tensor| TensorReport::of(tensor, RangeMethod::MinMax)).collect(),
        csv: false,
        gate: false,
    })
}

fn bytes_per_sample(samples: &Dataset) -> usize {
    let values: usize = samples.inputs().iter().map(|input| input.samples.len()).sum();
    size_of::<f32>() * values / samples.len().max(1)
}

fn announcement(bound: usize) -> String {
    format!("calibrating takes at most {} beside the model, for any number of samples", format::bytes(bound))
}

/// A part of a whole, in per cent.
fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("not a number of per cent, above 0 and at most 100".to_owned()),
    }
}

impl Report for CalibrateReport {
    fn text(&self) -> String {
        match (self.csv, self.gate) {
            (true, _) => csv(&self.tensors),
            (false, false) => format!("{}\n{}", ranges(&self.tensors), self.summary()),
            (false, true) => format!("{}\n{}\n{}", ranges(&self.tensors), agreement(&self.check), self.summary()),
        }
    }

    fn passed(&self) -> bool {
        !self.gate || self.check.findings.is_empty()
    }
}

impl CalibrateReport {
    fn summary(&self) -> String {
        let resumed = match self.resumed_after {
            0 => String::new(),
            samples => format!(" ({} of them before an interruption)", format::count(samples as usize)),
        };
        let converged = match (self.stopped_early, self.converged_after) {
            (true, _) => "stopped, because the ranges have stopped growing".to_owned(),
            (false, Some(samples)) if samples <= self.samples / 2 => {
                format!("ranges converged to {CONVERGED_PERCENT} % after {} samples", format::count(samples as usize))
            }
            (false, _) if self.samples < FEWEST_TO_CONVERGE => {
                format!("whether ranges have converged shows from {FEWEST_TO_CONVERGE} samples on")
            }
            (false, _) => format!("ranges grew by more than {CONVERGED_PERCENT} % in the second half of the samples"),
        };
        let novelty = &self.check.novelty;
        let share = |share: f64| format!("{} %", format::real(100.0 * share));
        format!(
            "{} samples{resumed} in {:.3} s, {} per second, memory of at most {}\n{converged}; with 95 % confidence at most {} of new samples go \
             beyond the upper end of a range, {} beyond either end\nwrote {}\n",
            format::count(self.samples as usize),
            self.seconds,
            format::count(self.samples_per_second as usize),
            format::bytes(self.memory_bytes),
            share(novelty.one_end),
            share(novelty.either_end),
            self.file.display()
        )
    }
}

/// How far two halves of the samples agree.
fn agreement(check: &Check) -> String {
    let columns = [
        Column::Text("Activation"),
        Column::Text("Layer"),
        Column::Number("Halves Apart, MinMax [%]"),
        Column::Number("Percentile 99.99 [%]"),
    ];
    let rows = check.stability.iter().map(|stability| {
        [
            stability.tensor.clone(),
            stability.layer.clone(),
            format!("{:.2}", stability.minmax_percent),
            format!("{:.2}", stability.percentile_percent),
        ]
    });
    format::table(columns, rows)
}

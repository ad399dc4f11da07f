//! `quantize runs`: several trainings side by side.

mod axis;
mod chart;
mod collected;
mod page;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use crate::console::Report;
use crate::files::check_output;
use crate::format::{self, Column};
use collected::{Difference, Run};

/// Compares trainings by what they wrote to their run directories: figures, settings that differ, and curves.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize runs runs --html runs.html")]
pub(crate) struct Args {
    /// Directories given to `train --run-dir`, or directories that hold such.
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Writes tables and curves as one HTML file that needs no other.
    #[arg(long, value_name = "HTML")]
    html: Option<PathBuf>,
    /// Writes the curves as an SVG image.
    #[arg(long, value_name = "SVG")]
    svg: Option<PathBuf>,
    /// Metric to draw, such as loss, or a group of them, such as gradient_norm; may be repeated
    /// [default: loss, accuracy and learning_rate].
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
}

/// Trainings side by side.
#[derive(Serialize)]
pub(crate) struct RunsReport {
    runs: Vec<RunSummary>,
    /// Settings of the configurations that are not the same in all runs.
    differences: Vec<Difference>,
    html: Option<PathBuf>,
    svg: Option<PathBuf>,
}

/// One training. Accuracies are in per cent.
#[derive(Serialize)]
struct RunSummary {
    name: String,
    directory: PathBuf,
    /// Whether it came to its end; unknown if it was stopped before it told.
    finished: bool,
    epochs: u64,
    epochs_planned: Option<u64>,
    seconds: f64,
    parameters: Option<usize>,
    samples: Option<usize>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    metrics: Vec<MetricSummary>,
}

/// The course of one metric; `null` where it was not finite.
#[derive(Serialize)]
struct MetricSummary {
    name: String,
    last: Option<f64>,
    /// The highest accuracy, the lowest of anything else, and when it was reached first.
    best: Option<f64>,
    best_epoch: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Result<RunsReport> {
    let runs = collected::collect(&args.directories)?;
    let metrics = chart::chosen(&runs, &args.metrics).map_err(|reason| anyhow!("--metric: {reason}"))?;
    let outputs = [&args.html, &args.svg];
    if args.html.is_some() && args.html == args.svg {
        bail!("--html and --svg name the same file");
    }
    for output in outputs.into_iter().flatten() {
        check_output(output, [])?;
    }
    let report = RunsReport {
        differences: collected::differences(&runs),
        html: args.html.clone(),
        svg: args.svg.clone(),
        runs: runs.iter().map(RunSummary::of).collect(),
    };
    if outputs.iter().any(|output| output.is_some()) {
        let svg = chart::svg(&runs, &metrics);
        if let Some(path) = &args.svg {
            onnx_model::write_atomic(path, svg.as_bytes())?;
        }
        if let Some(path) = &args.html {
            onnx_model::write_atomic(path, page::html(&report, &svg).as_bytes())?;
        }
    }
    Ok(report)
}

impl RunSummary {
    fn of(run: &Run) -> Self {
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in run.records.iter().flat_map(|record| &record.scalars) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self {
            name: run.name.clone(),
            directory: run.directory.clone(),
            finished: run.info.as_ref().is_some_and(|info| info.finished),
            epochs: run.epochs(),
            epochs_planned: run.planned,
            seconds: run.seconds(),
            parameters: run.info.as_ref().map(|info| info.parameters),
            samples: run.info.as_ref().map(|info| info.samples),
            test_loss: run.info.as_ref().and_then(|info| info.test_loss),
            test_accuracy: run.info.as_ref().and_then(|info| info.test_accuracy),
            metrics: names.into_iter().map(|name| MetricSummary::of(run, name)).collect(),
        }
    }

    fn metric(&self, name: &str) -> Option<&MetricSummary> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

impl MetricSummary {
    fn of(run: &Run, name: &str) -> Self {
        let finite = |value: &f64| value.is_finite();
        let mut best: Option<(f64, u64)> = None;
        for record in &run.records {
            let Some(value) = record.scalar(name).filter(finite) else { continue };
            let better = |(best, _)| if is_gain(name) { value > best } else { value < best };
            if best.is_none_or(better) {
                best = Some((value, record.epoch));
            }
        }
        Self {
            name: name.to_owned(),
            last: run.records.last().and_then(|record| record.scalar(name)).filter(finite),
            best: best.map(|(value, _)| value),
            best_epoch: best.map(|(_, epoch)| epoch),
        }
    }
}

/// Whether more of a metric is better.
fn is_gain(name: &str) -> bool {
    name.ends_with("accuracy") || name.ends_with("r_squared")
}

const HEADER: [&str; 9] =
    ["Run", "Epochs", "Seconds", "Parameters", "Loss", "Accuracy", "Best val. loss", "Best val. accuracy", "Test"];

/// The figures of a run under [`HEADER`].
fn cells(run: &RunSummary) -> [String; 9] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let last = |name: &str| run.metric(name).and_then(|metric| metric.last);
    let best = |name: &str, show: fn(f64) -> String| {
        run.metric(name).and_then(|metric| Some(format!("{} @{}", show(metric.best?), metric.best_epoch?)))
    };
    let epochs = match (run.finished, run.epochs_planned) {
        (false, Some(planned)) => format!("{} of {planned}", run.epochs),
        _ => run.epochs.to_string(),
    };
    [
        run.name.clone(),
        epochs,
        format!("{:.1}", run.seconds),
        or_dash(run.parameters.map(format::count)),
        or_dash(last("loss").map(format::real)),
        or_dash(last("accuracy").map(format::percent)),
        or_dash(best("validation_loss", format::real)),
        or_dash(best("validation_accuracy", format::percent)),
        or_dash(match (run.test_accuracy, run.test_loss) {
            (Some(accuracy), _) => Some(format::percent(accuracy)),
            (None, loss) => loss.map(|loss| format!("loss {}", format::real(loss))),
        }),
    ]
}

impl Report for RunsReport {
    fn text(&self) -> String {
        let mut columns = HEADER.map(Column::Number);
        columns[0] = Column::Text(HEADER[0]);
        let mut text = format::table(columns, self.runs.iter().map(cells));
        if !self.differences.is_empty() {
            text += "\nSettings that differ\n";
            text += &format::table(
                [Column::Text("Setting"), Column::Text("Value"), Column::Text("Runs")],
                self.differences.iter().flat_map(|difference| self.values(difference)),
            );
        }
        let written: Vec<_> = [&self.html, &self.svg].into_iter().flatten().collect();
        if !written.is_empty() {
            text.push('\n');
        }
        for path in written {
            text += &format!("wrote {}\n", path.display());
        }
        text
    }
}

impl RunsReport {
    /// A row for each value a setting has, with the runs that have it.
    fn values(&self, difference: &Difference) -> Vec<[String; 3]> {
        let mut rows: Vec<[String; 3]> = Vec::new();
        for (run, value) in self.runs.iter().zip(&difference.values) {
            let value = value.clone().unwrap_or_else(|| "left out".to_owned());
            match rows.iter_mut().find(|[_, known, _]| *known == value) {
                Some([_, _, names]) => *names += &format!(", {}", run.name),
                None => {
                    let setting = if rows.is_empty() { difference.setting.clone() } else { String::new() };
                    rows.push([setting, value, run.name.clone()]);
                }
            }
        }
        rows
    }
}

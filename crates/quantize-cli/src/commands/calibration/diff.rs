//! `quantize calibration diff`: two calibrations side by side.

use std::path::PathBuf;

use anyhow::{Result, bail};
use dlquantizer::{Calibration, TensorRecord};
use serde::Serialize;

use crate::commands::calibrate::{bound, exact};
use crate::console::Report;
use crate::format::{self, Column};

/// Shows how far the ranges of two calibrations are apart, tensor by tensor.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize calibration diff part1.calibration.json part2.calibration.json")]
pub(crate) struct Args {
    /// Calibration file.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Calibration file to compare with it.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Prints the differences as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// How far two calibrations are apart.
#[derive(Serialize)]
pub(crate) struct DiffReport {
    a: PathBuf,
    b: PathBuf,
    /// Whether the files hold the very same.
    equal: bool,
    same_model: bool,
    samples: [u64; 2],
    tensors: Vec<TensorDiff>,
    /// Tensors that only the one or only the other has.
    only_a: Vec<String>,
    only_b: Vec<String>,
    #[serde(skip)]
    csv: bool,
}

/// The ranges of one tensor in both.
#[derive(Serialize)]
struct TensorDiff {
    name: String,
    layer: String,
    min: [Option<f32>; 2],
    max: [Option<f32>; 2],
    /// The larger of the differences of both ends, in per cent of the width of the wider range.
    percent: f64,
    /// Whether all statistics are the same.
    equal: bool,
}

pub(crate) fn run(args: &Args) -> Result<DiffReport> {
    let (a, b) = (Calibration::load(&args.a)?, Calibration::load(&args.b)?);
    let only = |these: &Calibration, those: &Calibration| -> Vec<String> {
        let names = these.tensors().iter().map(|tensor| &tensor.name);
        names.filter(|name| those.tensor(name).is_none()).cloned().collect()
    };
    let pairs = a.tensors().iter().filter_map(|tensor| Some((tensor, b.tensor(&tensor.name)?)));
    let tensors: Vec<TensorDiff> = pairs.map(|(a, b)| TensorDiff::of(a, b)).collect();
    if tensors.is_empty() {
        bail!("{} and {} have no tensor in common; they are of different networks", args.a.display(), args.b.display());
    }
    Ok(DiffReport {
        a: args.a.clone(),
        b: args.b.clone(),
        equal: a == b,
        same_model: a.model_digest() == b.model_digest(),
        samples: [a.samples(), b.samples()],
        tensors,
        only_a: only(&a, &b),
        only_b: only(&b, &a),
        csv: args.csv,
    })
}

impl TensorDiff {
    fn of(a: &TensorRecord, b: &TensorRecord) -> Self {
        let ends = |record: &TensorRecord| [record.statistics.min(), record.statistics.max()];
        let [a_min, a_max] = ends(a);
        let [b_min, b_max] = ends(b);
        let apart = |a: Option<f32>, b: Option<f32>| (f64::from(a.unwrap_or(0.0)) - f64::from(b.unwrap_or(0.0))).abs();
        // Ranges hold 0, so a tensor of one value has a width as well.
        let width = |min: Option<f32>, max: Option<f32>| {
            f64::from(max.unwrap_or(0.0).max(0.0)) - f64::from(min.unwrap_or(0.0).min(0.0))
        };
        let width = width(a_min, a_max).max(width(b_min, b_max));
        let difference = apart(a_min, b_min).max(apart(a_max, b_max));
        Self {
            name: a.name.clone(),
            layer: a.layer.clone(),
            min: [a_min, b_min],
            max: [a_max, b_max],
            percent: if difference == 0.0 { 0.0 } else { 100.0 * difference / width },
            equal: a == b,
        }
    }
}

impl Report for DiffReport {
    fn text(&self) -> String {
        if self.csv {
            let columns = ["Tensor", "Layer", "MinValue A", "MaxValue A", "MinValue B", "MaxValue B", "Difference [%]"];
            let row = |tensor: &TensorDiff| {
                let [a_min, b_min] = tensor.min.map(exact);
                let [a_max, b_max] = tensor.max.map(exact);
                [tensor.name.clone(), tensor.layer.clone(), a_min, a_max, b_min, b_max, tensor.percent.to_string()]
            };
            return format::csv(columns, self.tensors.iter().map(row));
        }
        let columns = [
            Column::Text("Tensor"),
            Column::Text("Layer"),
            Column::Number("MinValue A"),
            Column::Number("MaxValue A"),
            Column::Number("MinValue B"),
            Column::Number("MaxValue B"),
            Column::Number("Difference [%]"),
        ];
        let row = |tensor: &TensorDiff| {
            let percent = if tensor.equal { "same".to_owned() } else { format!("{:.2}", tensor.percent) };
            let [a_min, b_min] = tensor.min.map(bound);
            let [a_max, b_max] = tensor.max.map(bound);
            [tensor.name.clone(), tensor.layer.clone(), a_min, a_max, b_min, b_max, percent]
        };
        let mut text = format::table(columns, self.tensors.iter().map(row));
        text.push('\n');
        for (file, names) in [(&self.a, &self.only_a), (&self.b, &self.only_b)] {
            if !names.is_empty() {
                text.push_str(&format!("only in {}: {}\n", file.display(), names.join(", ")));
            }
        }
        let [a, b] = self.samples.map(|samples| format::count(samples as usize));
        let verdict = match (self.equal, self.same_model) {
            (true, _) => "the calibrations are equal",
            (false, true) => "the calibrations are of one model and differ",
            (false, false) => "the calibrations are of different models",
        };
        text.push_str(&format!("A has {a} samples, B {b}; {verdict}\n"));
        text
    }
}

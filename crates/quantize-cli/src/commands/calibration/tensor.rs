//! `quantize calibration show FILE TENSOR`: everything a calibration file knows of one tensor.

use anyhow::{Result, bail};
use dlquantizer::{Calibration, QuantParams, RangeMethod, TensorRecord};
use serde::Serialize;

use super::show::Args;
use crate::commands::calibrate::{TensorReport, bound, kind_name};
use crate::console::Report;
use crate::format::{self, Column};
use crate::histogram;

/// A tensor of a calibration.
#[derive(Serialize)]
pub(crate) struct ShowTensorReport {
    #[serde(flatten)]
    tensor: TensorReport,
    ranges: Vec<MethodReport>,
    #[serde(skip)]
    text: String,
}

/// What a method makes of the tensor.
#[derive(Serialize)]
struct MethodReport {
    method: RangeMethod,
    min: f32,
    max: f32,
    params: QuantParams,
}

pub(crate) fn report(args: &Args, name: &str) -> Result<ShowTensorReport> {
    let calibration = Calibration::load(&args.file)?;
    let Some(record) = calibration.tensor(name) else {
        let names: Vec<&str> = calibration.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
        bail!("{}: there is no tensor \"{name}\"; there are \"{}\"", args.file.display(), names.join("\", \""));
    };
    let ranges: Vec<MethodReport> =
        methods(args.range).into_iter().filter_map(|method| MethodReport::of(record, method)).collect();
    let text = text(record, args.range, &ranges);
    Ok(ShowTensorReport { tensor: TensorReport::of(record, args.range), ranges, text })
}

/// All methods, the chosen one among them.
fn methods(chosen: RangeMethod) -> Vec<RangeMethod> {
    let mut methods = RangeMethod::ALL.to_vec();
    if !methods.contains(&chosen) {
        methods.push(chosen);
    }
    methods
}

impl MethodReport {
    fn of(record: &TensorRecord, method: RangeMethod) -> Option<Self> {
        let params = histogram::params(record, method)?;
        Some(Self { method, min: params.range().min(), max: params.range().max(), params })
    }
}

fn text(record: &TensorRecord, method: RangeMethod, ranges: &[MethodReport]) -> String {
    let statistics = &record.statistics;
    let mean = statistics.mean().map_or_else(String::new, format::real);
    let count = |count: u64| format::count(count as usize);
    let mut text = format::pairs([
        ("tensor", record.name.clone()),
        ("is", format!("{} of {} ({})", kind_name(record.kind), record.layer, record.network_layer)),
        ("values", count(statistics.count())),
        ("zeros", count(statistics.zeros())),
        ("NaN, infinite", format!("{}, {}", count(statistics.nans()), count(statistics.infs()))),
        ("smallest", bound(statistics.min())),
        ("largest", bound(statistics.max())),
        ("mean", mean),
        ("standard deviation", statistics.std_dev().map_or_else(String::new, format::real)),
        ("median", bound(statistics.quantile(0.5))),
    ]);
    if let Some(channels) = &record.channels {
        let width =
            |channel: &usize| channels.max(*channel).zip(channels.min(*channel)).map_or(0.0, |(max, min)| max - min);
        let widest = (0..channels.len()).max_by(|a, b| width(a).total_cmp(&width(b))).unwrap_or(0);
        let still = (0..channels.len()).filter(|channel| width(channel) == 0.0).count();
        text.push_str(&format!(
            "\n{} channels, {} of them with one value only; the widest is channel {widest}, from {} to {}\n",
            channels.len(),
            still,
            bound(channels.min(widest)),
            bound(channels.max(widest))
        ));
    }
    if !ranges.is_empty() {
        let columns = [
            Column::Text("Range"),
            Column::Number("Min"),
            Column::Number("Max"),
            Column::Number("Scale"),
            Column::Number("Zero Point"),
        ];
        let rows = ranges.iter().map(|range| {
            [
                method_name(range.method),
                format::real(range.min.into()),
                format::real(range.max.into()),
                format::real(range.params.scale.into()),
                range.params.zero_point.to_string(),
            ]
        });
        text.push_str(&format!("\n{}", format::table(columns, rows)));
    }
    text.push_str(&format!("\nValues by size, in the range {}:\n", method_name(method)));
    text.push_str(&histogram::lines(&histogram::octaves(record, method)));
    text
}

/// The name that recipes use.
fn method_name(method: RangeMethod) -> String {
    match method {
        RangeMethod::Percentile(percentile) => format!("percentile {}", percentile.percent()),
        method => {
            serde_json::to_value(method).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
        }
    }
}

impl Report for ShowTensorReport {
    fn text(&self) -> String {
        self.text.clone()
    }
}

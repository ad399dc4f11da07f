//! The ranges of a calibration, as a table.

use dlquantizer::{Octave, RangeMethod, TensorKind, TensorRecord};
use serde::Serialize;

use crate::format::{self, Column};
use crate::histogram;

/// The values of one tensor.
#[derive(Serialize)]
pub(crate) struct TensorReport {
    name: String,
    layer: String,
    network_layer: String,
    kind: TensorKind,
    count: u64,
    min: Option<f32>,
    max: Option<f32>,
    mean: Option<f64>,
    std_dev: Option<f64>,
    median: Option<f32>,
    zeros: u64,
    nans: u64,
    infs: u64,
    channels: Option<Vec<ChannelReport>>,
    histogram: Vec<Octave>,
}

/// The finite values of one channel.
#[derive(Serialize)]
struct ChannelReport {
    min: Option<f32>,
    max: Option<f32>,
    mean: Option<f64>,
}

impl TensorReport {
    /// Reports a tensor; its histogram tells what becomes of the values in a range of this kind.
    pub(crate) fn of(record: &TensorRecord, method: RangeMethod) -> Self {
        let statistics = &record.statistics;
        let channels = record.channels.as_ref().map(|channels| {
            let report = |channel| ChannelReport {
                min: channels.min(channel),
                max: channels.max(channel),
                mean: channels.mean(channel),
            };
            (0..channels.len()).map(report).collect()
        });
        Self {
            name: record.name.clone(),
            layer: record.layer.clone(),
            network_layer: record.network_layer.clone(),
            kind: record.kind,
            count: statistics.count(),
            min: statistics.min(),
            max: statistics.max(),
            mean: statistics.mean(),
            std_dev: statistics.std_dev(),
            median: statistics.quantile(0.5),
            zeros: statistics.zeros(),
            nans: statistics.nans(),
            infs: statistics.infs(),
            channels,
            histogram: histogram::octaves(record, method),
        }
    }
}

/// The table of ranges, with a histogram for each.
pub(crate) fn ranges(tensors: &[TensorReport]) -> String {
    let columns = [
        Column::Text("Optimized Layer Name"),
        Column::Text("Network Layer Name"),
        Column::Text("Learnables / Activations"),
        Column::Number("MinValue"),
        Column::Number("MaxValue"),
        Column::Text("Histogram of |x|"),
    ];
    let rows = tensors.iter().map(|tensor| {
        [
            tensor.layer.clone(),
            tensor.network_layer.clone(),
            kind_name(tensor.kind).to_owned(),
            bound(tensor.min),
            bound(tensor.max),
            histogram::columns(&tensor.histogram),
        ]
    });
    format::table(columns, rows)
}

/// The same as CSV, with all digits and more columns.
pub(crate) fn csv(tensors: &[TensorReport]) -> String {
    let columns = [
        "Optimized Layer Name",
        "Network Layer Name",
        "Learnables / Activations",
        "MinValue",
        "MaxValue",
        "Tensor",
        "Mean",
        "Standard Deviation",
        "Values",
        "Zeros",
        "NaN",
        "Infinite",
    ];
    let rows = tensors.iter().map(|tensor| {
        [
            tensor.layer.clone(),
            tensor.network_layer.clone(),
            kind_name(tensor.kind).to_owned(),
            exact(tensor.min),
            exact(tensor.max),
            tensor.name.clone(),
            exact(tensor.mean),
            exact(tensor.std_dev),
            tensor.count.to_string(),
            tensor.zeros.to_string(),
            tensor.nans.to_string(),
            tensor.infs.to_string(),
        ]
    });
    format::csv(columns, rows)
}

/// What a tensor is to its layer, as MATLAB's tables have it.
pub(crate) fn kind_name(kind: TensorKind) -> &'static str {
    match kind {
        TensorKind::Weight => "Weights",
        TensorKind::Bias => "Bias",
        TensorKind::Activation => "Activations",
    }
}

/// An end of a range, for people.
pub(crate) fn bound(value: Option<f32>) -> String {
    value.map_or_else(String::new, |value| format::real(value.into()))
}

/// A number with all its digits; nothing for none.
pub(crate) fn exact(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

//! `quantize inspect`: what is in a model file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use int8_inference::{Certificate, Session, SessionOptions, StepInfo};
use onnx_model::{Dim, LayerSummary, Model, Summary, ValueInfo};
use serde::Serialize;

use crate::console::Report;
use crate::format::{self, Column};

/// Shows inputs, outputs, layers, metadata and execution plan of a float or int8 model.
///
/// Of each layer: the shape of its output (`?` where neither the file nor the operators tell), the parameters that training changes and those
/// that it leaves alone (running means and variances, normalization of the input), multiply-accumulates per sample, and bytes of its
/// constants as they are stored. The last row has the totals, with the bytes of all constants of the file. Parameters that layers share count
/// for the first of them.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize inspect digits.int8.onnx")]
pub(crate) struct Args {
    /// Float or int8 model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Shows what is proven of each int8 layer's sums, for any input: the extreme int32 accumulators, and the channels whose sums of two
    /// products fit 16 bits.
    #[arg(long)]
    certificate: bool,
}

/// What is in the file.
#[derive(Serialize)]
pub(crate) struct InspectReport {
    file: PathBuf,
    bytes: u64,
    ir_version: i64,
    opset: i64,
    producer: String,
    inputs: Vec<ValueReport>,
    outputs: Vec<ValueReport>,
    layers: Vec<LayerReport>,
    parameters: usize,
    trainable: usize,
    fixed: usize,
    macs: u64,
    /// Whether those of some layer are not known.
    macs_incomplete: bool,
    constant_bytes: u64,
    metadata: BTreeMap<String, String>,
    plan: Option<PlanReport>,
    /// Why there is no plan.
    plan_error: Option<String>,
    #[serde(skip)]
    certificate: bool,
}

/// An input or output.
#[derive(Serialize)]
struct ValueReport {
    name: String,
    #[serde(rename = "type")]
    element_type: String,
    shape: Option<Vec<DimReport>>,
}

/// A size, a name, or nothing.
#[derive(Serialize)]
#[serde(untagged)]
enum DimReport {
    Fixed(usize),
    Symbolic(String),
    Unknown,
}

/// One layer of the network.
#[derive(Serialize)]
struct LayerReport {
    name: String,
    operator: String,
    /// Shape of what it makes.
    output: Option<Vec<DimReport>>,
    /// Shape of the weights as they are stored.
    shape: Option<Vec<usize>>,
    /// Type of the stored weights, `int8` or `float`.
    precision: Option<String>,
    parameters: usize,
    trainable: usize,
    fixed: usize,
    /// Multiply-accumulates per sample.
    macs: Option<u64>,
    /// Of its constants as they are stored.
    bytes: u64,
}

/// How the file is executed.
#[derive(Serialize)]
struct PlanReport {
    isa: String,
    buffer_bytes_per_sample: usize,
    steps: Vec<StepReport>,
    certificates: Vec<CertificateReport>,
}

/// What is proven of the sums of an int8 layer.
#[derive(Serialize)]
struct CertificateReport {
    tensor: String,
    channels: usize,
    pair_sums_proven: usize,
    lowest: i64,
    highest: i64,
}

/// One operation.
#[derive(Serialize)]
struct StepReport {
    tensor: String,
    work: String,
}

pub(crate) fn run(args: &Args) -> Result<InspectReport> {
    let model = Model::open(&args.model)?;
    let bytes = std::fs::metadata(&args.model).with_context(|| args.model.display().to_string())?.len();
    let mut report = inspect(&model, &args.model, bytes).with_context(|| args.model.display().to_string())?;
    report.certificate = args.certificate;
    Ok(report)
}

fn inspect(model: &Model, path: &Path, bytes: u64) -> Result<InspectReport> {
    // A file that this engine cannot run can still be looked at.
    let (plan, plan_error) =
        match Session::new(model, &SessionOptions { threads: Some(1), ..SessionOptions::default() }) {
            Ok(session) => (Some(PlanReport::of(&session)), None),
            Err(error) => (None, Some(error.to_string())),
        };
    let proto = model.proto();
    let summary = Summary::of(model)?;
    let producer = format!("{} {}", proto.producer_name(), proto.producer_version());
    Ok(InspectReport {
        file: path.to_owned(),
        bytes,
        ir_version: proto.ir_version(),
        opset: model.opset(),
        producer: producer.trim().to_owned(),
        inputs: model.inputs().into_iter().map(ValueReport::of).collect(),
        outputs: model.outputs().into_iter().map(ValueReport::of).collect(),
        parameters: summary.trainable.saturating_add(summary.fixed),
        trainable: summary.trainable,
        fixed: summary.fixed,
        macs: summary.macs,
        macs_incomplete: summary.macs_incomplete,
        constant_bytes: summary.bytes,
        layers: summary.layers.into_iter().map(LayerReport::of).collect(),
        metadata: proto.metadata_props.iter().map(|entry| (entry.key().to_owned(), entry.value().to_owned())).collect(),
        plan,
        plan_error,
        certificate: false,
    })
}

impl LayerReport {
    fn of(layer: LayerSummary) -> Self {
        let parameters = layer.parameters();
        let LayerSummary { name, operator, output, weights, precision, trainable, fixed, macs, bytes } = layer;
        Self {
            name,
            operator,
            output: output.map(dims),
            shape: weights,
            precision: precision.map(|precision| precision.to_string().to_lowercase()),
            parameters,
            trainable,
            fixed,
            macs,
            bytes,
        }
    }

    fn cells(&self) -> [String; 8] {
        let some = |count: usize| if count == 0 { String::new() } else { format::count(count) };
        [
            self.name.clone(),
            self.operator.clone(),
            self.output.as_deref().map_or_else(|| "?".to_owned(), describe),
            some(self.trainable),
            some(self.fixed),
            self.macs.map_or_else(|| "?".to_owned(), |macs| some(macs as usize)),
            some(self.bytes as usize),
            self.precision.clone().unwrap_or_default(),
        ]
    }
}

impl PlanReport {
    fn of(session: &Session) -> Self {
        let steps = session.steps().into_iter().map(|StepInfo { tensor, work, .. }| StepReport { tensor, work });
        Self {
            isa: session.isa().to_string(),
            buffer_bytes_per_sample: session.buffer_bytes_per_sample(),
            steps: steps.collect(),
            certificates: session.certificates().into_iter().map(CertificateReport::of).collect(),
        }
    }

    fn certificates(&self) -> String {
        let columns = [
            Column::Text("Tensor"),
            Column::Number("Lowest Sum"),
            Column::Number("Highest Sum"),
            Column::Number("Channels"),
            Column::Number("16-Bit Pair Sums Proven"),
        ];
        let rows = self.certificates.iter().map(|certificate| {
            [
                certificate.tensor.clone(),
                certificate.lowest.to_string(),
                certificate.highest.to_string(),
                format::count(certificate.channels),
                format::count(certificate.pair_sums_proven),
            ]
        });
        format!("\n{}", format::table(columns, rows))
    }
}

impl CertificateReport {
    fn of(certificate: Certificate) -> Self {
        let Certificate { tensor, channels, pair_sums_proven, lowest, highest } = certificate;
        Self { tensor, channels, pair_sums_proven, lowest, highest }
    }
}

impl ValueReport {
    fn of(value: ValueInfo) -> Self {
        Self {
            name: value.name,
            element_type: value.element_type.to_string().to_lowercase(),
            shape: value.shape.map(dims),
        }
    }

    fn describe(&self) -> String {
        let shape = match &self.shape {
            Some(dims) => describe(dims),
            None => "of unknown shape".to_owned(),
        };
        format!("{} {} {shape}", self.name, self.element_type)
    }
}

fn dims(dims: Vec<Dim>) -> Vec<DimReport> {
    dims.into_iter().map(DimReport::of).collect()
}

fn describe(dims: &[DimReport]) -> String {
    format!("[{}]", dims.iter().map(DimReport::describe).collect::<Vec<_>>().join(", "))
}

impl DimReport {
    fn of(dim: Dim) -> Self {
        match dim {
            Dim::Fixed(size) => Self::Fixed(size),
            Dim::Symbolic(name) => Self::Symbolic(name),
            Dim::Unknown => Self::Unknown,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Fixed(size) => size.to_string(),
            Self::Symbolic(name) => name.clone(),
            Self::Unknown => "?".to_owned(),
        }
    }
}

impl InspectReport {
    fn describe_parameters(&self) -> String {
        let [all, trainable, fixed] = [self.parameters, self.trainable, self.fixed].map(format::count);
        match self.fixed {
            0 => all,
            _ => format!("{all}, {trainable} trainable and {fixed} fixed"),
        }
    }
}

impl Report for InspectReport {
    fn text(&self) -> String {
        let values = |values: &[ValueReport]| values.iter().map(ValueReport::describe).collect::<Vec<_>>().join(", ");
        let mut text = format::pairs([
            ("file", format!("{} ({})", self.file.display(), format::bytes(self.bytes as usize))),
            ("ONNX", format!("opset {}, IR version {}", self.opset, self.ir_version)),
            ("producer", self.producer.clone()),
            ("inputs", values(&self.inputs)),
            ("outputs", values(&self.outputs)),
            ("parameters", self.describe_parameters()),
        ]);
        for (key, value) in &self.metadata {
            text += &format!(" {key}\n{}", indented(value));
        }
        let columns = [
            Column::Text("Layer"),
            Column::Text("Operator"),
            Column::Text("Output"),
            Column::Number("Trainable"),
            Column::Number("Fixed"),
            Column::Number("MACs"),
            Column::Number("Bytes"),
            Column::Text("Precision"),
        ];
        let macs = format::count(self.macs as usize) + if self.macs_incomplete { " + ?" } else { "" };
        let [trainable, fixed, bytes] = [self.trainable, self.fixed, self.constant_bytes as usize].map(format::count);
        let [none, also_none, nor] = [const { String::new() }; 3];
        let total = ["total".to_owned(), none, also_none, trainable, fixed, macs, bytes, nor];
        let rows = self.layers.iter().map(LayerReport::cells).chain([total]);
        text = format!("{text}\n{}\n", format::table(columns, rows));
        match (&self.plan, &self.plan_error) {
            (Some(plan), _) => {
                let rows = plan.steps.iter().map(|step| [step.tensor.clone(), step.work.clone()]);
                text += &format::table([Column::Text("Tensor"), Column::Text("Step of the Plan")], rows);
                text += &format!(
                    "\nkernels {}, buffers of {} per sample\n",
                    plan.isa,
                    format::bytes(plan.buffer_bytes_per_sample)
                );
                if self.certificate {
                    text += &plan.certificates();
                }
            }
            (None, Some(error)) => text += &format!("this engine cannot run it: {error}\n"),
            (None, None) => {}
        }
        text
    }
}

/// The lines of a text, each as far as people read.
fn indented(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = |line: &str| match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("   {}...\n", &line[..end]),
        None => format!("   {line}\n"),
    };
    text.lines().map(line).collect()
}

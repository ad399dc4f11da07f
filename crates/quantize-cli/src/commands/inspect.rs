//! `quantize inspect`: what is in a model file.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use int8_inference::{Certificate, Session, SessionOptions, StepInfo};
use onnx_model::graph::GraphIndex;
use onnx_model::proto::NodeProto;
use onnx_model::{Dim, Error, Model, ValueInfo};
use serde::Serialize;

use crate::console::Report;
use crate::format::{self, Column};

/// Shows inputs, outputs, layers, metadata and execution plan of a float or int8 model.
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

/// A node with weights.
#[derive(Serialize)]
pub(crate) struct LayerReport {
    name: String,
    operator: String,
    /// Shape of the weights as they are stored.
    shape: Vec<usize>,
    /// Type of the stored weights, `int8` or `float`.
    precision: String,
    pub(crate) parameters: usize,
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
    let producer = format!("{} {}", proto.producer_name(), proto.producer_version());
    Ok(InspectReport {
        file: path.to_owned(),
        bytes,
        ir_version: proto.ir_version(),
        opset: model.opset(),
        producer: producer.trim().to_owned(),
        inputs: model.inputs().into_iter().map(ValueReport::of).collect(),
        outputs: model.outputs().into_iter().map(ValueReport::of).collect(),
        layers: layers(model)?,
        parameters: parameter_count(model)?,
        metadata: proto.metadata_props.iter().map(|entry| (entry.key().to_owned(), entry.value().to_owned())).collect(),
        plan,
        plan_error,
        certificate: false,
    })
}

/// The dense and convolutional layers in topological order.
pub(crate) fn layers(model: &Model) -> Result<Vec<LayerReport>, Error> {
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let mut layers = Vec::new();
    for node in index.order().iter().map(|&position| &graph.node[position]) {
        // Where the operator has its weights and its bias.
        let parameters: &[usize] = match node.op_type() {
            "Gemm" | "MatMul" | "Conv" => &[1, 2],
            "MatMulInteger" => &[1],
            "QLinearMatMul" => &[3],
            "QGemm" => &[3, 6],
            _ => continue,
        };
        let constants = parameters.iter().filter_map(|&place| node.input.get(place));
        let constants: Vec<_> = constants.filter_map(|name| stored(graph, &index, name)).collect();
        let Some((shape, data_type)) = constants.first() else { continue };
        let name = match (node.name(), node.output.first()) {
            ("", Some(output)) => output.clone(),
            (name, _) => name.to_owned(),
        };
        layers.push(LayerReport {
            name,
            operator: node.op_type().to_owned(),
            shape: shape.clone(),
            precision: data_type.clone(),
            parameters: constants.iter().map(|(shape, _)| shape.iter().product::<usize>()).sum(),
        });
    }
    Ok(layers)
}

/// Shape and type of a constant as the file stores it: itself, or what is dequantized to it.
fn stored(graph: &onnx_model::proto::GraphProto, index: &GraphIndex<'_>, name: &str) -> Option<(Vec<usize>, String)> {
    let producer = index.producer(name).map(|position| &graph.node[position]);
    let name = match producer.filter(|node| node.op_type() == "DequantizeLinear") {
        Some(node) => node.input.first()?,
        None => name,
    };
    let tensor = index.constant(name).ok().flatten()?;
    let data_type = tensor.data.data_type().to_string().to_lowercase();
    Some((tensor.shape, data_type))
}

/// Elements of all constants, apart from those that only say how others are quantized, shaped or clipped.
pub(crate) fn parameter_count(model: &Model) -> Result<usize, Error> {
    let graph = model.graph();
    let mut settings: HashSet<&str> = HashSet::new();
    for node in &graph.node {
        settings.extend(setting_inputs(node).iter().map(String::as_str));
    }
    let parameters = graph.initializer.iter().filter(|tensor| !settings.contains(tensor.name()));
    parameters.map(|tensor| onnx_model::Tensor::from_proto(tensor).map(|tensor| tensor.data.len())).sum()
}

fn setting_inputs(node: &NodeProto) -> &[String] {
    match node.op_type() {
        "QuantizeLinear" | "DequantizeLinear" | "Reshape" | "Clip" => node.input.get(1..).unwrap_or_default(),
        _ => &[],
    }
}

impl LayerReport {
    /// Multiplications per sample where each weight is used once.
    pub(crate) fn multiplications(&self) -> usize {
        self.shape.iter().product()
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
        let dims = |dims: Vec<Dim>| dims.into_iter().map(DimReport::of).collect();
        Self {
            name: value.name,
            element_type: value.element_type.to_string().to_lowercase(),
            shape: value.shape.map(dims),
        }
    }

    fn describe(&self) -> String {
        let shape = match &self.shape {
            Some(dims) => format!("[{}]", dims.iter().map(DimReport::describe).collect::<Vec<_>>().join(", ")),
            None => "of unknown shape".to_owned(),
        };
        format!("{} {} {shape}", self.name, self.element_type)
    }
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

impl Report for InspectReport {
    fn text(&self) -> String {
        let values = |values: &[ValueReport]| values.iter().map(ValueReport::describe).collect::<Vec<_>>().join(", ");
        let mut text = format::pairs([
            ("file", format!("{} ({})", self.file.display(), format::bytes(self.bytes as usize))),
            ("ONNX", format!("opset {}, IR version {}", self.opset, self.ir_version)),
            ("producer", self.producer.clone()),
            ("inputs", values(&self.inputs)),
            ("outputs", values(&self.outputs)),
            ("parameters", format::count(self.parameters)),
        ]);
        for (key, value) in &self.metadata {
            text += &format!(" {key}\n{}", indented(value));
        }
        let columns = [
            Column::Text("Layer"),
            Column::Text("Operator"),
            Column::Text("Weights"),
            Column::Text("Precision"),
            Column::Number("Parameters"),
        ];
        let rows = self.layers.iter().map(|layer| {
            [
                layer.name.clone(),
                layer.operator.clone(),
                format!("{:?}", layer.shape),
                layer.precision.clone(),
                format::count(layer.parameters),
            ]
        });
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

//! Brings the ways in which tools write quantized models into the one that the compiler matches: float operators between
//! DequantizeLinear and QuantizeLinear nodes, integer constants, nothing in between that does nothing.

mod constants;
mod elementwise;
mod identities;
mod qgemm;
mod qlinear_matmul;
mod reshapes;

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::graph::{GraphIndex, Names, node};
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{Model, Tensor};

use crate::Error;

/// The domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

/// The model in the form that the compiler matches; itself if it is that already. Every tensor keeps its name and its value.
pub(super) fn qdq_form(model: &Model) -> Result<Cow<'_, Model>, Error> {
    let mut model = Cow::Borrowed(model);
    if let Some(graph) = operators(model.graph(), model.opset())? {
        model = Cow::Owned(model.with_graph(graph));
    }
    if let Some(graph) = identities::skipped(model.graph())? {
        model = Cow::Owned(model.with_graph(graph));
    }
    if let Some(graph) = reshapes::of_integers(model.graph())? {
        model = Cow::Owned(model.with_graph(graph));
    }
    if let Some(graph) = constants::quantized(model.graph())? {
        model = Cow::Owned(model.with_graph(graph));
    }
    Ok(model)
}

/// The graph with operators on integers written as float ones between DequantizeLinear and QuantizeLinear.
fn operators(graph: &GraphProto, opset: i64) -> Result<Option<GraphProto>, Error> {
    if !graph.node.iter().any(is_integer_operator) {
        return Ok(None);
    }
    let index = GraphIndex::new(graph)?;
    let mut writer = Writer {
        index,
        opset,
        names: Names::of(graph),
        nodes: Vec::new(),
        constants: Vec::new(),
        origin: String::new(),
    };
    let mut rewritten = BTreeSet::new();
    for (at, node) in graph.node.iter().enumerate() {
        node.name().clone_into(&mut writer.origin);
        if is_integer_operator(node) && rewrite(node, &mut writer)? {
            rewritten.insert(at);
        } else {
            writer.nodes.push(node.clone());
        }
    }
    let Writer { nodes, constants, .. } = writer;
    let mut graph = graph.clone();
    graph.node = nodes;
    graph.initializer.extend(constants);
    Ok((!rewritten.is_empty()).then_some(graph))
}

fn is_integer_operator(node: &NodeProto) -> bool {
    match node.domain() {
        MICROSOFT => true,
        "" | "ai.onnx" => node.op_type() == "QLinearMatMul",
        _ => false,
    }
}

/// Writes what the node computes in QDQ form, where that is known and the form can say it.
fn rewrite(node: &NodeProto, writer: &mut Writer<'_>) -> Result<bool, Error> {
    match node.op_type() {
        "QLinearMatMul" => qlinear_matmul::rewrite(node, writer),
        "QGemm" => qgemm::rewrite(node, writer),
        "QLinearAdd" => elementwise::binary(node, writer, "Add"),
        "QLinearMul" => elementwise::binary(node, writer, "Mul"),
        "QLinearSigmoid" => elementwise::unary(node, writer, "Sigmoid", &[]),
        "QLinearLeakyRelu" => elementwise::unary(node, writer, "LeakyRelu", &["alpha"]),
        "QLinearSoftmax" => elementwise::softmax(node, writer),
        // The same operators, in the domain that had 16-bit integers first.
        "QuantizeLinear" | "DequantizeLinear" => {
            writer.nodes.push(NodeProto { domain: None, ..node.clone() });
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Makes the nodes and constants of the new form.
struct Writer<'g> {
    index: GraphIndex<'g>,
    /// The operator set that gives the written nodes their meaning.
    opset: i64,
    names: Names,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// Name of the node that is rewritten: what it becomes goes by it too, so that messages say what the file does.
    origin: String,
}

/// A tensor of integers with its scale and zero point, by their names; the latter may be left out.
#[derive(Clone, Copy)]
struct Quantized<'n> {
    values: &'n str,
    scale: &'n str,
    zero_point: &'n str,
}

impl<'n> Quantized<'n> {
    /// Three consecutive inputs of a node; `None` if one is missing.
    fn at(node: &'n NodeProto, first: usize) -> Option<Self> {
        let [values, scale, zero_point] = node.input.get(first..first + 3)? else { return None };
        (!values.is_empty() && !scale.is_empty()).then_some(Self { values, scale, zero_point })
    }
}

impl Writer<'_> {
    /// Appends a DequantizeLinear node; returns the real tensor that it makes.
    fn dequantize(&mut self, quantized: Quantized<'_>, axis: Option<i64>) -> String {
        let real = self.names.fresh(&format!("{}.real", quantized.values));
        self.quantization("DequantizeLinear", [quantized.values, quantized.scale, quantized.zero_point], &real, axis);
        real
    }

    /// Appends a QuantizeLinear node that makes `output`.
    fn quantize(&mut self, real: &str, scale: &str, zero_point: &str, output: &str) {
        self.quantization("QuantizeLinear", [real, scale, zero_point], output, None);
    }

    fn quantization(&mut self, op_type: &str, inputs: [&str; 3], output: &str, axis: Option<i64>) {
        let inputs = if inputs[2].is_empty() { &inputs[..2] } else { &inputs[..] };
        let made = node(op_type, &self.origin, inputs, &[output]);
        self.nodes.push(match axis {
            Some(axis) => made.with_int("axis", axis),
            None => made,
        });
    }

    /// A name for the real tensor that becomes the quantized one.
    fn real_of(&mut self, quantized: &str) -> String {
        self.names.fresh(&format!("{quantized}.real"))
    }

    fn constant(&mut self, base: &str, tensor: Tensor) -> String {
        let name = self.names.fresh(base);
        self.constants.push(Tensor { name: name.clone(), ..tensor }.to_proto());
        name
    }

    /// The value of a constant; `None` if the tensor is computed.
    fn value(&self, name: &str) -> Result<Option<Tensor>, Error> {
        Ok(self.index.constant(name)?)
    }

    /// Whether the tensor is a constant with one element.
    fn is_scalar(&self, name: &str) -> Result<bool, Error> {
        Ok(self.value(name)?.is_some_and(|tensor| tensor.data.len() == 1))
    }

    /// The dimensions of a constant matrix.
    fn matrix_shape(&self, name: &str) -> Result<Option<[usize; 2]>, Error> {
        let shape = match self.index.initializer(name) {
            Some(tensor) => tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect(),
            None => self.value(name)?.map(|tensor| tensor.shape),
        };
        Ok(shape.and_then(|shape: Vec<usize>| shape.try_into().ok()))
    }

    /// The axis along which the scales of constant weights with `channels` output channels along `axis` are spread: none for a single one.
    /// The outer `None` stands for scales that lie in another way.
    fn channel_axis(&self, scale: &str, channels: usize, axis: i64) -> Result<Option<Option<i64>>, Error> {
        Ok(match self.value(scale)? {
            Some(scale) if scale.data.len() == 1 => Some(None),
            Some(scale) if scale.shape == [channels] => Some(Some(axis)),
            _ => None,
        })
    }
}

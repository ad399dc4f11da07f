//! The layers of a prepared model that can be quantized.

use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{GraphProto, NodeProto};
use serde::Serialize;

use crate::Error;
use crate::constants::{dynamic, float_shape, is_constant};
use crate::node::{is_plain_gemm, node_name, only_output, operator, reads_first};
use crate::prepare::Origins;

/// A dense layer of the prepared model: Gemm, or MatMul with its Add, and the Relu or Clip behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Its name, unique in the model; recipes match against it.
    pub name: String,
    /// The nodes of the network as given that became this layer.
    pub network: Vec<String>,
    /// What it is: `dense`, `dense+relu`, ...
    pub kind: String,
    /// The tensor it reads.
    pub input: String,
    /// The tensor it makes, activation included.
    pub output: String,
    /// Name of its weights.
    pub weights: String,
    /// Name of its bias.
    pub bias: Option<String>,
    /// Input features.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Whether the weights lie as `[outputs, inputs]`.
    #[serde(skip)]
    pub(crate) transposed: bool,
    /// What the nodes of the layer make, from the product to `output`; all but the last are read by the next node alone.
    #[serde(skip)]
    pub(crate) tensors: Vec<String>,
}

/// Finds the layers in topological order.
pub(crate) fn find(graph: &GraphProto, index: &GraphIndex<'_>, origins: &Origins) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::new();
    let mut names = Names::default();
    let dynamic = dynamic(graph, index);
    for &position in index.order() {
        let node = &graph.node[position];
        if !node.input.first().is_some_and(|input| dynamic.contains(input.as_str())) {
            continue;
        }
        if let Some(mut layer) = layer_at(graph, index, origins, node)? {
            layer.name = names.fresh(&layer.name);
            layers.push(layer);
        }
    }
    Ok(layers)
}

/// The layer that begins with `node`; its name may be taken already.
fn layer_at(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    origins: &Origins,
    node: &NodeProto,
) -> Result<Option<Layer>, Error> {
    let gemm = is_plain_gemm(node)?;
    if !gemm && operator(node) != "MatMul" {
        return Ok(None);
    }
    let ([input, weights, rest @ ..], Some(product)) = (node.input.as_slice(), only_output(node)) else {
        return Ok(None);
    };
    let shape = float_shape(index, weights)?.and_then(|shape| <[usize; 2]>::try_from(shape).ok());
    let Some([rows, columns]) = shape else { return Ok(None) };
    let transposed = gemm && node.attr_int("transB", 0)? != 0;
    let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
    let mut bias = rest.first().filter(|name| !name.is_empty()).map(String::as_str);
    let usable_bias = bias.map(|name| is_bias(index, name, outputs)).transpose()?.unwrap_or(true);
    if !usable_bias || inputs == 0 || outputs == 0 {
        return Ok(None);
    }
    let mut network = origins.of(product, &node_name(node));
    let mut kind = "dense".to_owned();
    let mut output = product;
    let mut tensors = vec![product.to_owned()];
    while let Some((next, made)) = only_reader(graph, index, output) {
        match operator(next) {
            "Add" if !gemm && tensors.len() == 1 => match bias_operand(index, &next.input, product, outputs)? {
                Some(name) => bias = Some(name),
                None => break,
            },
            _ => match fused_activation(graph, index, next, output) {
                Some(activation) => kind.push_str(activation),
                None => break,
            },
        }
        network.push(node_name(next));
        tensors.push(made.to_owned());
        output = made;
    }
    Ok(Some(Layer {
        name: node_name(node),
        network,
        kind,
        input: input.clone(),
        output: output.to_owned(),
        weights: weights.clone(),
        bias: bias.map(str::to_owned),
        inputs,
        outputs,
        transposed,
        tensors,
    }))
}

/// What a node that reads `tensor` adds to the kind of the layer before it, if it only cuts off values.
pub(crate) fn fused_activation(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    node: &NodeProto,
    tensor: &str,
) -> Option<&'static str> {
    match operator(node) {
        "Relu" => Some("+relu"),
        "Clip" => {
            let mut bounds = node.input[1..].iter().filter(|name| !name.is_empty());
            (reads_first(node, tensor) && bounds.all(|name| is_constant(graph, index, name))).then_some("+clip")
        }
        _ => None,
    }
}

/// The operand of an Add beside `product` if it is a constant with one element for each of `n` outputs.
pub(crate) fn bias_operand<'a>(
    index: &GraphIndex<'_>,
    operands: &'a [String],
    product: &str,
    n: usize,
) -> Result<Option<&'a str>, Error> {
    let other = match operands {
        [a, b] if a == product => b,
        [a, b] if b == product => a,
        _ => return Ok(None),
    };
    Ok(is_bias(index, other, n)?.then_some(other))
}

/// Whether the tensor is a float constant with one element for each of `n` outputs, so that a Gemm broadcasts it too.
pub(crate) fn is_bias(index: &GraphIndex<'_>, name: &str, n: usize) -> Result<bool, Error> {
    Ok(float_shape(index, name)?.is_some_and(|shape| shape == [n] || shape == [1, n]))
}

/// The node that alone reads `tensor` and what it alone makes, if the tensor is no output of the graph.
pub(crate) fn only_reader<'a>(
    graph: &'a GraphProto,
    index: &GraphIndex<'_>,
    tensor: &str,
) -> Option<(&'a NodeProto, &'a str)> {
    match index.consumers(tensor) {
        [reader] if !index.is_graph_output(tensor) => {
            let node = &graph.node[*reader];
            Some((node, only_output(node)?))
        }
        _ => None,
    }
}

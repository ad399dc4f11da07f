//! The layers of a prepared model that can be quantized.

use std::collections::HashMap;

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};
use serde::Serialize;

use crate::Error;
use crate::prepare::float_constant;

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
}

/// A node's name, or what it makes if it has none.
pub(crate) fn node_name(node: &NodeProto) -> String {
    match (node.name(), node.output.first()) {
        ("", Some(output)) => format!("{}:{output}", node.op_type()),
        (name, _) => name.to_owned(),
    }
}

/// Finds the layers in topological order.
pub(crate) fn find(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    origins: &crate::prepare::Origins,
) -> Result<Vec<Layer>, Error> {
    let mut layers = Vec::new();
    let mut used: HashMap<String, usize> = HashMap::new();
    for &position in index.order() {
        let node = &graph.node[position];
        let gemm = node.op_type() == "Gemm";
        if !gemm && node.op_type() != "MatMul" {
            continue;
        }
        if gemm
            && (node.attr_float("alpha", 1.0)? != 1.0
                || node.attr_float("beta", 1.0)? != 1.0
                || node.attr_int("transA", 0)? != 0)
        {
            continue;
        }
        let transposed = gemm && node.attr_int("transB", 0)? != 0;
        let ([input, weights, rest @ ..], [product]) = (node.input.as_slice(), node.output.as_slice()) else {
            continue;
        };
        let Some([rows, columns]) = matrix_shape(index, weights)? else { continue };
        if index.constant(input)?.is_some() {
            continue;
        }
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        let mut network = origins.of(product, &node_name(node));
        let mut output = product.as_str();
        let mut bias = rest.first().filter(|name| !name.is_empty()).cloned();
        if let Some(name) = &bias
            && !is_vector(index, name, outputs)?
        {
            continue;
        }
        let mut kind = "dense".to_owned();
        while let Some(next) = only_reader(graph, index, output) {
            let fused = match next.op_type() {
                "Add" if !gemm && bias.is_none() && kind == "dense" => {
                    let other = next.input.iter().find(|name| *name != output);
                    match other {
                        Some(other) if is_vector(index, other, outputs)? => {
                            bias = Some(other.clone());
                            true
                        }
                        _ => false,
                    }
                }
                "Relu" => true,
                "Clip" => next
                    .input
                    .iter()
                    .skip(1)
                    .filter(|name| !name.is_empty())
                    .all(|name| index.initializer(name).is_some()),
                _ => false,
            };
            if !fused {
                break;
            }
            if next.op_type() != "Add" {
                kind = format!("{kind}+{}", next.op_type().to_lowercase());
            }
            network.push(node_name(next));
            output = &next.output[0];
        }
        let name = node_name(node);
        let count = used.entry(name.clone()).or_insert(0);
        *count += 1;
        layers.push(Layer {
            name: if *count == 1 { name } else { format!("{name}#{count}") },
            network,
            kind,
            input: input.clone(),
            output: output.to_owned(),
            weights: weights.clone(),
            bias,
            inputs,
            outputs,
            transposed,
        });
    }
    Ok(layers)
}

/// Shape of a float constant of two dimensions.
fn matrix_shape(index: &GraphIndex<'_>, name: &str) -> Result<Option<[usize; 2]>, Error> {
    Ok(float_constant(index, name)?.and_then(|(shape, _)| shape.try_into().ok()))
}

/// Whether the tensor is a float constant with one element per output channel.
fn is_vector(index: &GraphIndex<'_>, name: &str, channels: usize) -> Result<bool, Error> {
    Ok(float_constant(index, name)?.is_some_and(|(shape, _)| shape == [channels] || shape == [1, channels]))
}

/// The node that alone reads `tensor`, if the tensor is no output of the graph.
fn only_reader<'a>(graph: &'a GraphProto, index: &GraphIndex<'_>, tensor: &str) -> Option<&'a NodeProto> {
    match index.consumers(tensor) {
        [reader] if !index.is_graph_output(tensor) => Some(&graph.node[*reader]),
        _ => None,
    }
}

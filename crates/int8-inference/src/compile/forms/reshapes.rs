//! Flatten and Reshape between DequantizeLinear and a layer.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use onnx_model::DataType;
use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{GraphProto, NodeProto};

use super::super::graph::op;
use crate::Error;

/// The graph with integers reshaped before they are dequantized, so that a layer behind finds them; `None` if there is nothing to do.
pub(super) fn of_integers(graph: &GraphProto) -> Result<Option<GraphProto>, Error> {
    if !graph.node.iter().any(is_reshape) {
        return Ok(None);
    }
    let index = GraphIndex::new(graph)?;
    let mut swapped: BTreeMap<usize, &NodeProto> = BTreeMap::new();
    for (at, node) in graph.node.iter().enumerate().filter(|(_, node)| is_reshape(node)) {
        let made_by = node.input.first().and_then(|input| index.producer(input)).map(|at| &graph.node[at]);
        let dequantize =
            made_by.filter(|producer| op(producer) == "DequantizeLinear" && is_per_tensor(graph, &index, producer));
        // What is only quantized again is compared with what it was before, where that is decided.
        let has_layer = |output| index.consumers(output).iter().any(|&at| op(&graph.node[at]) != "QuantizeLinear");
        if let (Some(dequantize), [output]) = (dequantize, node.output.as_slice())
            && has_layer(output)
        {
            swapped.insert(at, dequantize);
        }
    }
    if swapped.is_empty() {
        return Ok(None);
    }
    let mut names = Names::of(graph);
    let mut nodes = Vec::with_capacity(graph.node.len() + swapped.len());
    for (at, node) in graph.node.iter().enumerate() {
        let Some(dequantize) = swapped.get(&at) else {
            nodes.push(node.clone());
            continue;
        };
        let (mut reshape, mut behind) = (node.clone(), (*dequantize).clone());
        let name = names.fresh(&format!("{}.integers", node.output[0]));
        reshape.input[0].clone_from(&dequantize.input[0]);
        behind.input[0].clone_from(&name);
        behind.output.clone_from(&node.output);
        reshape.output = Vec::from([name]);
        nodes.extend([reshape, behind]);
    }
    Ok(Some(GraphProto { node: nodes, ..graph.clone() }))
}

fn is_reshape(node: &NodeProto) -> bool {
    matches!(op(node), "Flatten" | "Reshape")
}

/// Whether the node has one constant scale, and 8-bit integers that are computed: the only ones that a layer reads, and of those that the
/// float runtime reshapes the only ones that keep their type.
fn is_per_tensor(graph: &GraphProto, index: &GraphIndex<'_>, dequantize: &NodeProto) -> bool {
    let one = |name: &str| index.initializer(name).is_some_and(|tensor| tensor.dims.iter().all(|&dim| dim == 1));
    match dequantize.input.as_slice() {
        [integers, scale, zero_point @ ..] => {
            index.initializer(integers).is_none()
                && one(scale)
                && match zero_point.first().filter(|name| !name.is_empty()) {
                    Some(name) => one(name) && is_eight_bit(index, name),
                    None => made_in_eight_bits(graph, index, integers),
                }
        }
        _ => false,
    }
}

fn is_eight_bit(index: &GraphIndex<'_>, zero_point: &str) -> bool {
    let eight_bit = [DataType::Uint8, DataType::Int8].map(i32::from);
    index.initializer(zero_point).is_some_and(|tensor| eight_bit.contains(&tensor.data_type()))
}

/// Whether the tensor comes from a QuantizeLinear node that makes 8-bit integers of it; without a zero point and `output_dtype` it does.
fn made_in_eight_bits(graph: &GraphProto, index: &GraphIndex<'_>, tensor: &str) -> bool {
    let Some(node) = index.producer(tensor).map(|at| &graph.node[at]) else { return false };
    op(node) == "QuantizeLinear"
        && match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => is_eight_bit(index, name),
            None => matches!(node.attr_int("output_dtype", 0), Ok(0 | 2 | 3)),
        }
}

//! Nodes that change nothing between the quantized parts of a model.

use alloc::collections::BTreeMap;
use alloc::string::String;

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{DataType, Tensor};

use super::super::graph::op;
use crate::Error;

/// The graph with every reader of a tensor that equals another one reading that one instead; `None` if there is no such tensor.
///
/// The nodes stay: whoever asks for the tensor by its name still gets it.
pub(super) fn skipped(graph: &GraphProto) -> Result<Option<GraphProto>, Error> {
    if !graph.node.iter().any(|node| matches!(op(node), "QuantizeLinear" | "DequantizeLinear")) {
        return Ok(None);
    }
    let index = GraphIndex::new(graph)?;
    let mut same: BTreeMap<String, String> = BTreeMap::new();
    for &at in index.order() {
        let node = &graph.node[at];
        if let (Some(source), [made]) = (source(&index, graph, node)?, node.output.as_slice()) {
            let first = same.get(source).cloned().unwrap_or_else(|| source.into());
            same.insert(made.clone(), first);
        }
    }
    if same.is_empty() {
        return Ok(None);
    }
    let mut graph = graph.clone();
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if let Some(source) = same.get(input) {
            input.clone_from(source);
        }
    }
    Ok(Some(graph))
}

/// The tensor that the node's result equals.
fn source<'n>(index: &GraphIndex<'_>, graph: &'n GraphProto, node: &'n NodeProto) -> Result<Option<&'n str>, Error> {
    let Some(input) = node.input.first() else { return Ok(None) };
    let made_by =
        |op_type: &str| index.producer(input).map(|at| &graph.node[at]).filter(|producer| op(producer) == op_type);
    Ok(match op(node) {
        "Identity" => Some(input),
        "Cast" if node.attr_int("to", 0)? == i64::from(i32::from(DataType::Float)) => {
            let Some(dequantize) = made_by("DequantizeLinear") else { return Ok(None) };
            is_float(index, dequantize)?.then_some(input.as_str())
        }
        "QuantizeLinear" => {
            // Integers that were dequantized the same way are exactly those again.
            let Some(dequantize) = made_by("DequantizeLinear") else { return Ok(None) };
            let same = is_float(index, dequantize)? && same_parameters(index, dequantize, node)?;
            dequantize.input.first().map(String::as_str).filter(|_| same)
        }
        _ => None,
    })
}

/// Whether a DequantizeLinear node makes f32.
fn is_float(index: &GraphIndex<'_>, dequantize: &NodeProto) -> Result<bool, Error> {
    let scale = dequantize.input.get(1).and_then(|name| index.initializer(name));
    let float = scale.is_some_and(|scale| scale.data_type() == i32::from(DataType::Float));
    Ok(float && dequantize.attr_int("output_dtype", 0)? == 0)
}

/// Whether both nodes have one scale and one zero point, the same constants, and the zero point tells the type.
fn same_parameters(index: &GraphIndex<'_>, dequantize: &NodeProto, quantize: &NodeProto) -> Result<bool, Error> {
    let ([_, scale, zero_point], [_, other_scale, other_zero_point]) =
        (dequantize.input.as_slice(), quantize.input.as_slice())
    else {
        return Ok(false);
    };
    // With any other scale integers do not survive the way through f32.
    let usual = |scale: &Tensor| scale.scalar_f32().is_ok_and(|scale| scale > f32::MIN_POSITIVE && scale < 1e30);
    let value = |name: &str| -> Result<Option<Tensor>, Error> {
        // Large constants are weights, no parameters of a whole tensor.
        let small = index.initializer(name).is_some_and(|tensor| tensor.dims.iter().all(|&dim| dim == 1));
        Ok(if small { index.constant(name)? } else { None })
    };
    let equal = |name: &str, other: &str| -> Result<bool, Error> {
        Ok(match (value(name)?, value(other)?) {
            (Some(value), Some(other)) => value.data == other.data,
            _ => false,
        })
    };
    let usual = value(scale)?.is_some_and(|scale| usual(&scale));
    Ok(usual && equal(scale, other_scale)? && equal(zero_point, other_zero_point)?)
}

//! Nodes that change nothing between the quantized parts of a model.

use alloc::collections::BTreeMap;
use alloc::string::String;

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{DataType, Tensor, TensorData};

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
    let mut quantized: BTreeMap<(&str, Parameters), &str> = BTreeMap::new();
    for &at in index.order() {
        let node = &graph.node[at];
        let [made] = node.output.as_slice() else { continue };
        let mut equal = source(&index, graph, node)?;
        if let ("QuantizeLinear", None, [real, ..]) = (op(node), equal, node.input.as_slice())
            && let Some(parameters) = Parameters::of(&index, node)?
        {
            // A pair of nodes for each reader: the first one's integers are those of all.
            equal = quantized.get(&(real, parameters)).copied();
            if equal.is_none() {
                quantized.insert((real, parameters), made);
            }
        }
        if let Some(source) = equal {
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
            let parameters = Parameters::of(index, dequantize)?;
            let same = parameters.is_some() && parameters == Parameters::of(index, node)?;
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

/// The constant parameters of a QuantizeLinear or DequantizeLinear node that has one scale, and a zero point that tells the type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Parameters {
    /// The bits of a positive f32.
    scale: u32,
    zero_point: i64,
    data_type: DataType,
}

impl Parameters {
    fn of(index: &GraphIndex<'_>, node: &NodeProto) -> Result<Option<Self>, Error> {
        let [_, scale, zero_point] = node.input.as_slice() else { return Ok(None) };
        if ["block_size", "output_dtype", "precision"].iter().any(|name| node.attr(name).is_some()) {
            return Ok(None);
        }
        let value = |name: &str| -> Result<Option<Tensor>, Error> {
            // Large constants are weights, no parameters of a whole tensor.
            let small = index.initializer(name).is_some_and(|tensor| tensor.dims.iter().all(|&dim| dim == 1));
            Ok(if small { index.constant(name)? } else { None })
        };
        let (Some(scale), Some(zero_point)) = (value(scale)?, value(zero_point)?) else { return Ok(None) };
        let (TensorData::F32(scales), Ok(zero_points)) = (&scale.data, zero_point.to_i64()) else { return Ok(None) };
        let (&[scale], &[zero]) = (scales.as_slice(), zero_points.as_slice()) else { return Ok(None) };
        // With any other scale integers do not survive the way through f32.
        let usual = scale > f32::MIN_POSITIVE && scale < 1e30;
        let data_type = zero_point.data.data_type();
        Ok(usual.then(|| Self { scale: scale.to_bits(), zero_point: zero, data_type }))
    }
}

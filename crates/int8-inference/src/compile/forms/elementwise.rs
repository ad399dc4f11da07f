//! ONNX Runtime's operators on quantized tensors that go element by element or along an axis.

use onnx_model::graph::node as new_node;
use onnx_model::proto::{AttributeProto, NodeProto};

use super::{Quantized, Writer};
use crate::Error;

/// `QLinearAdd` and its like as `op_type`: two quantized tensors in, one out.
pub(super) fn binary(node: &NodeProto, writer: &mut Writer<'_>, op_type: &str) -> Result<bool, Error> {
    let (Some(a), Some(b), [_, _, _, _, _, _, scale, zero_point @ ..], [y]) =
        (Quantized::at(node, 0), Quantized::at(node, 3), node.input.as_slice(), node.output.as_slice())
    else {
        return Ok(false);
    };
    let operands = [writer.dequantize(a, None), writer.dequantize(b, None)];
    let real = writer.real_of(y);
    writer.nodes.push(new_node(op_type, node.name(), &[&operands[0], &operands[1]], &[&real]));
    writer.quantize(&real, scale, zero_point.first().map_or("", |name| name), y);
    Ok(true)
}

/// `QLinearSoftmax`, which says in an attribute which operator set's Softmax it is: before 13 it goes over all axes from `axis` on.
pub(super) fn softmax(node: &NodeProto, writer: &mut Writer<'_>) -> Result<bool, Error> {
    let is_old = node.attr_int("opset", 0)? < 13;
    let axis = node.attr_int("axis", if is_old { 1 } else { -1 })?;
    // Over the last axis both are the same.
    if axis != -1 && is_old != (writer.opset < 13) {
        return Ok(false);
    }
    let node = node.clone().with_int("axis", axis);
    unary(&node, writer, "Softmax", &["axis"])
}

/// `QLinearSigmoid` and its like as `op_type`, with those of its attributes that have a meaning there.
pub(super) fn unary(node: &NodeProto, writer: &mut Writer<'_>, op_type: &str, kept: &[&str]) -> Result<bool, Error> {
    let (Some(x), [_, _, _, scale, zero_point @ ..], [y]) =
        (Quantized::at(node, 0), node.input.as_slice(), node.output.as_slice())
    else {
        return Ok(false);
    };
    let x = writer.dequantize(x, None);
    let real = writer.real_of(y);
    let is_kept = |attribute: &&AttributeProto| kept.contains(&attribute.name());
    let attribute = node.attribute.iter().filter(is_kept).cloned().collect();
    writer.nodes.push(NodeProto { attribute, ..new_node(op_type, node.name(), &[&x], &[&real]) });
    writer.quantize(&real, scale, zero_point.first().map_or("", |name| name), y);
    Ok(true)
}

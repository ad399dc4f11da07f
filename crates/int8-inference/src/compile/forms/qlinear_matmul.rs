//! QLinearMatMul by constant weights.

use onnx_model::Tensor;
use onnx_model::graph::node as new_node;
use onnx_model::proto::NodeProto;

use super::{Quantized, Writer};
use crate::Error;

/// As MatMul, where the weights are a constant matrix with one scale or one for each column; other products are left as they are.
pub(super) fn rewrite(node: &NodeProto, writer: &mut Writer<'_>) -> Result<bool, Error> {
    let (Some(a), Some(b), [_, _, _, _, _, _, y_scale, y_zero_point], [y]) =
        (Quantized::at(node, 0), Quantized::at(node, 3), node.input.as_slice(), node.output.as_slice())
    else {
        return Ok(false);
    };
    let Some([_, channels]) = writer.matrix_shape(b.values)? else { return Ok(false) };
    let Some(axis) = writer.channel_axis(b.scale, channels, 1)? else { return Ok(false) };
    // DequantizeLinear takes one zero point for each scale; the operator takes one for all scales, or one scale for all zero points, as well.
    let count = |tensor: Option<Tensor>| tensor.map(|tensor| tensor.data.len());
    let zero_points = count(writer.value(b.zero_point)?);
    if zero_points.is_none() || zero_points != count(writer.value(b.scale)?) {
        return Ok(false);
    }
    if !(writer.is_scalar(a.scale)? && writer.is_scalar(y_scale)? && writer.is_scalar(y_zero_point)?) {
        return Ok(false);
    }
    let a = writer.dequantize(a, None);
    let b = writer.dequantize(b, axis);
    let real = writer.real_of(y);
    writer.nodes.push(new_node("MatMul", node.name(), &[&a, &b], &[&real]));
    writer.quantize(&real, y_scale, y_zero_point, y);
    Ok(true)
}

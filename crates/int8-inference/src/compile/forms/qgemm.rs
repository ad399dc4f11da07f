//! ONNX Runtime's QGemm by constant weights.

use alloc::format;
use alloc::vec::Vec;

use onnx_model::Tensor;
use onnx_model::graph::node as new_node;
use onnx_model::proto::NodeProto;

use super::{Quantized, Writer};
use crate::Error;

/// As Gemm with a bias of int32, whose scale is the product of the input's and the weights'. Without an output scale the result is real.
pub(super) fn rewrite(node: &NodeProto, writer: &mut Writer<'_>) -> Result<bool, Error> {
    let (Some(a), Some(b), [y]) = (Quantized::at(node, 0), Quantized::at(node, 3), node.output.as_slice()) else {
        return Ok(false);
    };
    let optional = |index: usize| node.input.get(index).map(|name| name.as_str()).filter(|name| !name.is_empty());
    let transposed = node.attr_int("transB", 0)? != 0;
    let Some([rows, columns]) = writer.matrix_shape(b.values)? else { return Ok(false) };
    let (channels, axis) = if transposed { (rows, 0) } else { (columns, 1) };
    let Some(axis) = writer.channel_axis(b.scale, channels, axis)? else { return Ok(false) };
    let (Some(a_scale), Some(b_scale)) = (writer.value(a.scale)?, writer.value(b.scale)?) else { return Ok(false) };
    // The operator's factor alpha becomes part of the weights' scale.
    let alpha = node.attr_float("alpha", 1.0)?;
    let weight_scales: Vec<f32> = b_scale.to_f32()?.iter().map(|scale| alpha * scale).collect();
    let input_scale = match a_scale.to_f32()?[..] {
        [scale] if alpha > 0.0 => scale,
        _ => return Ok(false),
    };
    let scaled;
    let b = if alpha == 1.0 {
        b
    } else {
        let tensor = Tensor::f32("", &b_scale.shape, weight_scales.clone())?;
        scaled = writer.constant(&format!("{}.alpha", b.scale), tensor);
        Quantized { scale: &scaled, ..b }
    };
    let bias = match optional(6) {
        None => None,
        Some(name) => {
            let scales = weight_scales.iter().map(|scale| input_scale * scale).collect();
            let scale = writer.constant(&format!("{name}.scale"), Tensor::f32("", &b_scale.shape, scales)?);
            let rank = writer.value(name)?.map_or(1, |bias| bias.shape.len()) as i64;
            let bias = Quantized { values: name, scale: &scale, zero_point: "" };
            Some(writer.dequantize(bias, axis.map(|_| rank - 1)))
        }
    };
    let a = writer.dequantize(a, None);
    let b = writer.dequantize(b, axis);
    let mut inputs = Vec::from([a.as_str(), b.as_str()]);
    inputs.extend(bias.as_deref());
    let quantized = match (optional(7), optional(8)) {
        (Some(scale), Some(zero_point)) => Some((scale, zero_point, writer.real_of(y))),
        _ => None,
    };
    let real = quantized.as_ref().map_or(y.as_str(), |(_, _, real)| real);
    let gemm = new_node("Gemm", node.name(), &inputs, &[real]).with_int("transB", i64::from(transposed));
    writer.nodes.push(match node.attr_int("transA", 0)? {
        0 => gemm,
        transposed => gemm.with_int("transA", transposed),
    });
    if let Some((scale, zero_point, real)) = &quantized {
        writer.quantize(real, scale, zero_point, y);
    }
    Ok(true)
}

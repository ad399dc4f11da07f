//! DequantizeLinear.

use alloc::format;
use alloc::string::String;

use onnx_model::proto::NodeProto;
use onnx_model::{DataType, Tensor, TensorData};

use super::granularity::{Granularity, zero_points};
use super::quantize_linear::block_size;
use super::{Operands, integers, reals, result, type_attribute};
use crate::Error;

/// `(x - zero_point) * scale`.
pub(crate) struct DequantizeLinear {
    axis: i64,
    block_size: usize,
    /// Type of the result; that of the scale where the node does not say.
    output: Option<DataType>,
}

impl DequantizeLinear {
    pub(super) fn of(node: &NodeProto) -> Result<Self, Error> {
        let output = type_attribute(node, "output_dtype", &[DataType::Float, DataType::Float16, DataType::Bfloat16])?;
        Ok(Self { axis: node.attr_int("axis", 1)?, block_size: block_size(node)?, output })
    }

    pub(super) fn run(&self, operands: &Operands<'_>) -> Result<Tensor, String> {
        let (x, scale) = (operands.required(0, "x")?, operands.required(1, "x_scale")?);
        let zero_point = operands.optional(2);
        if let Some(zero_point) = zero_point
            && zero_point.data.data_type() != x.data.data_type()
        {
            let (of_x, of_zero_point) = (x.data.data_type(), zero_point.data.data_type());
            return Err(format!("it dequantizes {of_x} with a zero point of type {of_zero_point}"));
        }
        let granularity = Granularity::new(&x.shape, scale, self.axis, self.block_size)?;
        let scales = reals(scale, "x_scale", false)?;
        let zero_points = zero_points(zero_point, scales.len())?;
        let values = integers(x, "x")?.into_iter().enumerate().map(|(index, value)| {
            let at = granularity.index(index);
            value.saturating_sub(zero_points[at]) as f32 * scales[at]
        });
        let output = self.output.unwrap_or(scale.data.data_type());
        result(&x.shape, TensorData::from_f32(values.collect(), output))
    }
}

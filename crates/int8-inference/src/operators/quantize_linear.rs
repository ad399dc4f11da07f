//! QuantizeLinear.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;
use onnx_model::{DataType, Tensor, TensorData};

use super::granularity::{Granularity, zero_points};
use super::{Operands, reals, result, type_attribute};
use crate::Error;

/// The integer types that are quantized to.
const INTEGERS: [DataType; 8] = [
    DataType::Uint8,
    DataType::Int8,
    DataType::Uint16,
    DataType::Int16,
    DataType::Uint4,
    DataType::Int4,
    DataType::Uint2,
    DataType::Int2,
];

/// `saturate(round_half_even(x / scale) + zero_point)`.
pub(crate) struct QuantizeLinear {
    axis: i64,
    block_size: usize,
    output: Option<DataType>,
    /// Type in which is divided; that of the scale where the node does not say.
    precision: Option<DataType>,
}

impl QuantizeLinear {
    pub(super) fn of(node: &NodeProto) -> Result<Self, Error> {
        Ok(Self {
            axis: node.attr_int("axis", 1)?,
            block_size: block_size(node)?,
            output: type_attribute(node, "output_dtype", &INTEGERS)?,
            precision: type_attribute(node, "precision", &[DataType::Float, DataType::Float16, DataType::Bfloat16])?,
        })
    }

    pub(super) fn run(&self, operands: &Operands<'_>) -> Result<Tensor, String> {
        let (x, scale) = (operands.required(0, "x")?, operands.required(1, "y_scale")?);
        let zero_point = operands.optional(2);
        let granularity = Granularity::new(&x.shape, scale, self.axis, self.block_size)?;
        let declared = zero_point.map(|tensor| tensor.data.data_type());
        if let (Some(zero_point), Some(output)) = (declared, self.output)
            && zero_point != output
        {
            return Err(format!("its zero point is of type {zero_point}, its output_dtype is {output}"));
        }
        let output = declared.or(self.output).unwrap_or(DataType::Uint8);
        let (low, high) =
            range(output).ok_or_else(|| format!("it quantizes to {output}, which is no type for that"))?;
        let precision = self.precision.unwrap_or(scale.data.data_type());
        let scales = in_type(reals(scale, "y_scale", false)?, precision)?;
        let values = in_type(reals(x, "x", true)?, precision)?;
        let zero_points = zero_points(zero_point, scales.len())?;
        let quotients = values.iter().enumerate().map(|(index, x)| x / scales[granularity.index(index)]);
        let integers = in_type(quotients.collect(), precision)?.into_iter().enumerate().map(|(index, quotient)| {
            let zero_point = zero_points[granularity.index(index)] as f64;
            // A quotient that is not a number (0 / 0) counts as 0, as everywhere in this crate. In f64 the sum is exact where it is
            // not far outside of the range.
            let steps = if quotient.is_nan() { 0.0 } else { libm::rint(f64::from(quotient)) };
            (steps + zero_point).clamp(low as f64, high as f64) as i64
        });
        result(&x.shape, TensorData::from_i64(&integers.collect::<Vec<_>>(), output))
    }
}

/// The values rounded to a floating-point type. A quotient of two such numbers, rounded to f32 and then to the type, is the quotient
/// rounded to the type once: f32 has more than twice their bits.
fn in_type(values: Vec<f32>, data_type: DataType) -> Result<Vec<f32>, String> {
    if data_type == DataType::Float {
        return Ok(values);
    }
    let shape = [values.len()];
    reals(&result(&shape, TensorData::from_f32(values, data_type))?, "x", false)
}

/// Lowest and highest value of an integer type of at most 16 bits.
pub(super) fn range(data_type: DataType) -> Option<(i64, i64)> {
    let (bits, signed) = match data_type {
        DataType::Uint16 => (16, false),
        DataType::Int16 => (16, true),
        DataType::Uint8 => (8, false),
        DataType::Int8 => (8, true),
        DataType::Uint4 => (4, false),
        DataType::Int4 => (4, true),
        DataType::Uint2 => (2, false),
        DataType::Int2 => (2, true),
        _ => return None,
    };
    Some(if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) })
}

/// The attribute `block_size`, 0 where scales are not of blocks.
pub(super) fn block_size(node: &NodeProto) -> Result<usize, Error> {
    let block_size = node.attr_int("block_size", 0)?;
    usize::try_from(block_size).map_err(|_| Error::Invalid {
        node: describe(node),
        reason: format!("its block_size is {block_size}; blocks have a positive number of elements"),
    })
}

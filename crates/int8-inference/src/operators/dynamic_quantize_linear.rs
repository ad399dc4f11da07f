//! DynamicQuantizeLinear.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::{Tensor, TensorData};

use super::{Operands, reals, result};
use crate::quantization::QuantParams;

/// Quantizes to uint8 over the range of the whole tensor, widened to include 0; returns the integers, the scale and the zero point.
pub(super) fn run(operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
    let x = operands.required(0, "x")?;
    let values = reals(x, "x", false)?;
    let params = params_of_range(&values);
    let integers = values.iter().map(|&value| params.quantize(value)).collect();
    Ok(vec![
        result(&x.shape, Some(TensorData::U8(integers)))?,
        result(&[], Some(TensorData::F32(vec![params.scale])))?,
        result(&[], Some(TensorData::U8(vec![params.zero_point])))?,
    ])
}

/// Scale and zero point of DynamicQuantizeLinear: `(max - min) / 255` and `round_half_even(-min / scale)` of a range that includes 0.
///
/// A tensor of zeros alone, for which the operator's definition divides 0 by 0, has the scale 1, as in ONNX Runtime.
pub(crate) fn params_of_range(values: &[f32]) -> QuantParams {
    // Side by side in lanes, which the compiler turns into vectors; NaN is no bound.
    let mut lanes = [(0.0f32, 0.0f32); 16];
    for chunk in values.chunks(lanes.len()) {
        for ((low, high), &value) in lanes.iter_mut().zip(chunk) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    }
    let (low, high) = lanes.iter().fold((0.0f32, 0.0f32), |(low, high), lane| (low.min(lane.0), high.max(lane.1)));
    let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
    let zero_point = libm::rintf((0.0 - low / scale).clamp(0.0, 255.0)) as u8;
    QuantParams { scale, zero_point, signed: false }
}

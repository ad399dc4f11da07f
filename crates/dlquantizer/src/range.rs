//! From the values of a tensor to its scale and zero point.
//!
//! Affine quantization as ONNX `QuantizeLinear` and `DequantizeLinear` define it:
//! `q = saturate(round_half_even(x / scale) + zero_point)` and `x ≈ (q - zero_point) · scale`.

#[cfg(test)]
mod tests;

use crate::statistics::TensorStatistics;
use serde::{Deserialize, Serialize};

/// The smallest scale: 2^-60.
///
/// The product of two scales, the scale of an int32 bias, is then at least 2^-120 and never a subnormal number.
/// Tensors whose values are all below some 2^-52 lose resolution, not correctness.
pub const MIN_SCALE: f32 = f32::from_bits((127 - 60) << 23);

/// An integer type tensors are quantized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuantType {
    /// Unsigned, 0 to 255.
    U8,
    /// Signed, -128 to 127.
    I8,
}

impl QuantType {
    /// The smallest integer of the type.
    #[must_use]
    pub fn min(self) -> i32 {
        match self {
            Self::U8 => 0,
            Self::I8 => -128,
        }
    }

    /// The largest integer of the type.
    #[must_use]
    pub fn max(self) -> i32 {
        match self {
            Self::U8 => 255,
            Self::I8 => 127,
        }
    }

    /// Steps between the smallest and the largest integer.
    fn steps(self) -> f64 {
        f64::from(self.max() - self.min())
    }
}

/// An interval of finite real values that contains 0, so that 0 is always exactly representable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    min: f32,
    max: f32,
}

impl Range {
    /// The smallest interval with `min`, `max` and 0 in it; none unless both are finite and `min <= max`.
    #[must_use]
    pub fn new(min: f32, max: f32) -> Option<Self> {
        (min.is_finite() && max.is_finite() && min <= max).then(|| Self { min: min.min(0.0), max: max.max(0.0) })
    }

    /// The interval of all finite values of a tensor; none without a finite value.
    #[must_use]
    pub fn min_max(statistics: &TensorStatistics) -> Option<Self> {
        Self::new(statistics.min()?, statistics.max()?)
    }

    /// The lower end, at most 0.
    #[must_use]
    pub fn min(self) -> f32 {
        self.min
    }

    /// The upper end, at least 0.
    #[must_use]
    pub fn max(self) -> f32 {
        self.max
    }

    /// The larger of both ends' distances from 0.
    #[must_use]
    pub fn abs_max(self) -> f32 {
        self.max.max(-self.min)
    }
}

/// How scale and zero point of an activation are read off its calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub enum RangeMethod {
    /// The interval from the smallest to the largest value observed, in equal steps.
    #[default]
    #[serde(rename = "minmax")]
    MinMax,
    /// The same interval, with the scale a power of two.
    #[serde(rename = "power-of-two")]
    PowerOfTwo,
}

impl RangeMethod {
    /// Scale and zero point for a tensor with these statistics; none without a finite value.
    #[must_use]
    pub fn quant_params(self, statistics: &TensorStatistics, quant_type: QuantType) -> Option<QuantParams> {
        let range = Range::min_max(statistics)?;
        Some(match self {
            Self::MinMax => QuantParams::asymmetric(range, quant_type),
            Self::PowerOfTwo => QuantParams::power_of_two(range, quant_type),
        })
    }
}

/// Scale and zero point of a tensor, or of one channel of a weight.
///
/// The constructors give a finite scale of at least [`MIN_SCALE`] and a zero point within the type.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuantParams {
    /// The real value of one step.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero_point: i32,
    /// The integer type.
    #[serde(rename = "type")]
    pub quant_type: QuantType,
}

impl QuantParams {
    /// The type's whole width spread over `range`: `scale = (max - min) / 255` and
    /// `zero_point = round_half_even(qmin - min / scale)`.
    ///
    /// The range `[0, 0]` gets scale 1. Source: Jacob et al., "Quantization and Training of Neural Networks for
    /// Efficient Integer-Arithmetic-Only Inference" (2018), section 3; ONNX `DynamicQuantizeLinear`.
    #[must_use]
    pub fn asymmetric(range: Range, quant_type: QuantType) -> Self {
        // In f64, where max - min neither overflows nor rounds twice.
        let width = f64::from(range.max) - f64::from(range.min);
        let scale = usable_scale(width / quant_type.steps());
        let zero_point = f64::from(quant_type.min()) - (f64::from(range.min) / f64::from(scale));
        Self {
            scale,
            zero_point: (zero_point.round_ties_even() as i32).clamp(quant_type.min(), quant_type.max()),
            quant_type,
        }
    }

    /// `[-abs_max, abs_max]` in steps of `abs_max / qmax`, with 0 for 0: the scheme of weights, int8 in [-127, 127].
    ///
    /// `abs_max = 0`, a dead channel, gets scale 1. For `u8` the zero point is 128. The sign of `abs_max` is ignored;
    /// NaN and infinity count as the largest finite f32.
    #[must_use]
    pub fn symmetric(abs_max: f32, quant_type: QuantType) -> Self {
        let abs_max = f64::from(abs_max.abs().min(f32::MAX));
        Self { scale: usable_scale(abs_max / 127.0), zero_point: quant_type.min() + 128, quant_type }
    }

    /// The smallest scale `2^k` for which an integer zero point puts all of `range` inside the type.
    ///
    /// That is the smallest `k` with `ceil(-min / 2^k) + ceil(max / 2^k) <= 255`, and
    /// `zero_point = qmin + ceil(-min / 2^k)`; nothing in `range` saturates. It is the `ExponentScheme` "MinMax" of
    /// `quantize` in MATLAB's Deep Learning Toolbox (the exponent from the range in the calibration statistics, without
    /// overflow), which knows signed symmetric types only, with a zero point added. The range `[0, 0]` gets scale 1.
    #[must_use]
    pub fn power_of_two(range: Range, quant_type: QuantType) -> Self {
        let (below, above) = (-f64::from(range.min), f64::from(range.max));
        let steps = quant_type.steps();
        // Every step is exact: a power of two times an f32, in f64.
        let mut scale = if below + above == 0.0 { 1.0 } else { f64::from(MIN_SCALE) };
        while (below / scale).ceil() + (above / scale).ceil() > steps {
            scale *= 2.0;
        }
        Self { scale: scale as f32, zero_point: quant_type.min() + (below / scale).ceil() as i32, quant_type }
    }

    /// The integer for `x`: `saturate(round_half_even(x / scale) + zero_point)` in f32 (ONNX `QuantizeLinear`).
    ///
    /// NaN gives the zero point.
    #[must_use]
    pub fn quantize(self, x: f32) -> i32 {
        // The cast saturates, so the sum must as well.
        let steps = (x / self.scale).round_ties_even() as i32;
        steps.saturating_add(self.zero_point).clamp(self.quant_type.min(), self.quant_type.max())
    }

    /// The value `q` stands for: `(q - zero_point) · scale` in f32 (ONNX `DequantizeLinear`).
    ///
    /// For a range that reaches beyond ±2^127 that can be an infinity at its ends.
    #[must_use]
    pub fn dequantize(self, q: i32) -> f32 {
        q.saturating_sub(self.zero_point) as f32 * self.scale
    }

    /// What is left of `x` after quantization.
    #[must_use]
    pub fn fake_quantize(self, x: f32) -> f32 {
        self.dequantize(self.quantize(x))
    }
}

/// `scale` as f32; 1 for 0, at least [`MIN_SCALE`] for the rest.
fn usable_scale(scale: f64) -> f32 {
    if scale > 0.0 { (scale as f32).max(MIN_SCALE) } else { 1.0 }
}

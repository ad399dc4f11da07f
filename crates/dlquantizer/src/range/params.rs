//! Scale and zero point, and what they make of a value.

use super::{QuantType, Range, Scheme};
use serde::Serialize;

/// The smallest scale: 2^-60.
///
/// The product of two scales, the scale of an int32 bias, is then at least 2^-120 and never a subnormal number.
/// Tensors whose values are all below some 2^-52 lose resolution, not correctness.
pub const MIN_SCALE: f32 = f32::from_bits((127 - 60) << 23);

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
    /// `range` in the steps of [`Self::asymmetric`] or [`Self::symmetric`].
    #[must_use]
    pub fn new(range: Range, quant_type: QuantType, scheme: Scheme) -> Self {
        match scheme {
            Scheme::Asymmetric => Self::asymmetric(range, quant_type),
            Scheme::Symmetric => Self::symmetric(range.abs_max(), quant_type),
        }
    }

    /// The type's whole width spread over `range`: `scale = (max - min) / (qmax - qmin)` and
    /// `zero_point = round_half_even(qmin - min / scale)`.
    ///
    /// The range `[0, 0]` gets scale 1. Source: Jacob et al., "Quantization and Training of Neural Networks for
    /// Efficient Integer-Arithmetic-Only Inference" (2018), section 3; ONNX `DynamicQuantizeLinear`.
    #[must_use]
    pub fn asymmetric(range: Range, quant_type: QuantType) -> Self {
        // In f64, where max - min neither overflows nor rounds twice.
        let width = f64::from(range.max) - f64::from(range.min);
        let scale = usable_scale(width / f64::from(quant_type.steps()));
        let zero_point = f64::from(quant_type.min()) - (f64::from(range.min) / f64::from(scale));
        Self {
            scale,
            zero_point: (zero_point.round_ties_even() as i32).clamp(quant_type.min(), quant_type.max()),
            quant_type,
        }
    }

    /// `[-abs_max, abs_max]` in steps of `abs_max / (2^(bits - 1) - 1)`, with the middle of the type for 0: the scheme of
    /// weights, int8 in [-127, 127].
    ///
    /// `abs_max = 0`, a dead channel, gets scale 1. The sign of `abs_max` is ignored; NaN and infinity count as the
    /// largest finite f32.
    #[must_use]
    pub fn symmetric(abs_max: f32, quant_type: QuantType) -> Self {
        let abs_max = f64::from(abs_max.abs().min(f32::MAX));
        let scale = usable_scale(abs_max / f64::from(quant_type.half() - 1));
        Self { scale, zero_point: quant_type.middle(), quant_type }
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

    /// The interval from the smallest to the largest value the type stands for; values outside saturate.
    #[must_use]
    pub fn range(self) -> Range {
        let end = |q| self.dequantize(q).clamp(f32::MIN, f32::MAX);
        Range { min: end(self.quant_type.min()).min(0.0), max: end(self.quant_type.max()).max(0.0) }
    }
}

impl QuantType {
    /// The zero point of the symmetric scheme.
    pub(super) fn middle(self) -> i32 {
        self.min() + self.half()
    }
}

/// `scale` as f32; 1 for 0, at least [`MIN_SCALE`] for the rest.
fn usable_scale(scale: f64) -> f32 {
    if scale > 0.0 { (scale as f32).max(MIN_SCALE) } else { 1.0 }
}

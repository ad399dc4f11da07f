//! Scale and zero point of a tensor inside the plan.

/// How the integers of one tensor map to real numbers: `x = (q - zero_point) * scale`.
///
/// The plan stores every quantized activation as u8. An int8 tensor is held shifted by 128, zero point included, which changes no
/// value and no rounding: `q_u8 = q_i8 + 128`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantParams {
    /// Real size of one integer step, finite and positive.
    pub scale: f32,
    /// The integer that stands for 0.0, in the u8 form.
    pub zero_point: u8,
    /// Whether the file declares the tensor as int8.
    pub signed: bool,
}

impl QuantParams {
    /// `saturate(round_half_even(x / scale) + zero_point)` as ONNX QuantizeLinear defines it, in the u8 form; NaN counts as 0.
    pub fn quantize(&self, x: f32) -> u8 {
        let steps = x / self.scale;
        if steps.is_nan() {
            return self.zero_point;
        }
        // Beyond these bounds the sum saturates anyway; inside them it is exact in f32.
        let steps = libm::rintf(steps.clamp(-512.0, 512.0));
        (steps + f32::from(self.zero_point)).clamp(0.0, 255.0) as u8
    }

    /// `(q - zero_point) * scale` as ONNX DequantizeLinear defines it, from the u8 form.
    pub fn dequantize(&self, q: u8) -> f32 {
        (i32::from(q) - i32::from(self.zero_point)) as f32 * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_ties_to_even_and_saturates() {
        let p = QuantParams { scale: 0.5, zero_point: 10, signed: false };
        assert_eq!(p.quantize(0.25), 10);
        assert_eq!(p.quantize(0.75), 12);
        assert_eq!(p.quantize(-0.75), 8);
        assert_eq!(p.quantize(f32::INFINITY), 255);
        assert_eq!(p.quantize(f32::NEG_INFINITY), 0);
        assert_eq!(p.quantize(f32::NAN), 10);
        assert_eq!(p.quantize(1e30), 255);
    }

    #[test]
    fn every_integer_survives_the_round_trip() {
        for zero_point in [0u8, 1, 127, 128, 255] {
            let p = QuantParams { scale: 0.037, zero_point, signed: false };
            for q in 0..=255u8 {
                assert_eq!(p.quantize(p.dequantize(q)), q);
            }
        }
    }
}

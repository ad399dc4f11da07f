//! Activations as levels of uint8, and what their roundings let through backwards.

use super::weights::round;

/// A tensor of uint8 levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) scale: f32,
    pub(super) zero_point: u8,
    /// Lowest level written: 0, or the zero point behind a ReLU.
    pub(super) lowest: u8,
}

impl Levels {
    /// The level for `x / scale`, and whether it is within the range.
    #[inline(always)]
    fn level(self, steps: f32) -> (u8, bool) {
        let level = round(steps) + f32::from(self.zero_point);
        let inside = (f32::from(self.lowest)..=255.0).contains(&level);
        (level.clamp(f32::from(self.lowest), 255.0) as u8, inside)
    }

    /// Requantizes sums `[rows, multipliers.len()]` (the kernel contract's one multiplication, rounding, zero point, saturation).
    pub(super) fn requantize(self, sums: &[i32], multipliers: &[f32], levels: &mut [u8]) {
        for (sums, levels) in sums.chunks_exact(multipliers.len()).zip(levels.chunks_exact_mut(multipliers.len())) {
            for ((&sum, multiplier), level) in sums.iter().zip(multipliers).zip(levels) {
                *level = self.level(sum as f32 * multiplier).0;
            }
        }
    }

    /// Carries derivatives by the dequantized levels back: in place to derivatives by what was rounded, `steps` of which is told by
    /// position, and returns the derivative by the binary logarithm of the scale.
    ///
    /// Esser et al. 2020, eq. 2 and 3: inside the range values pass, and the scale feels the rounding error; outside, values stop, and the
    /// scale feels the end of the range.
    pub(super) fn backward(self, by_values: &mut [f32], steps: impl Fn(usize) -> f32) -> f64 {
        let mut by_scale = 0.0;
        for (at, by_value) in by_values.iter_mut().enumerate() {
            let steps = steps(at);
            let (level, inside) = self.level(steps);
            let zero = f32::from(level) - f32::from(self.zero_point);
            let slope = if inside { zero - steps } else { zero };
            by_scale += f64::from(*by_value) * f64::from(slope);
            // Behind a ReLU what rounds to 0 from below was below 0.
            let cut = self.lowest == self.zero_point && steps < 0.0;
            if !inside || cut {
                *by_value = 0.0;
            }
        }
        by_scale * f64::from(self.scale) * std::f64::consts::LN_2
    }
}

/// The integer levels a scaled real value is rounded and saturated to: `clamp(round_half_even(x) + zero_point, min, max)`, NaN counting as 0.
///
/// The bounds are whole numbers, so clamping before rounding gives the same level as after it, and no intermediate leaves the exact range
/// of `f32` and `i32`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    /// `min - zero_point`.
    pub(crate) low: f32,
    /// `max - zero_point`.
    pub(crate) high: f32,
    pub(crate) zero_point: i32,
}

impl Levels {
    /// Levels of an 8-bit type, given as its values widened to `i32`.
    pub(crate) fn new(zero_point: i32, min: i32, max: i32) -> Self {
        Self { low: (min - zero_point) as f32, high: (max - zero_point) as f32, zero_point }
    }

    pub(crate) fn u8(zero_point: u8) -> Self {
        Self::new(zero_point.into(), 0, 255)
    }

    pub(crate) fn i8(zero_point: i8) -> Self {
        Self::new(zero_point.into(), -128, 127)
    }

    /// The level of `x`.
    pub(crate) fn saturate(self, x: f32) -> i32 {
        // Adding 1.5 * 2^23 leaves no bits below the unit, so the addition itself rounds, half to even; exact for |x| < 2^22.
        const ROUND: f32 = 12_582_912.0;
        let x = if x.is_nan() { 0.0 } else { x };
        let x = if self.low > x { self.low } else { x };
        let x = if self.high < x { self.high } else { x };
        ((x + ROUND) - ROUND) as i32 + self.zero_point
    }
}

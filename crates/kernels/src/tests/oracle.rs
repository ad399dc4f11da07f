//! The contract written the naive way, on wide types and with the standard library's rounding, and data to test it on.

use crate::Weights;

/// Accumulators `[rows, n]`: an `i64` triple loop, truncated to 32 bits.
pub(crate) fn accumulators(input: &[u8], rows: usize, weights: &Weights<'_>, bias: &[i32]) -> Vec<i32> {
    let Weights { values, k, n, zero_points, .. } = *weights;
    let mut sums = Vec::with_capacity(rows * n);
    for row in 0..rows {
        for channel in 0..n {
            let mut sum = i64::from(bias[channel]);
            for i in 0..k {
                let zero_point = if zero_points.is_empty() { 0 } else { i64::from(zero_points[channel]) };
                sum += i64::from(input[row * k + i]) * (i64::from(values[i * n + channel]) - zero_point);
            }
            sums.push(sum as i32);
        }
    }
    sums
}

/// `clamp(round_half_even(x) + zero_point, min, max)`, NaN counting as 0.
pub(crate) fn level(x: f32, zero_point: i32, min: i32, max: i32) -> i32 {
    let x = if x.is_nan() { 0.0 } else { f64::from(x.round_ties_even()) };
    (x + f64::from(zero_point)).clamp(min.into(), max.into()) as i32
}

/// `x` raised to `min`, then lowered to `max`; NaN and the sign of zero stay.
pub(crate) fn clip(x: f32, min: f32, max: f32) -> f32 {
    let x = if x < min { min } else { x };
    if x > max { max } else { x }
}

/// Bits of `x`, with one value for every NaN: IEEE leaves their payloads open.
pub(crate) fn bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same data for the same seed everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Bytes of which one half are `extremes`, the others uniform.
    pub(crate) fn bytes(&mut self, len: usize, extremes: &[u8]) -> Vec<u8> {
        (0..len)
            .map(|_| {
                let random = self.next();
                if random & 1 == 0 { extremes[(random >> 8) as usize % extremes.len()] } else { (random >> 16) as u8 }
            })
            .collect()
    }

    pub(crate) fn inputs(&mut self, len: usize) -> Vec<u8> {
        self.bytes(len, &[0, 255, 128, 127, 1])
    }

    pub(crate) fn weights(&mut self, len: usize) -> Vec<i8> {
        self.bytes(len, &[128, 127, 129, 0, 255]).into_iter().map(|byte| byte as i8).collect()
    }

    /// Any float there is: every bit pattern is as likely.
    pub(crate) fn float_bits(&mut self) -> f32 {
        f32::from_bits(self.next() as u32)
    }

    /// A positive float between 2^-20 and 2^4.
    pub(crate) fn scale(&mut self) -> f32 {
        let mantissa = 1.0 + self.below(1 << 23) as f32 / (1 << 23) as f32;
        mantissa * (self.below(24) as f32 - 20.0).exp2()
    }
}

/// What [`Kernel::matmul`](crate::Kernel::matmul) makes of its int32 accumulators, `[rows, n]` row-major.
#[derive(Debug)]
pub enum Output<'a> {
    /// The accumulators themselves.
    I32(&'a mut [i32]),
    /// Quantized to uint8.
    U8 {
        /// Where to write.
        out: &'a mut [u8],
        /// Per-channel factors and the levels to saturate to.
        requantize: Requantize<'a>,
    },
    /// Dequantized: `acc as f32 * scales[c]`, then raised to `min` and lowered to `max`.
    F32 {
        /// Where to write.
        out: &'a mut [f32],
        /// Real value of one accumulator step, per output channel `[n]`.
        scales: &'a [f32],
        /// Lowest value written; `f32::NEG_INFINITY` for no bound, 0 for a fused ReLU.
        min: f32,
        /// Highest value written; `f32::INFINITY` for no bound. Wins over `min`.
        max: f32,
    },
}

/// From int32 accumulators to uint8: `clamp(round_half_even(acc as f32 * multipliers[c]) + zero_point, min, max)`.
///
/// The multiplier of channel `c` is `(input_scale * weight_scales[c]) / output_scale`. A product that is NaN (an infinite multiplier times
/// zero) counts as 0.
#[derive(Clone, Copy, Debug)]
pub struct Requantize<'a> {
    /// One factor per output channel, `[n]`.
    pub multipliers: &'a [f32],
    /// The level that stands for 0.
    pub zero_point: u8,
    /// Lowest level written: 0, or `zero_point` for a fused ReLU, or that of a Clip.
    pub min: u8,
    /// Highest level written: 255, or that of a Clip.
    pub max: u8,
}

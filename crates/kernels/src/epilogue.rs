/// What [`Kernel::matmul_f32`](crate::Kernel::matmul_f32) does to each sum before it is written: adds the bias, then clamps.
///
/// The result is `x = sum + bias[c]`, then `if min > x { min } else { x }`, then `if max < x { max } else { x }`. So NaN stays NaN, and
/// -0.0 passes a ReLU (`min` 0.0) as it is, since it is not below 0.0.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// One value per output channel, `[n]`; -0.0 for none, which alone changes no sum, not even one of -0.0.
    pub bias: &'a [f32],
    /// Lowest value written; `f32::NEG_INFINITY` for no bound, 0 for a fused ReLU.
    pub min: f32,
    /// Highest value written; `f32::INFINITY` for no bound. Wins over `min`.
    pub max: f32,
}

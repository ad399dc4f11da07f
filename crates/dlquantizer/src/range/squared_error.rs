//! The expected squared error of a quantization.
//!
//! In steps, `u = x / scale`, quantization maps `u` to the nearest whole number `n(u) = round(clamp(u, L, U))` with the
//! `L = qmin - zero_point` and `U = qmax - zero_point` steps below and above 0. The squared error `(u - n(u))²`, the
//! rounding error inside of the type and the clipping error outside alike, has the antiderivative
//!
//! ```text
//! G(u) = n(u)/12 + (u - n(u))³/3,
//! ```
//!
//! since it is 1/12 on average over a whole step. Values spread evenly over [a, b] therefore have the expected error
//! `scale² · (G(b) - G(a)) / (b - a)`, without approximation, however a bin compares with a step in width. Where a and b
//! have the same `n`, that is `scale² · ((m - n)² + h²/3)` with the mean m and the half width h.

#[cfg(test)]
mod tests;

use super::spread::Spread;
use super::{QuantParams, QuantType, Scheme};
use crate::statistics::TensorStatistics;

/// The bins of a tensor, prepared for evaluating the errors of many quantizations.
pub(super) struct SquaredError {
    /// By ascending value.
    bins: Vec<Prepared>,
}

struct Prepared {
    count: f64,
    mean: f64,
    low: f64,
    high: f64,
    /// `half_width² / 3`, the variance.
    variance: f64,
    /// `count / (high - low)`; 0 for no width.
    density: f64,
}

/// What a quantization costs: the sum of the expected squared errors of all values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) params: QuantParams,
    pub(super) error: f64,
}

impl SquaredError {
    pub(super) fn of(statistics: &TensorStatistics) -> Self {
        let prepare = |spread: Spread| {
            let count = spread.count as f64;
            let width = 2.0 * spread.half_width;
            Prepared {
                count,
                mean: spread.mean,
                low: spread.low(),
                high: spread.high(),
                variance: spread.half_width * spread.half_width / 3.0,
                density: if width > 0.0 { count / width } else { 0.0 },
            }
        };
        Self { bins: Spread::all(statistics).into_iter().map(prepare).collect() }
    }

    /// The cost of a quantization.
    pub(super) fn cost(&self, params: QuantParams) -> Cost {
        let scale = f64::from(params.scale);
        let per_step = 1.0 / scale;
        let lowest = f64::from(params.quant_type.min() - params.zero_point);
        let highest = f64::from(params.quant_type.max() - params.zero_point);
        let nearest = |u: f64| round(u.clamp(lowest, highest));
        let mut within_a_step = 0.0;
        let mut across_steps = 0.0;
        for bin in &self.bins {
            let (low, high) = (bin.low * per_step, bin.high * per_step);
            let (first, last) = (nearest(low), nearest(high));
            if first == last {
                let off = bin.mean - first * scale;
                within_a_step += bin.count * (off * off + bin.variance);
            } else {
                let cube = |r: f64| r * r * r;
                across_steps += bin.density * ((last - first) / 12.0 + (cube(high - last) - cube(low - first)) / 3.0);
            }
        }
        Cost { params, error: within_a_step + across_steps * scale * scale * scale }
    }

    /// The quantization with this scale that costs least.
    ///
    /// With a given scale the steps are where they are, and the zero point only decides how many of them lie below 0.
    /// The first step added at an end gains most, since what a value beyond gains, `max(0, 2(u - U) - 1)`, falls with `U`.
    /// So the cost is convex in the zero point, and bisection finds where a step is worth the same at both ends.
    pub(super) fn least(&self, scale: f32, quant_type: QuantType, scheme: Scheme) -> Cost {
        let below = match scheme {
            Scheme::Symmetric => quant_type.half(),
            Scheme::Asymmetric => {
                let steps = quant_type.steps();
                let (mut enough, mut too_few) = (steps, -1);
                while enough - too_few > 1 {
                    let below = (enough + too_few) / 2;
                    if self.gain_below(scale, below) <= self.gain_above(scale, steps - below - 1) {
                        enough = below;
                    } else {
                        too_few = below;
                    }
                }
                enough
            }
        };
        self.cost(QuantParams { scale, zero_point: quant_type.min() + below, quant_type })
    }

    /// What one step more than `steps` above 0 gains, in squared steps.
    fn gain_above(&self, scale: f32, steps: i32) -> f64 {
        gain(self.bins.iter().rev().map(|bin| (bin.low, bin.high, bin)), scale, steps)
    }

    /// What one step more than `steps` below 0 gains, in squared steps.
    fn gain_below(&self, scale: f32, steps: i32) -> f64 {
        gain(self.bins.iter().map(|bin| (-bin.high, -bin.low, bin)), scale, steps)
    }

    /// A bound from below for the cost of every quantization that spans `width`: values further from 0 are clipped by
    /// the excess at least.
    pub(super) fn clipped(&self, width: f64) -> f64 {
        let excess = |bin: &Prepared| bin.count * (bin.mean.abs() - width) * (bin.mean.abs() - width);
        let below: f64 = self.bins.iter().take_while(|bin| bin.mean < -width).map(excess).sum();
        let above: f64 = self.bins.iter().rev().take_while(|bin| bin.mean > width).map(excess).sum();
        below + above
    }
}

/// Over bins with their ends by descending distance from 0.
fn gain<'a>(bins: impl Iterator<Item = (f64, f64, &'a Prepared)>, scale: f32, steps: i32) -> f64 {
    let per_step = 1.0 / f64::from(scale);
    // Beyond this the added step is nearer.
    let half_way = f64::from(steps) + 0.5;
    let mut gain = 0.0;
    for (near, far, bin) in bins {
        let (near, far) = (near * per_step - half_way, far * per_step - half_way);
        if far <= 0.0 {
            break;
        }
        gain += if near >= 0.0 { bin.count * (near + far) } else { bin.density * far * far * f64::from(scale) };
    }
    gain
}

/// To the nearest whole number, ties to even, for up to 2^51: in the sum nothing is left of the fraction.
fn round(u: f64) -> f64 {
    const SHIFT: f64 = 1.5 * (1_u64 << 52) as f64;
    (u + SHIFT) - SHIFT
}

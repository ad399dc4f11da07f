//! The scale and zero point of the least expected squared error.

#[cfg(test)]
mod tests;

use super::squared_error::{Cost, SquaredError};
use super::{MIN_SCALE, QuantParams, QuantType, Range, Scheme};
use crate::statistics::TensorStatistics;

/// 2^(-1/8), the ratio of neighbouring scales of the grid.
const GRID: f64 = 0.917_004_043_204_671_2;

/// The scale is found to within this factor.
const PRECISION: f64 = 1.0 + 1.0 / 4096.0;

/// The quantization that minimizes the expected squared error, its scale being at most that of min/max.
///
/// A grid of scales from that of min/max downwards, each with the zero point that suits it best, until what is clipped in
/// any case costs more than the best so far; then around the best of the grid by ever smaller steps. Min/max itself is
/// the first candidate, and what comes later must cost less.
pub(super) fn params(statistics: &TensorStatistics, all: Range, quant_type: QuantType, scheme: Scheme) -> QuantParams {
    let errors = SquaredError::of(statistics);
    let widest = errors.cost(QuantParams::new(all, quant_type, scheme));
    let largest_scale = f64::from(widest.params.scale);
    let at = |scale: f64| errors.least((scale as f32).max(MIN_SCALE), quant_type, scheme);
    let mut best = widest;
    let mut scale = largest_scale * GRID;
    while scale > f64::from(MIN_SCALE) && errors.clipped(scale * f64::from(quant_type.steps())) < best.error {
        best = best.or(at(scale));
        scale *= GRID;
    }
    let mut ratio = GRID.recip().sqrt();
    while ratio > PRECISION {
        let scale = f64::from(best.params.scale);
        let neighbours = best.or(at((scale * ratio).min(largest_scale))).or(at(scale / ratio));
        if neighbours.params == best.params {
            ratio = ratio.sqrt();
        }
        best = neighbours;
    }
    best.params
}

impl Cost {
    /// The one that costs less; `self` if equal.
    pub(super) fn or(self, other: Self) -> Self {
        if other.error < self.error { other } else { self }
    }
}

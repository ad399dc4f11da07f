//! Scales that are powers of two, by which a shift divides.

#[cfg(test)]
mod tests;

use super::squared_error::SquaredError;
use super::{MIN_SCALE, QuantParams, QuantType, Range, Scheme};
use crate::statistics::TensorStatistics;

impl QuantParams {
    /// The smallest scale `2^k` for which an integer zero point puts all of `range` inside the type.
    ///
    /// Asymmetric, that is the smallest `k` with `ceil(-min / 2^k) + ceil(max / 2^k) <= qmax - qmin`, and
    /// `zero_point = qmin + ceil(-min / 2^k)`; symmetric, the smallest with `ceil(abs_max / 2^k) <= 2^(bits - 1) - 1`.
    /// Nothing in `range` saturates: the idea of the `ExponentScheme` "MinMax" of MATLAB's `quantize`, with a zero point
    /// added. The range `[0, 0]` gets scale 1.
    #[must_use]
    pub fn power_of_two(range: Range, quant_type: QuantType, scheme: Scheme) -> Self {
        let (below, above) = (-f64::from(range.min), f64::from(range.max));
        // Every step is exact: a power of two times an f32, in f64.
        let steps = |scale: f64| (((below / scale).ceil()), (above / scale).ceil());
        let covers = |scale: f64| {
            let (below, above) = steps(scale);
            match scheme {
                Scheme::Asymmetric => below + above <= f64::from(quant_type.steps()),
                Scheme::Symmetric => below.max(above) <= f64::from(quant_type.half() - 1),
            }
        };
        let mut scale = if below + above == 0.0 { 1.0 } else { f64::from(MIN_SCALE) };
        while !covers(scale) {
            scale *= 2.0;
        }
        let zero_point = match scheme {
            Scheme::Asymmetric => quant_type.min() + steps(scale).0 as i32,
            Scheme::Symmetric => quant_type.middle(),
        };
        Self { scale: scale as f32, zero_point, quant_type }
    }
}

/// The scale `2^k` and zero point that minimize the expected squared error.
///
/// The idea of the `ExponentScheme` "Histogram" of MATLAB's `quantize`: the exponent that fits the distribution of the
/// calibration data best, so that rare values may overflow for the sake of the others. How MATLAB measures the fit is not
/// known to us; here it is the squared error. Of equal ones the largest scale is taken.
pub(super) fn least_error(
    statistics: &TensorStatistics,
    all: Range,
    quant_type: QuantType,
    scheme: Scheme,
) -> QuantParams {
    let errors = SquaredError::of(statistics);
    let mut best = errors.cost(QuantParams::power_of_two(all, quant_type, scheme));
    let mut scale = best.params.scale;
    while scale > MIN_SCALE {
        best = best.or(errors.least(scale, quant_type, scheme));
        scale /= 2.0;
        if errors.clipped(f64::from(scale) * f64::from(quant_type.steps())) >= best.error {
            break;
        }
    }
    best.params
}

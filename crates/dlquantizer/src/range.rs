//! From the values of a tensor to its scale and zero point.
//!
//! Affine quantization as ONNX `QuantizeLinear` and `DequantizeLinear` define it:
//! `q = saturate(round_half_even(x / scale) + zero_point)` and `x ≈ (q - zero_point) · scale`.
//!
//! Every [`RangeMethod`] reads scale and zero point off a [`TensorStatistics`], without the values. Where a method needs
//! more than count, minimum and maximum, it takes the values of a histogram bin as spread evenly around their exact mean,
//! which moves none of them by more than the width of the bin: 2^-7 of its size.

mod entropy;
mod linear_histogram;
mod mse;
mod params;
mod percentile;
mod power_of_two;
mod quant_type;
mod spread;
mod squared_error;
#[cfg(test)]
mod tests;
mod written;

pub use params::{MIN_SCALE, QuantParams};
pub use percentile::Percentile;
pub use quant_type::{QuantType, Scheme};

use crate::statistics::TensorStatistics;

/// An interval of finite real values that contains 0, so that 0 is always exactly representable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    min: f32,
    max: f32,
}

impl Range {
    /// The smallest interval with `min`, `max` and 0 in it; none unless both are finite and `min <= max`.
    #[must_use]
    pub fn new(min: f32, max: f32) -> Option<Self> {
        (min.is_finite() && max.is_finite() && min <= max).then(|| Self { min: min.min(0.0), max: max.max(0.0) })
    }

    /// The interval of all finite values of a tensor; none without a finite value.
    #[must_use]
    pub fn min_max(statistics: &TensorStatistics) -> Option<Self> {
        Self::new(statistics.min()?, statistics.max()?)
    }

    /// The lower end, at most 0.
    #[must_use]
    pub fn min(self) -> f32 {
        self.min
    }

    /// The upper end, at least 0.
    #[must_use]
    pub fn max(self) -> f32 {
        self.max
    }

    /// The larger of both ends' distances from 0.
    #[must_use]
    pub fn abs_max(self) -> f32 {
        self.max.max(-self.min)
    }
}

/// How scale and zero point of an activation are read off its calibration.
///
/// In a recipe a method is its name, `range = "entropy"`; a percentile other than 99.99 is
/// `range = { percentile = 99.9 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum RangeMethod {
    /// `"minmax"`: the interval from the smallest to the largest value observed.
    #[default]
    MinMax,
    /// `"percentile"`: the interval that leaves out a share of the values, half of it at either end.
    Percentile(Percentile),
    /// `"entropy"`: the interval whose quantized histogram has the least Kullback-Leibler divergence from the histogram
    /// of all values, as in TensorRT.
    Entropy,
    /// `"mse"`: the scale and zero point of the least expected squared error.
    Mse,
    /// `"power-of-two-minmax"`: the smallest scale 2^k that covers the interval from the smallest to the largest value.
    PowerOfTwoMinMax,
    /// `"power-of-two-histogram"`: the scale 2^k and zero point of the least expected squared error.
    PowerOfTwoHistogram,
}

impl RangeMethod {
    /// Every method, the percentile being 99.99.
    pub const ALL: [Self; 6] = [
        Self::MinMax,
        Self::Percentile(Percentile::DEFAULT),
        Self::Entropy,
        Self::Mse,
        Self::PowerOfTwoMinMax,
        Self::PowerOfTwoHistogram,
    ];

    /// Scale and zero point for a tensor with these statistics; none without a finite value.
    ///
    /// Equal statistics give equal bits, on every machine.
    #[must_use]
    pub fn quant_params(
        self,
        statistics: &TensorStatistics,
        quant_type: QuantType,
        scheme: Scheme,
    ) -> Option<QuantParams> {
        let all = Range::min_max(statistics)?;
        Some(match self {
            Self::MinMax => QuantParams::new(all, quant_type, scheme),
            Self::Percentile(percentile) => {
                QuantParams::new(percentile.range_of(statistics, scheme)?, quant_type, scheme)
            }
            Self::Entropy => QuantParams::new(entropy::range(statistics, all, quant_type, scheme), quant_type, scheme),
            Self::Mse => mse::params(statistics, all, quant_type, scheme),
            Self::PowerOfTwoMinMax => QuantParams::power_of_two(all, quant_type, scheme),
            Self::PowerOfTwoHistogram => power_of_two::least_error(statistics, all, quant_type, scheme),
        })
    }
}

//! The sizes of a tensor's values by powers of two, as a small histogram of them shows.

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{HistogramBin, TensorStatistics};
use crate::range::QuantParams;

/// The values with `2^exponent <= |x| < 2^(exponent + 1)`, by what becomes of them when they are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Octave {
    /// From [`Octave::LOWEST`] to 127.
    pub exponent: i32,
    /// Values that come out within half a step of themselves, other than as zero.
    pub in_range: u64,
    /// Values beyond the ends of the type, which saturate.
    pub clipped: u64,
    /// Values that come out as zero.
    pub underflow: u64,
}

impl Octave {
    /// The exponent of the octave that has all smaller values in it, too: they share a histogram bin.
    pub const LOWEST: i32 = -134;

    /// Values of either sign, at least 1.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.in_range + self.clipped + self.underflow
    }
}

impl TensorStatistics {
    /// The finite values by powers of two, without zeros (see [`Self::zeros`]): the occupied octaves by ascending
    /// exponent. Without `params` all values are in range.
    ///
    /// Counts of values are exact. All values of a histogram bin count for what becomes of their mean, so only values
    /// within `2^-7` of where clipping or underflow begins can be counted for the wrong one.
    #[must_use]
    pub fn octaves(&self, params: Option<QuantParams>) -> Vec<Octave> {
        let empty = |exponent| Octave { exponent, in_range: 0, clipped: 0, underflow: 0 };
        let mut octaves: Vec<Octave> = (Octave::LOWEST..=127).map(empty).collect();
        for bin in self.bins() {
            let zeros = if bin.lower == 0.0 && bin.mean >= 0.0 { self.zeros() } else { 0 };
            let place = usize::try_from(exponent(&bin) - Octave::LOWEST).ok();
            if let Some(octave) = place.and_then(|place| octaves.get_mut(place)) {
                *octave.fate_of(bin.mean, params) += bin.count.saturating_sub(zeros);
            }
        }
        octaves.retain(|octave| octave.count() > 0);
        octaves
    }
}

impl Octave {
    /// The counter of values that become what `params` makes of `value`.
    fn fate_of(&mut self, value: f64, params: Option<QuantParams>) -> &mut u64 {
        let Some(params) = params else { return &mut self.in_range };
        let steps = (value as f32 / params.scale).round_ties_even();
        let level = f64::from(steps) + f64::from(params.zero_point);
        let ends = f64::from(params.quant_type.min())..=f64::from(params.quant_type.max());
        match ends.contains(&level) {
            false => &mut self.clipped,
            true if steps == 0.0 => &mut self.underflow,
            true => &mut self.in_range,
        }
    }
}

/// The octave of all values of a bin.
fn exponent(bin: &HistogramBin) -> i32 {
    // The end next to zero; as an f64 even the subnormal ones have their exponent in the bits.
    let inner = f64::from(bin.lower.abs().min(bin.upper.abs()));
    let exponent = (inner.to_bits() >> 52) as i32 - 1023;
    exponent.max(Octave::LOWEST)
}

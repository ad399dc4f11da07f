//! The sizes of a tensor's values by powers of two, as a small histogram of them shows.

#[cfg(test)]
mod tests;

use super::{HistogramBin, TensorStatistics};
use crate::range::QuantParams;

/// The values with `2^exponent <= |x| < 2^(exponent + 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Octave {
    /// From [`Octave::LOWEST`] to 127.
    pub exponent: i32,
    /// Values of either sign, at least 1.
    pub count: u64,
}

/// What becomes of the values of an octave when they are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantizedOctave {
    /// As [`Octave::exponent`].
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
}

impl TensorStatistics {
    /// The finite values by powers of two, without zeros (see [`Self::zeros`]): the occupied octaves by ascending
    /// exponent. Exact.
    #[must_use]
    pub fn octaves(&self) -> Vec<Octave> {
        let octave = |octave: QuantizedOctave| Octave { exponent: octave.exponent, count: octave.in_range };
        self.octaves_by(|octave, bin| octave.in_range += bin.count).into_iter().map(octave).collect()
    }

    /// [`Self::octaves`], by what `params` makes of the values.
    ///
    /// All values of a histogram bin count for what becomes of their mean, so only values within `2^-7` of where
    /// clipping or underflow begins can be counted for the wrong one.
    #[must_use]
    pub fn quantized_octaves(&self, params: QuantParams) -> Vec<QuantizedOctave> {
        self.octaves_by(|octave, bin| {
            let steps = (bin.mean as f32 / params.scale).round_ties_even();
            let level = f64::from(steps) + f64::from(params.zero_point);
            let ends = f64::from(params.quant_type.min())..=f64::from(params.quant_type.max());
            let kind = match ends.contains(&level) {
                false => &mut octave.clipped,
                true if steps == 0.0 => &mut octave.underflow,
                true => &mut octave.in_range,
            };
            *kind += bin.count;
        })
    }

    /// The occupied octaves by ascending exponent, `add` having put every bin without its zeros into its octave.
    fn octaves_by(&self, mut add: impl FnMut(&mut QuantizedOctave, &HistogramBin)) -> Vec<QuantizedOctave> {
        let empty = |exponent| QuantizedOctave { exponent, in_range: 0, clipped: 0, underflow: 0 };
        let mut octaves: Vec<QuantizedOctave> = (Octave::LOWEST..=127).map(empty).collect();
        for bin in self.bins() {
            let zeros = if bin.lower == 0.0 && bin.mean >= 0.0 { self.zeros() } else { 0 };
            let bin = HistogramBin { count: bin.count.saturating_sub(zeros), ..bin };
            let at = exponent(&bin) - Octave::LOWEST;
            if let Some(octave) = usize::try_from(at).ok().and_then(|at| octaves.get_mut(at)).filter(|_| bin.count > 0)
            {
                add(octave, &bin);
            }
        }
        octaves.retain(|octave| octave.in_range > 0 || octave.clipped > 0 || octave.underflow > 0);
        octaves
    }
}

/// The octave of all values of a bin.
fn exponent(bin: &HistogramBin) -> i32 {
    // The end next to zero; as an f64 even the subnormal ones have their exponent in the bits.
    let inner = f64::from(bin.lower.abs().min(bin.upper.abs()));
    let exponent = (inner.to_bits() >> 52) as i32 - 1023;
    exponent.max(Octave::LOWEST)
}

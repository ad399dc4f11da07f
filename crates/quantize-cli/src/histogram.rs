//! Histograms by powers of two: how many values lie in each octave, and what becomes of them in 8 bits.

use anstyle::{AnsiColor, Style};
use dlquantizer::{QuantParams, QuantType, RangeMethod, Scheme, TensorKind, TensorRecord};
use serde::Serialize;

use crate::console;

/// Octaves that a table shows of each tensor, the largest ones.
const SHOWN: usize = 16;

/// The values `2^exponent <= |x| < 2^(exponent + 1)` of a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Octave {
    pub(crate) exponent: i32,
    pub(crate) count: u64,
    /// Those beyond the quantized range.
    pub(crate) clipped: u64,
    /// Those nearer to 0 than half a step, which become 0.
    pub(crate) underflow: u64,
}

/// Scale and zero point that a tensor gets, in the default types: uint8 for activations, symmetric int8 for weights. A bias is kept in 32
/// bits, where neither clipping nor underflow matters.
pub(crate) fn params(record: &TensorRecord, method: RangeMethod) -> Option<QuantParams> {
    match record.kind {
        TensorKind::Activation => method.quant_params(&record.statistics, QuantType::U8, Scheme::Asymmetric),
        TensorKind::Weight => RangeMethod::MinMax.quant_params(&record.statistics, QuantType::I8, Scheme::Symmetric),
        TensorKind::Bias => None,
    }
}

/// The octaves with values, from small to large; zeros are in none. What becomes of a value is told to within its histogram bin, 2^-7 of it.
pub(crate) fn octaves(record: &TensorRecord, method: RangeMethod) -> Vec<Octave> {
    let params = params(record, method);
    let mut octaves: Vec<Octave> = Vec::new();
    // Bins of numbers below the normal ones hold the zeros too.
    for bin in record.statistics.bins().filter(|bin| bin.mean.abs() >= f64::from(f32::MIN_POSITIVE)) {
        let exponent = bin.mean.abs().log2().floor() as i32;
        let place = octaves.partition_point(|octave| octave.exponent < exponent);
        if octaves.get(place).is_none_or(|octave| octave.exponent != exponent) {
            octaves.insert(place, Octave { exponent, ..Octave::default() });
        }
        let octave = &mut octaves[place];
        octave.count += bin.count;
        let Some(params) = params else { continue };
        let (range, half_step) = (params.range(), f64::from(params.scale) / 2.0);
        if bin.mean < f64::from(range.min()) - half_step || bin.mean > f64::from(range.max()) + half_step {
            octave.clipped += bin.count;
        } else if bin.mean.abs() < half_step {
            octave.underflow += bin.count;
        }
    }
    octaves
}

impl Octave {
    /// The colour of what becomes of most of its values: red for clipped, yellow for zero, blue otherwise.
    fn style(&self) -> Style {
        let color = if 2 * self.clipped > self.count {
            AnsiColor::Red
        } else if 2 * self.underflow > self.count {
            AnsiColor::Yellow
        } else {
            AnsiColor::Blue
        };
        color.on_default()
    }
}

/// A column for each of the largest octaves, as high as it has values, with the exponents of the first and the last one.
pub(crate) fn columns(octaves: &[Octave]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(last) = octaves.last().map(|octave| octave.exponent) else { return String::new() };
    let first = octaves[0].exponent.max(last.saturating_sub(SHOWN as i32 - 1));
    let most = octaves.iter().map(|octave| octave.count).max().unwrap_or(1);
    let mut text = String::new();
    for exponent in last.saturating_sub(SHOWN as i32 - 1)..=last {
        match octaves.iter().find(|octave| octave.exponent == exponent) {
            Some(octave) => {
                let height = HEIGHTS[(7 * octave.count).div_ceil(most) as usize];
                text.push_str(&console::paint(octave.style(), &height.to_string()));
            }
            None => text.push(' '),
        }
    }
    format!("{text} 2^{first}..2^{}", last + 1)
}

/// A line for each octave, as long as it has values.
pub(crate) fn lines(octaves: &[Octave]) -> String {
    const LONGEST: u64 = 50;
    let most = octaves.iter().map(|octave| octave.count).max().unwrap_or(1);
    let line = |octave: &Octave| {
        let bar = "█".repeat((LONGEST * octave.count).div_ceil(most) as usize);
        let mut notes = String::new();
        for (count, note) in [(octave.clipped, "clipped"), (octave.underflow, "to zero")] {
            if count > 0 {
                notes.push_str(&format!(", {:.1} % {note}", 100.0 * count as f64 / octave.count as f64));
            }
        }
        let bar = console::paint(octave.style(), &bar);
        format!(" 2^{:<5}{bar} {}{notes}\n", octave.exponent, crate::format::count(octave.count as usize))
    };
    octaves.iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use dlquantizer::TensorStatistics;

    use super::*;

    fn record(kind: TensorKind, values: &[f32]) -> TensorRecord {
        TensorRecord {
            name: "t".to_owned(),
            layer: "t".to_owned(),
            network_layer: "t".to_owned(),
            kind,
            statistics: TensorStatistics::of(values),
            halves: None,
            channels: None,
            texture: None,
        }
    }

    #[test]
    fn values_are_counted_by_their_size() {
        let record = record(TensorKind::Activation, &[0.0, 1.0, -1.5, 1.99, 2.0, 0.25, 1e-3, 4.0]);
        let counts: Vec<(i32, u64)> =
            octaves(&record, RangeMethod::MinMax).iter().map(|octave| (octave.exponent, octave.count)).collect();
        assert_eq!(counts, [(-10, 1), (-2, 1), (0, 3), (1, 1), (2, 1)]);
    }

    #[test]
    fn what_is_lost_in_8_bits_is_told() {
        // A step of 4 / 255: what is below half of it becomes 0.
        let mut values = vec![4.0, 1.0];
        values.extend([0.005; 3]);
        let octaves = octaves(&record(TensorKind::Activation, &values), RangeMethod::MinMax);
        assert_eq!((octaves[0].underflow, octaves[0].count), (3, 3));
        assert!(octaves.iter().all(|octave| octave.clipped == 0));
    }

    #[test]
    fn a_bias_loses_nothing() {
        let octaves = octaves(&record(TensorKind::Bias, &[4.0, 1e-6]), RangeMethod::MinMax);
        assert!(octaves.iter().all(|octave| octave.clipped + octave.underflow == 0));
    }

    #[test]
    fn columns_are_as_high_as_their_octave_is_full() {
        let octave = |exponent, count| Octave { exponent, count, ..Octave::default() };
        assert_eq!(columns(&[octave(-1, 1), octave(1, 100)]), format!("{}▂ █ 2^-1..2^2", " ".repeat(13)));
        assert_eq!(columns(&[]), "");
        assert!(columns(&[octave(-40, 5), octave(3, 5)]).ends_with("█ 2^-12..2^4"));
    }
}

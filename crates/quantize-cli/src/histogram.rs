//! Histograms by powers of two: how many values lie in each octave, and what becomes of them in 8 bits.

use anstyle::{AnsiColor, Style};
use dlquantizer::{Octave, QuantParams, QuantType, RangeMethod, Scheme, TensorKind, TensorRecord};

use crate::console;

/// Octaves that a table shows of each tensor, the largest ones.
const SHOWN: usize = 16;

/// Scale and zero point that a tensor gets, in the default types: uint8 for activations, symmetric int8 for weights. A bias is kept in 32
/// bits, where neither clipping nor underflow matters.
pub(crate) fn params(record: &TensorRecord, method: RangeMethod) -> Option<QuantParams> {
    match record.kind {
        TensorKind::Activation => method.quant_params(&record.statistics, QuantType::U8, Scheme::Asymmetric),
        TensorKind::Weight => RangeMethod::MinMax.quant_params(&record.statistics, QuantType::I8, Scheme::Symmetric),
        TensorKind::Bias => None,
    }
}

/// The values of a tensor by powers of two, and what a range of this kind makes of them.
pub(crate) fn octaves(record: &TensorRecord, method: RangeMethod) -> Vec<Octave> {
    record.statistics.octaves(params(record, method))
}

/// The colour of what becomes of most values of an octave: red for clipped, yellow for zero, blue otherwise.
fn style(octave: &Octave) -> Style {
    let color = if 2 * octave.clipped > octave.count() {
        AnsiColor::Red
    } else if 2 * octave.underflow > octave.count() {
        AnsiColor::Yellow
    } else {
        AnsiColor::Blue
    };
    color.on_default()
}

/// A column for each of the largest octaves, as high as it has values, with the exponents of the first and the last one.
pub(crate) fn columns(octaves: &[Octave]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(last) = octaves.last().map(|octave| octave.exponent) else { return String::new() };
    let first = octaves[0].exponent.max(last.saturating_sub(SHOWN as i32 - 1));
    let most = octaves.iter().map(|octave| octave.count()).max().unwrap_or(1);
    let mut text = String::new();
    for exponent in last.saturating_sub(SHOWN as i32 - 1)..=last {
        match octaves.iter().find(|octave| octave.exponent == exponent) {
            Some(octave) => {
                let height = HEIGHTS[(8 * octave.count()).div_ceil(most).saturating_sub(1) as usize];
                text.push_str(&console::paint(style(octave), &height.to_string()));
            }
            None => text.push(' '),
        }
    }
    format!("{text} 2^{first}..2^{}", last + 1)
}

/// A line for each octave, as long as it has values.
pub(crate) fn lines(octaves: &[Octave]) -> String {
    const LONGEST: u64 = 50;
    let most = octaves.iter().map(|octave| octave.count()).max().unwrap_or(1);
    let line = |octave: &Octave| {
        let bar = "█".repeat((LONGEST * octave.count()).div_ceil(most) as usize);
        let mut notes = String::new();
        for (count, note) in [(octave.clipped, "clipped"), (octave.underflow, "to zero")] {
            if count > 0 {
                notes.push_str(&format!(", {:.1} % {note}", 100.0 * count as f64 / octave.count() as f64));
            }
        }
        let bar = console::paint(style(octave), &bar);
        format!(" 2^{:<5}{bar} {}{notes}\n", octave.exponent, crate::format::count(octave.count() as usize))
    };
    octaves.iter().rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_high_as_their_octave_is_full() {
        let octave = |exponent, in_range| Octave { exponent, in_range, clipped: 0, underflow: 0 };
        assert_eq!(columns(&[octave(-1, 1), octave(1, 100)]), format!("{}▁ █ 2^-1..2^2", " ".repeat(13)));
        assert_eq!(columns(&[]), "");
        assert!(columns(&[octave(-40, 5), octave(3, 5)]).ends_with("█ 2^-12..2^4"));
    }

    #[test]
    fn lines_tell_what_is_lost() {
        let octave = Octave { exponent: -3, in_range: 1, clipped: 0, underflow: 3 };
        assert_eq!(lines(&[octave]), format!(" 2^-3   {} 4, 75.0 % to zero\n", "█".repeat(50)));
    }
}

//! The range that loses the least information, as TensorRT calibrates.
//!
//! Source: S. Migacz, "8-bit Inference with TensorRT", GPU Technology Conference 2017, and its implementation in NVIDIA's
//! pytorch-quantization, `calib/histogram.py`. For a window of a histogram of 2048 equal bins, the reference distribution
//! P is the window, with everything outside counted in its first or last bin: quantization saturates there. The candidate
//! Q is what the integers can tell apart: the bins of the window, without what lies outside, are merged into levels of
//! equal width, and the values of a level are divided evenly over those of its bins that are occupied. Both are
//! normalized, and the window with the least Kullback-Leibler divergence `Σ P · ln(P / Q)` wins, of equal ones the
//! widest. It is infinite where values outside would be counted in an empty bin, so windows end at occupied ones.
//!
//! - Symmetric, the published method: the histogram of `|x|` over `[0, abs_max]`, windows `[0, T]` of 128 to 2048 bins,
//!   `2^(bits - 1)` levels: 128 for 8 bits.
//! - Asymmetric: the histogram of `x` over `[min, max]`, windows of at least 128 bins around 0, `2^bits` levels: 256 for 8
//!   bits, as pytorch-quantization does for unsigned types. Starting from all bins, the better of the best upper end and
//!   the best lower end is taken until neither gains. For values of one sign only one end moves.
//!
//! Where the publication is silent or fails:
//!
//! - Zeros are left out of the histogram. Any range keeps them exactly, but the half of the values that a ReLU sets to
//!   zero, being divided over the bins of a level, would outweigh everything else.
//! - The histogram spans at most 15 times what 99.99 % of the values do, so that these fill at least 136 bins. A single
//!   value a hundred times as large as the rest would else leave no window to choose.
//! - A window leaves out at most a tenth of the values. Q is normalized, so that a window with a single occupied bin would
//!   have no divergence at all.
//! - With 16 bits there are more levels than bins, and divergence does not tell windows apart: the range is min/max.

#[cfg(test)]
mod tests;

use super::linear_histogram::{BINS, LinearHistogram};
use super::spread::Spread;
use super::{Percentile, QuantType, Range, Scheme};
use crate::statistics::TensorStatistics;

/// Bins of the smallest window.
const SMALLEST: usize = 128;

/// How far the histogram reaches, in times what 99.99 % of the values span.
const REACH: f64 = 15.0;

/// One in so many values is left out at most.
const LEFT_OUT: u64 = 10;

/// Asymmetric windows are first tried at every 8th bin, then at all bins around the best.
const STRIDE: usize = 8;

/// What rounding may do to a divergence, in nats.
const ROUNDING: f64 = 1e-9;

/// The range of the method; `all` is that of all values.
pub(super) fn range(statistics: &TensorStatistics, all: Range, quant_type: QuantType, scheme: Scheme) -> Range {
    let spreads = Spread::nonzero(statistics);
    if quant_type.bits() > 8 || spreads.is_empty() {
        return all;
    }
    let most = Percentile::default().range(&spreads, all, scheme);
    let (min, max) = match scheme {
        Scheme::Symmetric => {
            let high = f64::from(all.abs_max()).min(REACH * f64::from(most.abs_max()));
            let histogram = LinearHistogram::new(0.0, high, spreads.iter().map(Spread::abs));
            let windows = Windows::new(&histogram, quant_type.half() as usize);
            let window = windows.symmetric();
            let threshold = histogram.edge(window.end);
            (-threshold, threshold)
        }
        Scheme::Asymmetric => {
            // On either side of what the values span.
            let reach = (f64::from(most.max) - f64::from(most.min)) * (REACH - 1.0) / 2.0;
            let low = f64::from(all.min).max(f64::from(most.min) - reach);
            let high = f64::from(all.max).min(f64::from(most.max) + reach);
            let histogram = LinearHistogram::new(low, high, spreads.into_iter());
            let windows = Windows::new(&histogram, 2 * quant_type.half() as usize);
            let window = windows.asymmetric(histogram.position(0.0));
            (histogram.edge(window.start), histogram.edge(window.end))
        }
    };
    Range::new(min as f32, max as f32).unwrap_or(all)
}

/// The bins that a range keeps, and what is lost.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
    divergence: f64,
}

impl Window {
    /// The one that loses less; `self` if equal.
    fn or(self, other: Self) -> Self {
        if other.divergence < self.divergence - ROUNDING { other } else { self }
    }
}

/// Sums over the first bins, from none to all, from which those over any window follow.
struct Windows {
    levels: usize,
    /// Parts of values, starting with those below the histogram.
    parts: Vec<u64>,
    /// Parts below, in and above the histogram.
    total: u64,
    /// `Σ x · ln(x)` over the parts of each bin.
    information: Vec<f64>,
    /// Occupied bins.
    occupied: Vec<u32>,
}

impl Windows {
    fn new(histogram: &LinearHistogram, levels: usize) -> Self {
        let (mut parts, mut information, mut occupied) = (histogram.below, 0.0, 0);
        let mut windows =
            Self { levels, parts: vec![parts], total: 0, information: vec![information], occupied: vec![occupied] };
        for &bin in &histogram.bins {
            parts = parts.saturating_add(bin);
            information += x_ln_x(bin as f64);
            occupied += u32::from(bin > 0);
            windows.parts.push(parts);
            windows.information.push(information);
            windows.occupied.push(occupied);
        }
        windows.total = parts.saturating_add(histogram.above);
        windows
    }

    fn window(&self, start: usize, end: usize) -> Window {
        Window { start, end, divergence: self.divergence(start, end) }
    }

    fn between(&self, start: usize, end: usize) -> u64 {
        self.parts[end] - self.parts[start]
    }

    fn is_occupied(&self, bin: &usize) -> bool {
        self.occupied[bin + 1] > self.occupied[*bin]
    }

    /// `Σ P · ln(P / Q)` in nats; infinite for a window that is too small, leaves out too much, or
    /// would count values outside in a bin that Q has empty.
    ///
    /// With the parts p of the bins and the mean q of the occupied ones of each level, both without what lies outside, it
    /// is `(Σ P ln P - Σ P ln q) / total + ln(inside / total)`, with P not normalized either.
    fn divergence(&self, start: usize, end: usize) -> f64 {
        if end - start < SMALLEST {
            return f64::INFINITY;
        }
        let (below, above) = (self.parts[start], self.total - self.parts[end]);
        let (first, last) = (self.between(start, start + 1), self.between(end - 1, end));
        let has_no_bin = (below > 0 && first == 0) || (above > 0 && last == 0);
        if has_no_bin || below + above > self.total / LEFT_OUT {
            return f64::INFINITY;
        }
        let added = |parts: u64, outside: u64| x_ln_x((parts + outside) as f64) - x_ln_x(parts as f64);
        let reference = self.information[end] - self.information[start] + added(first, below) + added(last, above);
        let mut candidate = 0.0;
        let mut from = start;
        for level in 1..=self.levels {
            let to = start + (level * (end - start)).div_ceil(self.levels);
            let occupied = self.occupied[to] - self.occupied[from];
            if occupied > 0 {
                let parts = self.between(from, to);
                let outside = if from == start { below } else { 0 } + if to == end { above } else { 0 };
                candidate += (parts + outside) as f64 * libm::log(parts as f64 / f64::from(occupied));
            }
            from = to;
        }
        let inside = self.between(start, end) as f64;
        let total = self.total as f64;
        (reference - candidate) / total + libm::log(inside / total)
    }

    fn symmetric(&self) -> Window {
        let ends = (0..BINS).rev().filter(|bin| self.is_occupied(bin)).map(|bin| bin + 1);
        ends.fold(self.window(0, BINS), |best, end| best.or(self.window(0, end)))
    }

    /// The best asymmetric window; `zero` is the position of 0, which it contains.
    fn asymmetric(&self, zero: f64) -> Window {
        let (below_zero, above_zero) = (zero.floor() as usize, zero.ceil() as usize);
        let mut starts: Vec<usize> = (0..below_zero).filter(|bin| self.is_occupied(bin)).collect();
        let mut ends: Vec<usize> =
            (above_zero..BINS).rev().filter(|bin| self.is_occupied(bin)).map(|bin| bin + 1).collect();
        starts.push(below_zero);
        ends.push(above_zero);
        let mut best = self.window(starts[0], ends[0]);
        loop {
            let by_start = best_of_line(best, &starts, |start| self.window(start, best.end));
            let by_end = best_of_line(best, &ends, |end| self.window(best.start, end));
            let better = by_end.or(by_start);
            if better.divergence == best.divergence {
                return best;
            }
            best = better;
        }
    }
}

/// The best of `best` and of the windows that the positions of an end give, from the widest on: first every [`STRIDE`]th,
/// then all around the best of those.
fn best_of_line(best: Window, positions: &[usize], window: impl Fn(usize) -> Window) -> Window {
    let (mut found, mut at) = (best, 0);
    for index in (0..positions.len()).step_by(STRIDE) {
        let tried = found.or(window(positions[index]));
        if tried.divergence != found.divergence {
            (found, at) = (tried, index);
        }
    }
    let near = at.saturating_sub(STRIDE - 1)..positions.len().min(at + STRIDE);
    positions[near].iter().fold(found, |found, &position| found.or(window(position)))
}

/// `x · ln(x)`, and its limit for 0.
///
/// In plain arithmetic, since the logarithm of the system's library need not give the same bits on every machine.
fn x_ln_x(x: f64) -> f64 {
    if x > 0.0 { x * libm::log(x) } else { 0.0 }
}

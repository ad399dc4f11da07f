//! An axis of a chart: which values it spans, and round ones to mark.

/// About as many intervals between marks as are easy to read.
const INTERVALS: f64 = 5.0;
/// A span of this factor or more is easier to read in powers of ten.
const LOGARITHMIC_FROM: f64 = 100.0;
/// Beyond this magnitude differences of values overflow.
const LARGEST: f64 = 1e300;

/// An axis from its first to its last tick.
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Values with their labels.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis over all values that are finite, logarithmic if they are positive and far apart; none without such a value.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = bounds(values)?;
        match low > 0.0 && high / low >= LOGARITHMIC_FROM {
            true => Some(Self::logarithmic(low, high)),
            false => Some(Self::linear(low, high, 0.0)),
        }
    }

    /// An axis of counts from 0.
    pub(super) fn counts(values: impl Iterator<Item = u64>) -> Self {
        let most = values.max().unwrap_or(0).max(1);
        Self::linear(0.0, most as f64, 1.0)
    }

    fn linear(low: f64, high: f64, least_step: f64) -> Self {
        // A single value gets an interval around it.
        let (low, high) = match high - low > high.abs().max(low.abs()) * 1e-9 {
            true => (low, high),
            false if high == 0.0 => (-1.0, 1.0),
            false => (low - 0.1 * low.abs(), high + 0.1 * high.abs()),
        };
        let step = round_step((high - low) / INTERVALS).max(least_step);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let count = (last - first).clamp(1.0, 4.0 * INTERVALS) as usize;
        let tick = |index: usize| {
            // Adding zero turns -0 into 0.
            let value = (first + index as f64) * step + 0.0;
            (value, label(value, step))
        };
        let ticks: Vec<(f64, String)> = (0..=count).map(tick).collect();
        Self { low: first * step, high: last * step, logarithmic: false, ticks }
    }

    fn logarithmic(low: f64, high: f64) -> Self {
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let step = ((last - first) as f64 / (INTERVALS + 1.0)).ceil().max(1.0) as usize;
        let tick = |exponent: i32| {
            let value = 10f64.powi(exponent);
            (value, label(value, value))
        };
        let ticks = (first..=last).step_by(step).map(tick).collect();
        Self { low: f64::from(first), high: f64::from(last), logarithmic: true, ticks }
    }

    /// Where a value is, from 0 at the low to 1 at the high end; none if it has no place.
    pub(super) fn position(&self, value: f64) -> Option<f64> {
        let value = if self.logarithmic { value.log10() } else { value };
        let position = (value - self.low) / (self.high - self.low);
        // Marks at the ends are rounded.
        (-1e-6..=1.0 + 1e-6).contains(&position).then_some(position)
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let drawn = values.filter(|value| value.abs() <= LARGEST);
    drawn.fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powi(step.log10().floor() as i32);
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&round| round >= step * (1.0 - 1e-9))
        .unwrap_or(step)
}

/// A value to the last digit that a step of marks changes.
fn label(value: f64, step: f64) -> String {
    let last_digit = step.log10().floor();
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        let decimals = (-last_digit).clamp(0.0, 12.0) as usize;
        format!("{value:.decimals$}")
    } else {
        let decimals = (value.abs().log10().floor() - last_digit).clamp(0.0, 6.0) as usize;
        format!("{value:.decimals$e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64]) -> Vec<String> {
        Axis::over(values.iter().copied()).unwrap().ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn marks_are_round_and_enclose_all_values() {
        assert_eq!(labels(&[0.13, 0.87]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[91.2, 98.4]), ["90", "92", "94", "96", "98", "100"]);
        assert_eq!(labels(&[-3.0, 12.0]), ["-5", "0", "5", "10", "15"]);
        assert_eq!(labels(&[1.1e6, 2.4e6]), ["1.0e6", "1.5e6", "2.0e6", "2.5e6"]);
        assert_eq!(labels(&[1e-5, 0.02]), ["1e-5", "0.0001", "0.001", "0.01", "0.1"]);
        assert_eq!(labels(&[f64::NAN, 5.0, f64::INFINITY, 5.0]), ["4.4", "4.6", "4.8", "5.0", "5.2", "5.4", "5.6"]);
    }

    #[test]
    fn counts_have_no_fractions() {
        let axis = Axis::counts([1, 2, 3].into_iter());
        assert_eq!(axis.ticks.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(axis.position(1.5), Some(0.5));
        assert!(Axis::counts([u64::MAX].into_iter()).ticks.len() < 20);
    }

    #[test]
    fn every_finite_value_within_the_bounds_has_a_place() {
        let extremes = [-1e300, -1.0, -1e-300, 0.0, 1e-300, 1e-12, 0.1, 0.1 + 1e-15, 1.0, 1e16, 1e16 + 2.0, 1e300];
        for low in extremes {
            for high in extremes.into_iter().filter(|&high| high >= low) {
                let axis = Axis::over([low, high].into_iter()).unwrap();
                assert!((2..=21).contains(&axis.ticks.len()), "{low} {high}: {:?}", axis.ticks);
                for value in [low, high] {
                    assert!(axis.position(value).is_some(), "{value} of {low} to {high}: {:?}", axis.ticks);
                }
                assert_eq!(axis.position(f64::NAN), None);
            }
        }
        assert!(Axis::over([f64::NAN].into_iter()).is_none());
    }
}

//! Whether an input looks like random numbers.

use super::Finding;
use crate::TensorRecord;

/// Largest distance from a distribution function that still counts as that distribution.
const LARGEST_DISTANCE: f64 = 0.02;

/// Judges an input: noise has neighbours that are unrelated and values that are uniformly or normally distributed.
pub(super) fn judge(input: &TensorRecord) -> Option<Finding> {
    input.texture.filter(|texture| texture.is_noise())?;
    let statistics = &input.statistics;
    let (mean, std_dev) = (statistics.mean()?, statistics.std_dev()?);
    let (min, max) = (f64::from(statistics.min()?), f64::from(statistics.max()?));
    let uniform = |value: f64| ((value - min) / (max - min)).clamp(0.0, 1.0);
    let normal = |value: f64| 0.5 * libm::erfc((mean - value) / std_dev * std::f64::consts::FRAC_1_SQRT_2);
    let distance = |distribution: &dyn Fn(f64) -> f64| {
        let (mut seen, mut largest) = (0, 0.0_f64);
        for bin in statistics.bins() {
            seen += bin.count;
            let share = seen as f64 / statistics.finite_count() as f64;
            largest = largest.max((share - distribution(f64::from(bin.upper))).abs());
        }
        largest
    };
    let distribution = if distance(&uniform) <= LARGEST_DISTANCE {
        "uniform"
    } else if distance(&normal) <= LARGEST_DISTANCE {
        "normal"
    } else {
        return None;
    };
    Some(Finding::Noise { input: input.name.clone(), distribution })
}

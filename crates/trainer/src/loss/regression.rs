//! Losses of numbers, element by element.

use super::Targets;

/// The mean over all elements of `loss(error)` for `error = output - target`, which gives the loss with its derivative; the
/// derivative of the mean is written to `gradient`.
pub(super) fn mean_of(
    outputs: &[f32],
    width: usize,
    targets: Targets<'_>,
    gradient: &mut [f32],
    loss: impl Fn(f64) -> (f64, f64),
) -> f64 {
    let count = outputs.len() as f64;
    let mut total = 0.0;
    let rows = outputs.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
    for (row, (outputs, gradient)) in rows.enumerate() {
        for (column, (&output, gradient)) in outputs.iter().zip(gradient).enumerate() {
            let (loss, slope) = loss(f64::from(output) - targets.value(row, column, width));
            total += loss;
            *gradient = (slope / count) as f32;
        }
    }
    total / count
}

pub(super) fn squared(error: f64) -> (f64, f64) {
    (error * error, 2.0 * error)
}

pub(super) fn absolute(error: f64) -> (f64, f64) {
    // Not `signum`: 0 has the subgradient 0, and NaN must stay.
    let slope = if error == 0.0 { 0.0 } else { error.signum() };
    (error.abs(), slope)
}

pub(super) fn huber(error: f64, delta: f64) -> (f64, f64) {
    // The one branch that NaN takes hands it on.
    if error.abs() > delta {
        (delta * (error.abs() - 0.5 * delta), delta * error.signum())
    } else {
        (0.5 * error * error, error)
    }
}

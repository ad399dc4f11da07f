//! The likelihood of a target under a predicted normal distribution.

use super::Targets;

/// Gaussian negative log-likelihood in the mean over all targets; `outputs` rows are `[means..., logarithms...]`, `width` wide.
///
/// With `l = ln(minimum + exp(s))` in a form that overflows for no `s`: `loss = (ln(2 pi) + l + d^2 exp(-l)) / 2` for `d = y - m`,
/// `d loss / d m = -d exp(-l)`, `d loss / d s = (1 - d^2 exp(-l)) exp(s - l) / 2`.
pub(super) fn negative_log_likelihood(
    outputs: &[f32],
    width: usize,
    targets: Targets<'_>,
    minimum: f64,
    gradient: &mut [f32],
) -> f64 {
    let columns = width / 2;
    let count = (outputs.len() / 2) as f64;
    let floor = libm::log(minimum);
    let constant = libm::log(std::f64::consts::TAU);
    let mut total = 0.0;
    let pairs = outputs.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
    for (row, (outputs, gradient)) in pairs.enumerate() {
        let (means, logarithms) = outputs.split_at(columns);
        let (by_mean, by_logarithm) = gradient.split_at_mut(columns);
        for column in 0..columns {
            let s = f64::from(logarithms[column]);
            let difference = targets.value(row, column, columns) - f64::from(means[column]);
            let logarithm = s.max(floor) + libm::log1p(libm::exp(-(s - floor).abs()));
            let precision = libm::exp(-logarithm);
            let excess = difference * difference * precision;
            total += 0.5 * (constant + logarithm + excess);
            by_mean[column] = (-difference * precision / count) as f32;
            by_logarithm[column] = (0.5 * (1.0 - excess) * libm::exp(s - logarithm) / count) as f32;
        }
    }
    total / count
}

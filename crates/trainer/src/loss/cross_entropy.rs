//! Losses of probabilities, from the logits in front of them.

use super::Targets;

/// How targets of probabilities are changed and weighted.
pub(super) struct Weighting<'a> {
    pub(super) smoothing: f64,
    /// One factor per class; empty for none.
    pub(super) weights: &'a [f64],
}

/// Softmax cross-entropy in the mean over rows; writes its derivative by the logits.
///
/// With the smoothed one-hot targets `t` and `p = softmax(z)`: `loss = sum(t * (ln(sum(exp(z - max))) + max - z))`, which no finite logit
/// overflows, and `d loss / d z = (p - t) / rows`.
pub(super) fn softmax(
    logits: &[f32],
    classes: usize,
    targets: Targets<'_>,
    weighting: &Weighting<'_>,
    gradient: &mut [f32],
) -> f64 {
    let rows = (logits.len() / classes) as f64;
    let even = weighting.smoothing / classes as f64;
    let mut exponentials = vec![0.0_f64; classes];
    let mut total = 0.0;
    let pairs = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
    for (row, (logits, gradient)) in pairs.enumerate() {
        let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let mut sum = 0.0;
        for (exponential, &z) in exponentials.iter_mut().zip(logits) {
            *exponential = libm::exp(f64::from(z) - max);
            sum += *exponential;
        }
        let logarithm = libm::log(sum);
        let label = targets.class(row);
        let weight = weighting.weights.get(label).copied().unwrap_or(1.0);
        let mut loss = 0.0;
        for (class, ((gradient, &z), exponential)) in gradient.iter_mut().zip(logits).zip(&exponentials).enumerate() {
            let target = even + if class == label { 1.0 - weighting.smoothing } else { 0.0 };
            // A logit of minus infinity costs nothing where nothing is expected of it; one of NaN always does.
            if target != 0.0 || z.is_nan() {
                loss += target * (logarithm + (max - f64::from(z)));
            }
            *gradient = (weight * (exponential / sum - target) / rows) as f32;
        }
        total += weight * loss;
    }
    total / rows
}

/// Logistic loss in the mean over all elements; writes its derivative by the logits.
///
/// `loss = max(z, 0) - t z + ln(1 + exp(-|z|))`, which no finite logit overflows, and `d loss / d z = (sigmoid(z) - t) / count`.
pub(super) fn sigmoid(
    logits: &[f32],
    width: usize,
    targets: Targets<'_>,
    weighting: &Weighting<'_>,
    gradient: &mut [f32],
) -> f64 {
    let count = logits.len() as f64;
    let [no, yes] = *weighting.weights else {
        let even = Weighting { weights: &[1.0, 1.0], ..*weighting };
        return sigmoid(logits, width, targets, &even, gradient);
    };
    let mut total = 0.0;
    let pairs = logits.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
    for (row, (logits, gradient)) in pairs.enumerate() {
        for (column, (&z, gradient)) in logits.iter().zip(gradient).enumerate() {
            let z = f64::from(z);
            let given = targets.value(row, column, width);
            let target = (1.0 - weighting.smoothing) * given + 0.5 * weighting.smoothing;
            let weight = yes * given + no * (1.0 - given);
            let small = libm::exp(-z.abs());
            let positive = if z < 0.0 { 0.0 } else { z };
            total += weight * (positive - target * z + libm::log1p(small));
            let probability = if z < 0.0 { small } else { 1.0 } / (1.0 + small);
            *gradient = (weight * (probability - target) / count) as f32;
        }
    }
    total / count
}

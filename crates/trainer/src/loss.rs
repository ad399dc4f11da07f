//! How wrong the network's answers are.

use ndarray::{ArrayView2, ArrayViewMut2};

/// The mean softmax cross-entropy of `logits` `[batch, classes]`; writes its derivative by the logits to `gradient`.
///
/// Per row `loss = ln(sum(exp(z - max))) + max - z[label]`, which no finite logit overflows, and
/// `d loss / d z = (softmax(z) - onehot(label)) / batch` (ONNX operator *SoftmaxCrossEntropyLoss*, reduction "mean").
/// Labels must be below the class count.
pub(crate) fn softmax_cross_entropy(
    logits: ArrayView2<f32>,
    labels: impl IntoIterator<Item = u32>,
    mut gradient: ArrayViewMut2<f32>,
) -> f64 {
    let batch = logits.nrows() as f32;
    let mut total = 0.0;
    for ((z, mut g), label) in logits.rows().into_iter().zip(gradient.rows_mut()).zip(labels) {
        let label = label as usize;
        let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for (g, &z) in g.iter_mut().zip(&z) {
            *g = (z - max).exp();
            sum += *g;
        }
        total += f64::from(sum.ln()) + f64::from(max) - f64::from(z[label]);
        g.mapv_inplace(|exp| exp / sum / batch);
        g[label] -= 1.0 / batch;
    }
    total / logits.nrows() as f64
}

/// How many rows of `logits` have their largest value, the first one among equals, at the label.
pub(crate) fn count_correct(logits: ArrayView2<f32>, labels: impl IntoIterator<Item = u32>) -> usize {
    let answers = logits.rows().into_iter().zip(labels);
    answers.filter(|(row, label)| argmax(row.iter().copied()) == *label as usize).count()
}

fn argmax(row: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in row.enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use ndarray::{Array2, array};

    fn loss(logits: &Array2<f32>, labels: impl IntoIterator<Item = u32>) -> (f64, Array2<f32>) {
        let mut gradient = Array2::from_elem(logits.raw_dim(), f32::NAN);
        let loss = softmax_cross_entropy(logits.view(), labels, gradient.view_mut());
        (loss, gradient)
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_class_count() {
        let (loss, gradient) = loss(&Array2::from_elem((2, 4), 3.0), [1, 3]);
        assert_relative_eq!(loss, 4_f64.ln(), max_relative = 1e-6);
        assert_abs_diff_eq!(
            gradient.as_slice().unwrap(),
            &[0.125, -0.375, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375][..],
            epsilon = 1e-7
        );
    }

    #[test]
    fn two_classes_are_the_logistic_loss() {
        // ln(1 + exp(-d)) for a lead d of the right class.
        let (loss, _) = loss(&array![[1.5, -0.5], [0.0, 3.0]], [0, 0]);
        let expected = ((-2_f64).exp().ln_1p() + 3_f64.exp().ln_1p()) / 2.0;
        assert_relative_eq!(loss, expected, max_relative = 1e-6);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let (loss, gradient) = loss(&array![[1e30, -1e30], [-3e4, 3e4]], [0, 0]);
        assert_relative_eq!(loss, 3e4, max_relative = 1e-6);
        assert_eq!(gradient, array![[0.0, 0.0], [-0.5, 0.5]]);
    }

    #[test]
    fn a_nan_logit_reaches_the_loss() {
        assert!(loss(&array![[0.0, f32::NAN, 1.0]], [0]).0.is_nan());
        assert!(loss(&array![[0.0, f32::NEG_INFINITY]], [1]).0.is_infinite());
    }

    #[test]
    fn gradient_is_the_central_difference_in_f64() {
        let logits = array![[0.3, -1.2, 2.0], [0.0, 0.1, -0.4]];
        let labels = [2, 0];
        let (_, gradient) = loss(&logits, labels);
        let naive = |z: &Array2<f64>| -> f64 {
            let rows = z.rows().into_iter().zip(labels);
            rows.map(|(row, label)| row.mapv(f64::exp).sum().ln() - row[label as usize]).sum::<f64>() / 2.0
        };
        let step = 1e-5;
        for index in ndarray::indices_of(&logits) {
            let mut up = logits.mapv(f64::from);
            let mut down = up.clone();
            up[index] += step;
            down[index] -= step;
            let numeric = (naive(&up) - naive(&down)) / (2.0 * step);
            assert_abs_diff_eq!(f64::from(gradient[index]), numeric, epsilon = 1e-6);
        }
    }

    #[test]
    fn the_first_of_equal_logits_is_the_answer() {
        let logits = array![[0.0, 1.0, 1.0], [5.0, 1.0, 2.0], [0.0, 0.0, 0.0]];
        assert_eq!(count_correct(logits.view(), [1, 0, 0]), 3);
        assert_eq!(count_correct(logits.view(), [2, 0, 1]), 1);
    }
}

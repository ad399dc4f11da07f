use approx::{assert_abs_diff_eq, assert_relative_eq};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// The loss of outputs of `width`, with its derivative.
fn evaluate(loss: &Loss, width: usize, outputs: &[f32], targets: Targets<'_>) -> (f64, Vec<f32>) {
    let function = loss.fit("out", width, targets).unwrap();
    let mut gradient = vec![f32::NAN; outputs.len()];
    let loss = function.evaluate(outputs, targets, &mut gradient);
    (loss, gradient)
}

fn smoothed(label_smoothing: f64, class_weights: Option<ClassWeights>) -> Loss {
    Loss::CrossEntropy { label_smoothing, class_weights }
}

fn smoothed_binary(label_smoothing: f64, class_weights: Option<ClassWeights>) -> Loss {
    Loss::BinaryCrossEntropy { label_smoothing, class_weights }
}

fn list(weights: &[f64]) -> Option<ClassWeights> {
    Some(ClassWeights::List(weights.to_vec()))
}

/// Each loss by its textbook formula: no care for overflow, probabilities written out.
fn naive(loss: &Loss, width: usize, outputs: &[f64], targets: &[f64]) -> f64 {
    let rows = outputs.len() / width;
    let columns = targets.len() / rows;
    let weight = |weights: &Option<ClassWeights>, class: usize| match weights {
        Some(ClassWeights::List(weights)) => weights[class],
        _ => 1.0,
    };
    let total: f64 = (0..rows)
        .map(|row| {
            let (z, y) = (&outputs[row * width..][..width], &targets[row * columns..][..columns]);
            let elements = z.iter().zip(y);
            match loss {
                Loss::MeanSquaredError => elements.map(|(z, y)| (z - y).powi(2)).sum::<f64>() / columns as f64,
                Loss::MeanAbsoluteError => elements.map(|(z, y)| (z - y).abs()).sum::<f64>() / columns as f64,
                Loss::Huber { delta } => {
                    let huber = |e: f64| if e < *delta { e * e / 2.0 } else { delta * e - delta * delta / 2.0 };
                    elements.map(|(z, y)| huber((z - y).abs())).sum::<f64>() / columns as f64
                }
                Loss::CrossEntropy { label_smoothing: e, class_weights } => {
                    let sum: f64 = z.iter().map(|z| z.exp()).sum();
                    let factor: f64 = y.iter().enumerate().map(|(class, y)| y * weight(class_weights, class)).sum();
                    let terms = elements.map(|(z, y)| -((1.0 - e) * y + e / width as f64) * (z.exp() / sum).ln());
                    factor * terms.sum::<f64>()
                }
                Loss::BinaryCrossEntropy { label_smoothing: e, class_weights } => {
                    let term = |(z, y): (&f64, &f64)| {
                        let p = 1.0 / (1.0 + (-z).exp());
                        let t = (1.0 - e) * y + e / 2.0;
                        let factor = y * weight(class_weights, 1) + (1.0 - y) * weight(class_weights, 0);
                        -factor * (t * p.ln() + (1.0 - t) * (1.0 - p).ln())
                    };
                    elements.map(term).sum::<f64>() / columns as f64
                }
                Loss::GaussianNll { minimum_variance } => {
                    let term = |column: usize| {
                        let v = minimum_variance + z[columns + column].exp();
                        let density =
                            (-(y[column] - z[column]).powi(2) / (2.0 * v)).exp() / (std::f64::consts::TAU * v).sqrt();
                        -density.ln()
                    };
                    (0..columns).map(term).sum::<f64>() / columns as f64
                }
            }
        })
        .sum();
    total / rows as f64
}

fn is_the_naive_loss_with_its_central_differences(
    loss: &Loss,
    width: usize,
    outputs: &[f32],
    targets: Targets<'_>,
    as_values: &[f64],
) {
    const STEP: f64 = 1e-6;
    let (found, gradient) = evaluate(loss, width, outputs, targets);
    let mut z: Vec<f64> = outputs.iter().map(|&z| f64::from(z)).collect();
    assert_relative_eq!(found, naive(loss, width, &z, as_values), max_relative = 1e-9);
    for index in 0..z.len() {
        let at = z[index];
        z[index] = at + STEP;
        let up = naive(loss, width, &z, as_values);
        z[index] = at - STEP;
        let down = naive(loss, width, &z, as_values);
        z[index] = at;
        let numeric = (up - down) / (2.0 * STEP);
        let error = (f64::from(gradient[index]) - numeric).abs();
        assert!(error <= 1e-7 + 1e-5 * numeric.abs(), "{loss:?}: {} is not {numeric}", gradient[index]);
    }
}

#[test]
fn every_loss_of_values_is_its_formula_and_its_gradient_the_central_difference() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let outputs: Vec<f32> = (0..30).map(|_| 6.0 * rng.random::<f32>() - 3.0).collect();
    let values: Vec<f32> = (0..30).map(|_| rng.random::<f32>()).collect();
    let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
    for loss in [
        Loss::MeanSquaredError,
        Loss::MeanAbsoluteError,
        Loss::Huber { delta: 1.5 },
        Loss::binary_cross_entropy(),
        smoothed_binary(0.2, list(&[0.5, 3.0])),
    ] {
        for width in [1, 3] {
            is_the_naive_loss_with_its_central_differences(&loss, width, &outputs, Targets::Values(&values), &wide);
        }
    }
    for (loss, width) in [(Loss::gaussian_nll(), 2), (Loss::GaussianNll { minimum_variance: 0.5 }, 6)] {
        is_the_naive_loss_with_its_central_differences(
            &loss,
            width,
            &outputs,
            Targets::Values(&values[..15]),
            &wide[..15],
        );
    }
}

#[test]
fn classes_are_one_hot_or_the_number_itself() {
    let outputs: Vec<f32> = (0..12).map(|i| ((i * 5) % 7) as f32 * 0.5 - 1.0).collect();
    let labels = [2, 0, 1, 1];
    let one_hot: Vec<f64> =
        labels.iter().flat_map(|&label| (0..3).map(move |class| f64::from(u8::from(class == label)))).collect();
    for loss in [
        Loss::cross_entropy(),
        smoothed(0.1, None),
        smoothed(0.3, list(&[1.0, 2.0, 3.0])),
        Loss::MeanSquaredError,
        Loss::binary_cross_entropy(),
    ] {
        is_the_naive_loss_with_its_central_differences(&loss, 3, &outputs, Targets::Classes(&labels), &one_hot);
    }
    let labels = [1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0];
    let values = labels.map(f64::from);
    for loss in [Loss::binary_cross_entropy(), Loss::MeanAbsoluteError, smoothed_binary(0.1, list(&[1.0, 4.0]))] {
        is_the_naive_loss_with_its_central_differences(&loss, 1, &outputs, Targets::Classes(&labels), &values);
    }
}

#[test]
fn equal_logits_cost_the_logarithm_of_the_class_count() {
    let (loss, gradient) = evaluate(&Loss::cross_entropy(), 4, &[3.0; 8], Targets::Classes(&[1, 3]));
    assert_relative_eq!(loss, 4_f64.ln(), max_relative = 1e-12);
    let expected = [0.125, -0.375, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375];
    assert_abs_diff_eq!(&gradient[..], &expected[..], epsilon = 1e-7);
}

#[test]
fn two_classes_are_the_logistic_loss() {
    let (softmax, _) = evaluate(&Loss::cross_entropy(), 2, &[0.0, -2.0, 0.0, 3.0], Targets::Classes(&[0, 0]));
    let (logistic, _) = evaluate(&Loss::binary_cross_entropy(), 1, &[-2.0, 3.0], Targets::Classes(&[0, 0]));
    assert_relative_eq!(softmax, logistic, max_relative = 1e-12);
}

#[test]
fn huge_outputs_stay_finite() {
    let (loss, gradient) = evaluate(&Loss::cross_entropy(), 2, &[1e30, -1e30, -3e4, 3e4], Targets::Classes(&[0, 0]));
    assert_relative_eq!(loss, 3e4, max_relative = 1e-12);
    assert_eq!(gradient, [0.0, 0.0, -0.5, 0.5]);
    let (loss, gradient) = evaluate(&Loss::binary_cross_entropy(), 1, &[1e30, -3e4], Targets::Classes(&[1, 1]));
    assert_relative_eq!(loss, 1.5e4, max_relative = 1e-12);
    assert_eq!(gradient, [0.0, -0.5]);
    for logarithm in [1e30, -1e30, 800.0, -800.0] {
        let (loss, gradient) = evaluate(&Loss::gaussian_nll(), 2, &[3.0, logarithm], Targets::Values(&[2.0]));
        assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()), "{logarithm}: {loss} {gradient:?}");
    }
}

#[test]
fn the_best_mean_and_variance_are_those_of_the_targets() {
    // The mean of 1, 2, 6 is 3, their variance 14 / 3.
    let logarithm = (14.0_f32 / 3.0).ln();
    let outputs = [3.0, logarithm].repeat(3);
    let (loss, gradient) = evaluate(&Loss::gaussian_nll(), 2, &outputs, Targets::Values(&[1.0, 2.0, 6.0]));
    assert_relative_eq!(loss, 0.5 * ((std::f64::consts::TAU * 14.0 / 3.0).ln() + 1.0), max_relative = 1e-5);
    for column in 0..2 {
        assert_abs_diff_eq!(gradient.iter().skip(column).step_by(2).sum::<f32>(), 0.0, epsilon = 1e-5);
    }
}

#[test]
fn what_is_not_finite_reaches_the_loss() {
    let classes = Targets::Classes(&[0]);
    assert!(evaluate(&Loss::cross_entropy(), 3, &[0.0, f32::NAN, 1.0], classes).0.is_nan());
    assert!(evaluate(&Loss::cross_entropy(), 2, &[f32::NEG_INFINITY, 0.0], classes).0.is_infinite());
    assert!(evaluate(&Loss::cross_entropy(), 2, &[0.0, f32::NEG_INFINITY], classes).0.is_finite());
    for loss in
        [Loss::MeanSquaredError, Loss::MeanAbsoluteError, Loss::Huber { delta: 1.0 }, Loss::binary_cross_entropy()]
    {
        let (loss, gradient) = evaluate(&loss, 1, &[f32::NAN], classes);
        assert!(loss.is_nan() && gradient[0].is_nan());
    }
    for outputs in [[f32::NAN, 0.0], [0.0, f32::NAN]] {
        assert!(evaluate(&Loss::gaussian_nll(), 2, &outputs, Targets::Values(&[0.0])).0.is_nan());
    }
}

#[test]
fn balanced_classes_count_the_same() {
    let balanced = Some(ClassWeights::Balanced);
    // Six rows of three seen classes among four.
    let labels = [0, 0, 0, 1, 1, 3];
    let function = smoothed(0.0, balanced.clone()).fit("out", 4, Targets::Classes(&labels)).unwrap();
    assert_eq!(function.weights, [2.0 / 3.0, 1.0, 1.0, 2.0]);
    let function = smoothed_binary(0.0, balanced.clone()).fit("out", 1, Targets::Classes(&[1, 0, 0, 0])).unwrap();
    assert_eq!(function.weights, [2.0 / 3.0, 2.0]);
    // With one row of each class the weights change nothing.
    let (plain, _) = evaluate(&Loss::cross_entropy(), 2, &[1.0, 2.0, 3.0, 0.0], Targets::Classes(&[0, 1]));
    assert_eq!(evaluate(&smoothed(0.0, balanced), 2, &[1.0, 2.0, 3.0, 0.0], Targets::Classes(&[0, 1])).0, plain);
}

#[test]
fn class_weights_must_be_one_per_class() {
    for (loss, width) in [(smoothed(0.0, list(&[1.0, 2.0])), 3), (smoothed_binary(0.0, list(&[1.0])), 1)] {
        let message = loss.fit("head", width, Targets::Classes(&[0])).unwrap_err().to_string();
        assert!(message.contains("`class_weights`") && message.contains("`head`"), "{message}");
    }
}

#[test]
fn a_variance_for_every_mean() {
    let message = Loss::gaussian_nll().fit("trip", 3, Targets::Values(&[])).unwrap_err().to_string();
    assert!(message.contains("`trip.units`") && message.contains("even"), "{message}");
    assert_eq!(Loss::gaussian_nll().width_of_values(3), 6);
}

#[test]
fn a_probability_outside_of_zero_to_one_is_named_with_its_sample() {
    let binary = Loss::binary_cross_entropy();
    for (values, sample) in [([0.0, 1.0, 1.5, 0.0], 1), ([0.0, -0.1, 0.0, 0.0], 0), ([0.0, 0.0, 0.0, f32::NAN], 1)] {
        let message = binary.check_values("tags", &values, 2).unwrap_err().to_string();
        assert!(message.contains(&format!("sample {sample}")) && message.contains("`tags`"), "{message}");
        Loss::MeanSquaredError.check_values("tags", &values, 2).unwrap();
    }
    binary.check_values("tags", &[0.0, 1.0, 0.5], 1).unwrap();
}

#[test]
fn configurations_give_words_and_tables() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        loss: Loss,
    }
    let read = |text: &str| toml::from_str::<Holder>(&format!("loss = {text}")).map(|holder| holder.loss);
    for (text, loss) in [
        ("'mean-squared-error'", Loss::MeanSquaredError),
        ("'mean-absolute-error'", Loss::MeanAbsoluteError),
        ("'huber'", Loss::Huber { delta: 1.0 }),
        ("{ kind = 'huber', delta = 0.5 }", Loss::Huber { delta: 0.5 }),
        ("'cross-entropy'", Loss::cross_entropy()),
        ("{ kind = 'cross-entropy', class_weights = 'balanced' }", smoothed(0.0, Some(ClassWeights::Balanced))),
        (
            "{ kind = 'cross-entropy', label_smoothing = 0.1, class_weights = [1, 2.5] }",
            smoothed(0.1, list(&[1.0, 2.5])),
        ),
        ("'binary-cross-entropy'", Loss::binary_cross_entropy()),
        ("'gaussian-nll'", Loss::gaussian_nll()),
    ] {
        let holder = Holder { loss };
        assert_eq!(read(text).unwrap(), holder.loss);
        assert_eq!(toml::from_str::<Holder>(&toml::to_string(&holder).unwrap()).unwrap(), holder);
    }
    for (text, said) in [
        ("'crossentropy'", "`cross-entropy`"),
        ("{ kind = 'huber', dleta = 1 }", "`delta`"),
        ("{ kind = 'mean-squared-error', delta = 1 }", "unknown field `delta`"),
        ("{ kind = 'cross-entropy', class_weights = 'even' }", "unknown variant `even`, expected `balanced`"),
        ("{ kind = 'cross-entropy', class_weights = 2 }", "one per class"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn unusable_settings_are_named() {
    for (loss, named) in [
        (Loss::Huber { delta: 0.0 }, "`loss.delta` to 0"),
        (smoothed(1.0, None), "`loss.label_smoothing` to 1"),
        (smoothed_binary(-0.1, None), "`loss.label_smoothing` to -0.1"),
        (smoothed(0.0, list(&[1.0, -1.0])), "`loss.class_weights` to -1"),
        (Loss::GaussianNll { minimum_variance: f64::NAN }, "`loss.minimum_variance` to NaN"),
    ] {
        let message = loss.check("loss").unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
    smoothed(0.1, Some(ClassWeights::Balanced)).check("loss").unwrap();
}

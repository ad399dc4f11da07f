use super::*;

const ALL: [Activation; 12] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Elu,
    Activation::Selu,
    Activation::Gelu,
    Activation::Silu,
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::HardSwish,
    Activation::Softmax,
];

/// The definition in f64, of one row of the last axis.
fn naive(activation: Activation, row: &[f64]) -> Vec<f64> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let each = |function: &dyn Fn(f64) -> f64| row.iter().map(|&x| function(x)).collect();
    match activation {
        Activation::Linear => row.to_vec(),
        Activation::Relu => each(&|x| x.max(0.0)),
        Activation::LeakyRelu => each(&|x| x.max(0.01 * x)),
        Activation::Elu => each(&|x| if x < 0.0 { x.exp() - 1.0 } else { x }),
        Activation::Selu => {
            each(&|x| 1.0507009873554805 * if x < 0.0 { 1.6732632423543772 * (x.exp() - 1.0) } else { x })
        }
        Activation::Gelu => each(&|x| x * 0.5 * (1.0 + libm::erf(x / 2_f64.sqrt()))),
        Activation::Silu => each(&|x| x * sigmoid(x)),
        Activation::Softplus => each(&|x| (1.0 + x.exp()).ln()),
        Activation::Sigmoid => each(&sigmoid),
        Activation::Tanh => each(&f64::tanh),
        Activation::HardSwish => each(&|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
        Activation::Softmax => {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            each(&|x| x.exp() / sum)
        }
    }
}

/// Values on both sides of every kink, none on one.
fn points() -> Vec<f32> {
    (0..60).map(|i| i as f32 * 0.27 - 8.03).collect()
}

#[test]
fn every_function_is_its_definition_in_f64() {
    let input = points();
    for activation in ALL {
        let mut output = vec![f32::NAN; input.len()];
        activation.forward(&input, 5, &mut output);
        let exact: Vec<f64> = input.iter().map(|&x| x.into()).collect();
        for (row, expected) in output.chunks(5).zip(exact.chunks(5)) {
            for (y, expected) in row.iter().zip(naive(activation, expected)) {
                let error = (f64::from(*y) - expected).abs();
                assert!(error <= 1e-6 * (1.0 + expected.abs()), "{activation:?}: {y} is not {expected}");
            }
        }
    }
}

#[test]
fn every_gradient_is_the_central_difference_in_f64() {
    const STEP: f64 = 1e-6;
    let input = points();
    let by_output: Vec<f32> = (0..input.len()).map(|i| (i * 7 % 11) as f32 * 0.3 - 1.4).collect();
    for activation in ALL {
        let mut output = vec![0.0; input.len()];
        activation.forward(&input, 5, &mut output);
        let mut by_input = vec![f32::NAN; input.len()];
        activation.backward(&input, &output, &by_output, 5, &mut by_input);
        for (index, &gradient) in by_input.iter().enumerate() {
            let row = index / 5 * 5;
            let loss = |nudge: f64| -> f64 {
                let mut x: Vec<f64> = input[row..row + 5].iter().map(|&x| x.into()).collect();
                x[index - row] += nudge;
                let y = naive(activation, &x);
                y.iter().zip(&by_output[row..]).map(|(y, &by)| y * f64::from(by)).sum()
            };
            let numeric = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            let error = (f64::from(gradient) - numeric).abs();
            assert!(error <= 1e-6 + 1e-4 * numeric.abs(), "{activation:?} at {index}: {gradient} is not {numeric}");
        }
    }
}

#[test]
fn far_arguments_stay_finite_and_nan_passes() {
    for activation in ALL {
        let input = [-200.0, 200.0, 0.0];
        let (mut output, mut by_input) = ([f32::NAN; 3], [f32::NAN; 3]);
        activation.forward(&input, 3, &mut output);
        activation.backward(&input, &output, &[1.0; 3], 3, &mut by_input);
        assert!(output.iter().chain(&by_input).all(|y| y.is_finite()), "{activation:?}: {output:?} {by_input:?}");
        activation.forward(&[f32::NAN; 3], 3, &mut output);
        assert!(output.iter().all(|y| y.is_nan()), "{activation:?}: {output:?}");
    }
}

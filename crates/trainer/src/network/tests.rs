use ndarray::{Array1, Array2};
use rand::{RngExt, SeedableRng};

use super::*;
use crate::layer::Activation;
use crate::loss::softmax_cross_entropy;

fn dense(name: &str, units: Option<usize>, activation: Activation) -> LayerConfig {
    LayerConfig::Dense { name: name.into(), units, activation }
}

fn three_layers(seed: u64) -> Network {
    let layers = [
        dense("a", Some(7), Activation::Relu),
        dense("b", Some(6), Activation::Relu),
        dense("c", None, Activation::Linear),
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut network = Network::new(&layers, 5, 4, &mut rng).unwrap();
    for layer in &mut network.layers {
        layer.bias.mapv_inplace(|_| rng.random::<f32>() - 0.5);
    }
    network
}

/// The network and its loss in f64 and plain loops, the oracle of the gradients.
fn naive_loss(layers: &[(Array2<f64>, Array1<f64>, Activation)], x: &Array2<f64>, labels: &[u32]) -> f64 {
    let mut total = 0.0;
    for (sample, &label) in x.rows().into_iter().zip(labels) {
        let mut signal = sample.to_vec();
        for (weights, bias, activation) in layers {
            signal = (0..weights.ncols())
                .map(|unit| {
                    let inputs = signal.iter().enumerate();
                    let sum = bias[unit] + inputs.map(|(i, x)| x * weights[[i, unit]]).sum::<f64>();
                    if *activation == Activation::Relu { sum.max(0.0) } else { sum }
                })
                .collect();
        }
        total += signal.iter().map(|z| z.exp()).sum::<f64>().ln() - signal[label as usize];
    }
    total / x.nrows() as f64
}

#[test]
fn every_gradient_is_the_central_difference_of_an_independent_network_in_f64() {
    const STEP: f64 = 1e-6;
    for seed in 0..5 {
        let network = three_layers(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let rows = 6;
        // One row more than used: nothing may depend on it.
        let mut activations = network.activations(rows + 1).unwrap();
        activations.input = Array2::from_shape_simple_fn((rows + 1, 5), || 2.0 * rng.random::<f32>() - 1.0);
        let labels: Vec<u32> = (0..rows).map(|_| rng.random_range(0..4)).collect();

        let mut gradients = network.gradients(rows + 1).unwrap();
        let logits = network.forward(&mut activations, rows);
        let loss = softmax_cross_entropy(logits, labels.iter().copied(), gradients.logits(rows));
        network.backward(&activations, &mut gradients, rows);

        let x = activations.input.slice(s![..rows, ..]).mapv(f64::from);
        let mut layers: Vec<_> = network
            .layers
            .iter()
            .map(|layer| (layer.weights.mapv(f64::from), layer.bias.mapv(f64::from), layer.activation))
            .collect();
        assert!((loss - naive_loss(&layers, &x, &labels)).abs() < 1e-6);

        let mut compare = |analytic: f32, nudge: &mut dyn FnMut(&mut Vec<_>, f64)| {
            nudge(&mut layers, STEP);
            let up = naive_loss(&layers, &x, &labels);
            nudge(&mut layers, -2.0 * STEP);
            let down = naive_loss(&layers, &x, &labels);
            nudge(&mut layers, STEP);
            let numeric = (up - down) / (2.0 * STEP);
            let error = (f64::from(analytic) - numeric).abs();
            assert!(error <= 1e-6 + 1e-4 * numeric.abs(), "seed {seed}: {analytic} is not {numeric}");
        };
        type Layers = Vec<(Array2<f64>, Array1<f64>, Activation)>;
        for (index, gradient) in gradients.parameters.iter().enumerate() {
            for (at, &analytic) in gradient.weights.indexed_iter() {
                compare(analytic, &mut |layers: &mut Layers, by| layers[index].0[at] += by);
            }
            for (at, &analytic) in gradient.bias.indexed_iter() {
                compare(analytic, &mut |layers: &mut Layers, by| layers[index].1[at] += by);
            }
        }
    }
}

#[test]
fn a_smaller_batch_in_the_same_buffers_gives_the_same_logits() {
    let network = three_layers(3);
    let mut full = network.activations(9).unwrap();
    full.input = Array2::from_shape_fn((9, 5), |(i, j)| (i * 5 + j) as f32 * 0.1 - 2.0);
    let mut part = network.activations(9).unwrap();
    part.input.assign(&full.input);
    let logits = network.forward(&mut full, 9).to_owned();
    assert_eq!(network.forward(&mut part, 4), logits.slice(s![..4, ..]));
}

#[test]
fn parameters_come_with_their_own_gradients() {
    let mut network = three_layers(0);
    let gradients = network.gradients(1).unwrap();
    let sizes: Vec<usize> = network.parameters().map(|parameter| parameter.size).collect();
    assert_eq!(sizes, [35, 7, 42, 6, 24, 4]);
    let pairs = network.parameters_mut(&gradients);
    let lengths: Vec<_> = pairs.map(|(values, gradient)| (values.len(), gradient.len())).collect();
    assert_eq!(lengths, sizes.iter().map(|&size| (size, size)).collect::<Vec<_>>());
}

#[test]
fn the_first_layer_with_a_non_finite_value_is_found() {
    let place = |spoil: &dyn Fn(&mut Network, &mut Activations)| {
        let mut network = three_layers(1);
        let mut activations = network.activations(2).unwrap();
        spoil(&mut network, &mut activations);
        network.forward(&mut activations, 2);
        network.first_non_finite(&activations, 2)
    };
    let culprit = |layer: &str, place| Some(Culprit { layer: layer.into(), place });
    assert_eq!(place(&|_, _| ()), None);
    assert_eq!(place(&|n, _| n.layers[1].weights[[3, 2]] = f32::NAN), culprit("b", Place::Weights));
    assert_eq!(place(&|n, _| n.layers[2].bias[0] = f32::INFINITY), culprit("c", Place::Bias));
    // The largest f32 times a weight and a sum of such products leave the range of f32.
    let overflow = |n: &mut Network, a: &mut Activations| {
        n.layers[0].weights.fill(2.0);
        a.input.row_mut(1).fill(f32::MAX);
    };
    assert_eq!(place(&overflow), culprit("a", Place::Output));
}

#[test]
fn a_layer_beyond_the_limit_is_refused_before_anything_is_allocated() {
    let new = |units| {
        let layers = [dense("wide", Some(units), Activation::Relu), dense("out", None, Activation::Linear)];
        Network::new(&layers, 64, 10, &mut ChaCha8Rng::seed_from_u64(0)).map(|_| ())
    };
    for units in [usize::MAX, MAX_VALUES / 64 + 1] {
        let message = new(units).unwrap_err().to_string();
        assert!(message.contains("layer `wide`") && message.contains("weight"), "{message}");
    }
    let message = three_layers(0).activations(MAX_VALUES).err().unwrap().to_string();
    assert!(message.contains("layer `a`") && message.contains("batch"), "{message}");
}

#[test]
fn the_last_layer_takes_its_width_from_the_classes() {
    let network = three_layers(0);
    assert_eq!(network.last().units(), 4);
    assert_eq!(network.layers[0].inputs(), 5);
}

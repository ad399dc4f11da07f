//! Emission of networks whose constants or data are extreme.

use dlquantizer::{ActivationType, Granularity, Recipe};
use ndarray::ArrayD;
use onnx_model::Model;

use crate::common::{
    Net, Quantized, Random, array, assert_close, quantize, quantize_with, refused, run, sqnr_db, tapped,
};
use crate::emit::integer_layer;

fn recipes() -> [Recipe; 2] {
    [Granularity::PerChannel, Granularity::PerTensor].map(|weights| Recipe { weights, ..Recipe::default() })
}

/// One layer `y` of these weights `[k, n]` and bias.
fn layer(k: usize, weights: Vec<f32>, bias: Option<Vec<f32>>) -> Net {
    let mut net = Net::new(&[k]);
    let n = weights.len() / k;
    net.constant("w", &[k, n], weights);
    match bias {
        Some(bias) => {
            net.constant("b", &[n], bias);
            net.op("Gemm", &["x", "w", "b"], "y");
        }
        None => drop(net.op("Gemm", &["x", "w"], "y").name.clone()),
    }
    net
}

/// Every scale is finite and positive.
fn check_scales(quantized: &Quantized) {
    for layer in quantized.int8.layers() {
        let activations = [layer.input, layer.output].into_iter().flatten().map(|params| params.scale);
        for scale in layer.weight_scales.iter().copied().chain(activations) {
            assert!(scale.is_finite() && scale > 0.0, "{}: scale {scale}", layer.name);
        }
    }
}

/// The largest difference between float and int8 over `x`.
fn difference(quantized: &Quantized, x: &ArrayD<f32>) -> f32 {
    let (real, int8) = (run(quantized.float.network(), x), run(quantized.int8.model(), x));
    real.iter().zip(&int8).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

#[test]
fn a_dead_channel_gives_its_bias() {
    let x = Random::new(1).array(&[50, 2]);
    for recipe in recipes() {
        for bias in [None, Some(vec![0.5, -1000.0, 1e-6])] {
            let dead = layer(2, vec![1.0, 0.0, 0.0, -1.0, 0.0, 0.0], bias.clone());
            let quantized = quantize_with(dead.model(&["y"]), &x, &recipe).unwrap();
            check_scales(&quantized);
            let y = run(quantized.int8.model(), &x);
            for row in y.rows() {
                for channel in [1, 2] {
                    let expected = bias.as_ref().map_or(0.0, |bias| bias[channel]);
                    // Half a step of the channel's bias at most.
                    let scale = &quantized.int8.layers()[0].weight_scales;
                    let step = quantized.int8.layers()[0].input.unwrap().scale
                        * scale[if scale.len() == 1 { 0 } else { channel }];
                    assert!((row[channel] - expected).abs() <= 0.5 * step + 1e-4 * expected.abs(), "{row} {bias:?}");
                }
            }
        }
        let all_dead = layer(2, vec![0.0; 4], None);
        let quantized = quantize_with(all_dead.model(&["y"]), &x, &recipe).unwrap();
        check_scales(&quantized);
        assert!(run(quantized.int8.model(), &x).iter().all(|&y| y == 0.0));
    }
}

#[test]
fn a_large_bias_beside_tiny_weights_survives() {
    let x = Random::new(1).array(&[50, 2]);
    for recipe in recipes() {
        for magnitude in [1e-3f32, 1e-8, 1e-20, 1e-38, 1e-44] {
            let net = layer(2, vec![magnitude, 0.5, -magnitude, 0.25], Some(vec![3.0, -0.125]));
            let quantized = quantize_with(net.model(&["y"]), &x, &recipe).unwrap();
            check_scales(&quantized);
            let difference = difference(&quantized, &x);
            assert!(difference < 0.02, "{difference} for weights of {magnitude} with {recipe:?}");
        }
    }
}

#[test]
fn constant_activations_have_a_scale() {
    for constant in [0.0f32, 1.0, -3.0, 1e-30, 1e30] {
        let mut net = layer(2, vec![1.0, -0.5, 0.25, 0.75], Some(vec![0.1, 0.2]));
        net.dense("y", "z", 2, 2);
        let x = array(&[10, 2], vec![constant; 20]);
        let quantized = quantize(net.model(&["z"]), &x);
        check_scales(&quantized);
        let (real, int8) = (run(quantized.float.network(), &x), run(quantized.int8.model(), &x));
        let largest = real.iter().fold(0.0f32, |largest, y| largest.max(y.abs()));
        assert_close(&real, &int8, 0.02 * largest, &format!("activations of {constant}"));
    }
}

#[test]
fn a_network_that_always_gives_zero_is_quantized() {
    let mut net = layer(2, vec![-1.0, -1.0, -1.0, -1.0], None);
    net.op("Relu", &["y"], "relu");
    net.dense("relu", "z", 2, 2);
    let x = array(&[10, 2], vec![1.0; 20]);
    let quantized = quantize(net.model(&["z"]), &x);
    check_scales(&quantized);
    // All that is left is the second layer's bias, exact to half a step.
    let layer = &quantized.int8.layers()[1];
    let step = layer.input.unwrap().scale * layer.weight_scales.iter().copied().fold(0.0, f32::max);
    assert!(difference(&quantized, &x) <= 0.5001 * step);
}

#[test]
fn huge_numbers_are_quantized_or_refused() {
    for (weight, x) in [(1.0f32, 1e38f32), (1e38, 1.0), (1e30, 1e8), (1e-38, 1e38), (1e-30, 1e-30)] {
        let net = layer(2, vec![weight, -0.25 * weight, 0.5 * weight, 0.125 * weight], Some(vec![1.0, -1.0]));
        let x = array(&[3, 2], vec![x, -0.5 * x, 0.25 * x, 0.1 * x, -x, 0.0]);
        match quantize_with(net.model(&["y"]), &x, &Recipe::default()) {
            Ok(quantized) => {
                check_scales(&quantized);
                assert!(run(quantized.int8.model(), &x).iter().all(|y| y.is_finite()), "{weight} times {x}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // The largest of all: the width of the range is twice the largest f32.
    let net = layer(1, vec![0.25], None);
    let x = array(&[2, 1], vec![f32::MAX, -f32::MAX]);
    let quantized = quantize(net.model(&["y"]), &x);
    check_scales(&quantized);
    assert!(run(quantized.int8.model(), &x).iter().all(|y| y.is_finite()));
}

#[test]
fn a_layer_of_very_many_inputs_cannot_overflow() {
    let k = 40_000;
    let net = layer(k, vec![1.0; k], Some(vec![0.5]));
    let x = array(&[2, k], vec![1.0; 2 * k]);
    let message_or_model = quantize_with(net.model(&["y"]), &x, &Recipe::default());
    let quantized = message_or_model.unwrap();
    assert!(difference(&quantized, &x) < 1.0);
    let k = 70_000;
    let net = layer(k, vec![1.0; k], Some(vec![0.5]));
    let message = refused(quantize_with(net.model(&["y"]), &array(&[2, k], vec![1.0; 2 * k]), &Recipe::default()));
    assert!(message.contains("\"y\"") && message.contains("int32") && message.contains("float"), "{message}");
}

#[test]
fn constants_that_are_not_finite_name_layer_and_tensor() {
    let x = array(&[3, 2], vec![0.5; 6]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let net = layer(2, vec![1.0, 2.0, bad, 3.0], Some(vec![0.0, 0.0]));
        let message = refused(emit_without_data(net.model(&["y"]), &x));
        assert!(message.contains("layer \"y\"") && message.contains("element 2 of \"w\""), "{message}");
        let net = layer(2, vec![1.0, 2.0, 1.0, 3.0], Some(vec![0.0, bad]));
        let message = refused(emit_without_data(net.model(&["y"]), &x));
        assert!(message.contains("layer \"y\"") && message.contains("element 1 of \"b\""), "{message}");
    }
}

fn emit_without_data(model: Model, x: &ArrayD<f32>) -> Result<Quantized, dlquantizer::Error> {
    quantize_with(model, x, &Recipe::default())
}

#[test]
fn samples_beyond_the_calibration_saturate() {
    let net = layer(1, vec![1.0], None);
    let quantized = quantize(net.model(&["y"]), &array(&[2, 1], vec![-1.0, 1.0]));
    let y = run(quantized.int8.model(), &array(&[4, 1], vec![100.0, -100.0, f32::INFINITY, f32::NEG_INFINITY]));
    for (y, expected) in y.iter().zip([1.0, -1.0, 1.0, -1.0]) {
        assert!((y - expected).abs() < 0.01, "{y}");
    }
}

#[test]
fn signed_activations_of_one_sign_use_the_whole_width() {
    let recipe = Recipe { activations: ActivationType::I8, ..Recipe::default() };
    let net = layer(1, vec![1.0], None);
    let quantized = quantize_with(net.model(&["y"]), &array(&[2, 1], vec![0.0, 2.55]), &recipe).unwrap();
    let input = quantized.int8.layers()[0].input.unwrap();
    assert_eq!((input.quantize(0.0), input.quantize(2.55)), (-128, 127));
}

#[test]
fn a_weight_without_bias_gets_none() {
    let quantized =
        quantize(layer(2, vec![1.0, -1.0], None).model(&["y"]), &array(&[2, 2], vec![0.5, 1.0, -1.0, 0.25]));
    assert_eq!(quantized.int8.model().graph().node.iter().find(|node| node.name() == "y").unwrap().input.len(), 2);
}

#[test]
fn one_constant_as_weights_and_bias_is_quantized_as_both() {
    let mut net = Net::new(&[1]);
    net.random("c", &[1, 3]);
    net.op("Gemm", &["x", "c", "c"], "y");
    let x = Random::new(1).array(&[50, 1]);
    let quantized = quantize(net.model(&["y"]), &x);
    let integers = integer_layer(quantized.int8.model(), "y");
    assert_eq!((integers.weights.len(), integers.bias.len()), (3, 3));
    assert!(sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x)) > 35.0);
}

#[test]
fn a_gemm_with_another_bias_stays_float_beside_quantized_layers() {
    // C of shape [1] and [n, 1] is added to whole rows.
    for (shape, batch) in [(vec![1usize], 6), (vec![6, 1], 6), (vec![6, 4], 6)] {
        let mut net = Net::new(&[3]);
        net.dense("x", "fc1", 3, 4);
        net.op("Relu", &["fc1"], "relu");
        net.random("w", &[4, 4]);
        net.random("c", &shape);
        net.op("Gemm", &["relu", "w", "c"], "fc2");
        net.dense("fc2", "y", 4, 2);
        net.graph.input.clear();
        net.input("x", onnx_model::Dim::Fixed(batch), &[3]);
        let x = Random::new(1).array(&[batch, 3]);
        let quantized = quantize(net.model(&["y"]), &x);
        assert_eq!(quantized.float.layers().len(), 2, "{shape:?}");
        let (real, int8) = (tapped(quantized.float.network(), &[], &x), tapped(quantized.int8.model(), &[], &x));
        assert!(sqnr_db(&real[0], &int8[0]) > 25.0, "{shape:?}");
    }
}

#[test]
fn a_layer_without_inputs_or_outputs_is_no_layer() {
    let mut net = Net::new(&[3]);
    net.dense("x", "fc1", 3, 4);
    net.constant("empty", &[3, 0], Vec::new());
    net.op("MatMul", &["x", "empty"], "nothing");
    let float = crate::common::open(&net, &["fc1", "nothing"]);
    assert_eq!(float.layers().len(), 1);
}

//! Layers that are not calibrated int8: quantized by the range of the run, or with integer weights beside float activations.

use std::num::NonZeroU32;

use dlquantizer::{FloatModel, LayerChoice, Precision, Recipe};
use ndarray::ArrayD;
use onnx_model::graph::{GraphIndex, node};
use onnx_model::{Model, Tensor, TensorData};

use crate::common::{Net, Random, floats, node_named, quantize_with, run, sqnr_db, steps, three_layers};

fn recipe(precision: Precision, block: u32) -> Recipe {
    Recipe { precision, block: NonZeroU32::new(block), ..Recipe::default() }
}

fn emitted(model: Model, recipe: &Recipe) -> Model {
    recipe.emit_uncalibrated(&FloatModel::new(model).unwrap()).unwrap().model().clone()
}

fn refused(model: Model, recipe: &Recipe) -> String {
    recipe.emit_uncalibrated(&FloatModel::new(model).unwrap()).err().unwrap().to_string()
}

/// `x -> Gemm with transposed weights -> Relu -> MatMul + Add = y`.
fn both_layouts() -> Net {
    let mut net = Net::new(&[70]);
    net.random("w1", &[24, 70]);
    net.random("b1", &[24]);
    net.op("Gemm", &["x", "w1", "b1"], "fc1").attribute.extend(node("", "", &[], &[]).with_int("transB", 1).attribute);
    net.op("Relu", &["fc1"], "relu");
    net.random("w2", &[24, 5]);
    net.random("b2", &[5]);
    net.op("MatMul", &["relu", "w2"], "fc2");
    net.op("Add", &["fc2", "b2"], "y");
    net
}

/// The weights that a DequantizeLinear node with a scale for each block makes, by the operator's definition.
fn dequantized(model: &Model, product: &str, block: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let index = GraphIndex::new(model.graph()).unwrap();
    let made = &node_named(model, product).input[1];
    let dequantize = &model.graph().node[index.producer(made).unwrap()];
    assert_eq!(dequantize.attr_int("block_size", 0).unwrap(), block as i64);
    let axis = dequantize.attr_int("axis", 1).unwrap() as usize;
    let Tensor { shape, data, .. } = index.constant(&dequantize.input[0]).unwrap().unwrap();
    let integers: Vec<f32> = match data {
        TensorData::I4(values) | TensorData::I8(values) => values.into_iter().map(f32::from).collect(),
        other => panic!("{other:?}"),
    };
    let scales = floats(model, &dequantize.input[1]);
    let blocks = if axis == 1 { shape[1].div_ceil(block) } else { shape[1] };
    let scale_of = |at: usize| {
        let position = [at / shape[1], at % shape[1]];
        if axis == 1 {
            scales[position[0] * blocks + position[1] / block]
        } else {
            scales[position[0] / block * blocks + position[1]]
        }
    };
    let of_each: Vec<f32> = (0..integers.len()).map(scale_of).collect();
    (integers.iter().zip(&of_each).map(|(q, scale)| q * scale).collect(), of_each, integers)
}

#[test]
fn blocks_of_weights_are_rounded_to_the_nearest_step() {
    let net = both_layouts();
    let float = net.model(&["y"]);
    for (precision, block) in [(Precision::Int8Weights, 32), (Precision::Int4Weights, 16), (Precision::Int4Weights, 0)]
    {
        let model = emitted(float.clone(), &recipe(precision, block));
        let block = if block == 0 { 32 } else { block as usize };
        for (product, weights) in [("fc1", "w1"), ("fc2", "w2")] {
            let (real, scales, integers) = dequantized(&model, product, block);
            let (lowest, highest) = if precision == Precision::Int4Weights { (-8.0, 7.0) } else { (-127.0, 127.0) };
            for ((&w, &real), (&scale, &q)) in
                floats(&float, weights).iter().zip(&real).zip(scales.iter().zip(&integers))
            {
                assert_eq!(
                    q,
                    (w / scale).round_ties_even().clamp(lowest, highest),
                    "{precision:?} {product}: {w} as {real}"
                );
            }
        }
        let step = steps(&model);
        let kind = if precision == Precision::Int4Weights { "f32 x s4" } else { "f32 x s8" };
        assert!(step.iter().all(|step| step.contains(kind)) && step.len() == 2, "{step:?}");
    }
}

#[test]
fn four_bits_take_the_scale_with_the_least_error() {
    // Steps of 1/7 suit the largest weight, somewhat smaller ones all others.
    let mut net = Net::new(&[32]);
    let mut weights = vec![0.1; 32];
    weights[5] = 1.0;
    net.constant("w", &[32, 1], weights.clone());
    net.op("MatMul", &["x", "w"], "y");
    let model = emitted(net.model(&["y"]), &recipe(Precision::Int4Weights, 32));
    let (real, ..) = dequantized(&model, "y", 32);
    let error = |real: &[f32]| real.iter().zip(&weights).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let plain: Vec<f32> = weights.iter().map(|w| (w * 7.0).round() / 7.0).collect();
    assert!(error(&real) < error(&plain), "{} < {}", error(&real), error(&plain));
}

#[test]
fn the_model_computes_with_its_integer_weights() {
    let x = Random::new(4).array(&[40, 70]);
    let float = both_layouts().model(&["y"]);
    let expected = run(&float, &x);
    let quality = |recipe: &Recipe| sqnr_db(&expected, &run(&emitted(float.clone(), recipe), &x));
    let whole = |granularity| Recipe { weights: granularity, ..recipe(Precision::Int8Weights, 0) };
    for (recipe, least) in [
        (whole(dlquantizer::Granularity::PerChannel), 38.0),
        (whole(dlquantizer::Granularity::PerTensor), 38.0),
        (recipe(Precision::Int8Weights, 32), 38.0),
        (recipe(Precision::Int4Weights, 0), 15.0),
        (recipe(Precision::Int4Weights, 8), 17.0),
        (recipe(Precision::Dynamic, 0), 33.0),
    ] {
        let db = quality(&recipe);
        assert!(db > least, "{:?} in blocks of {:?}: {db:.1} dB", recipe.precision, recipe.block);
    }
}

#[test]
fn dynamic_layers_are_one_step_each_and_share_the_quantization_of_their_input() {
    let mut net = Net::new(&[12]);
    net.dense("x", "a", 12, 6);
    net.dense("x", "b", 12, 6);
    net.op("Relu", &["a"], "relu");
    net.op("Add", &["relu", "b"], "y");
    let model = emitted(net.model(&["y"]), &recipe(Precision::Dynamic, 0));
    let count = |op: &str| model.graph().node.iter().filter(|node| node.op_type() == op).count();
    assert_eq!((count("DynamicQuantizeLinear"), count("MatMulInteger"), count("Gemm")), (1, 2, 0));
    let work = steps(&model);
    assert_eq!(work.iter().filter(|step| step.contains("quantized by its range")).count(), 2, "{work:?}");
    assert_eq!(work.len(), 3, "{work:?}");
}

#[test]
fn precisions_mix_layer_by_layer() {
    let x = Random::new(2).array(&[80, 6]);
    let layer = |pattern: &str, precision| LayerChoice {
        pattern: pattern.to_owned(),
        precision: Some(precision),
        ..LayerChoice::default()
    };
    for (first, second, third) in [
        (Precision::Int8, Precision::Dynamic, Precision::Int4Weights),
        (Precision::Int8Weights, Precision::Int8, Precision::Dynamic),
        (Precision::Dynamic, Precision::Float, Precision::Int8),
    ] {
        let layers = vec![layer("fc1", first), layer("fc2", second), layer("y", third)];
        let recipe = Recipe { layers, ..Recipe::default() };
        let quantized = quantize_with(three_layers(1, [6, 40, 20, 3]).model(&["y"]), &x, &recipe).unwrap();
        let precisions: Vec<Precision> = quantized.int8.layers().iter().map(|layer| layer.precision).collect();
        assert_eq!(precisions, [first, second, third]);
        for layer in quantized.int8.layers() {
            assert_eq!(layer.input.is_some(), layer.precision == Precision::Int8, "{layer:?}");
            assert_eq!(layer.weight_scales.is_empty(), layer.precision == Precision::Float, "{layer:?}");
        }
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x));
        assert!(db > 15.0, "{precisions:?}: {db:.1} dB");
        assert!(!steps(quantized.int8.model()).iter().any(|step| step.contains("runtime")));
    }
}

#[test]
fn a_layer_that_needs_a_calibration_is_named() {
    let message = refused(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &Recipe::default());
    assert!(
        message.contains("\"fc1\"") && message.contains("quantize calibrate") && message.contains("int4-weights"),
        "{message}"
    );
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for precision in [Precision::Dynamic, Precision::Int8Weights, Precision::Int4Weights] {
        let mut net = Net::new(&[2]);
        net.constant("w", &[2, 2], vec![1.0, f32::NAN, 0.5, 2.0]);
        net.op("MatMul", &["x", "w"], "y");
        let message = refused(net.model(&["y"]), &recipe(precision, 0));
        assert!(message.contains("\"w\" is not finite"), "{precision:?}: {message}");
    }
}

#[test]
fn only_blocks_and_4_bits_raise_the_opset() {
    let opset = |recipe: &Recipe| {
        let mut net = three_layers(1, [6, 8, 5, 3]);
        net.opset = 13;
        emitted(net.model(&["y"]), recipe).opset()
    };
    assert_eq!(opset(&recipe(Precision::Int8Weights, 0)), 13);
    assert_eq!(opset(&recipe(Precision::Dynamic, 0)), 13);
    assert_eq!(opset(&recipe(Precision::Int8Weights, 2)), 21);
    assert_eq!(opset(&recipe(Precision::Int4Weights, 0)), 21);
}

#[test]
fn an_operator_that_changed_on_the_way_to_blocks_is_named() {
    let mut net = Net::new(&[4, 6]);
    net.opset = 13;
    let mean = node("ReduceMean", "mean", &["x"], &["mean"]).with_ints("axes", &[1]).with_int("keepdims", 0);
    net.node(mean);
    net.dense("mean", "y", 6, 3);
    let message = refused(net.model(&["y"]), &recipe(Precision::Int4Weights, 0));
    assert!(message.contains("ReduceMean node \"mean\"") && message.contains("opset 21"), "{message}");
    let model = emitted(net.model(&["y"]), &recipe(Precision::Int8Weights, 0));
    let x: ArrayD<f32> = Random::new(3).array(&[5, 4, 6]);
    assert!(sqnr_db(&run(&net.model(&["y"]), &x), &run(&model, &x)) > 35.0);
}

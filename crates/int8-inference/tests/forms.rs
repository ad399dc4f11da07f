//! Other ways to write a quantized model than QDQ nodes around float operators: the same integers, on the same kernels.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::{Builder, NaiveDense, Params};
use int8_inference::{Session, SessionOptions};
use onnx_model::graph::node;
use onnx_model::proto::NodeProto;
use onnx_model::{Model, Tensor, TensorData};
use proptest::prelude::*;

const K: usize = 12;
const N: usize = 5;

fn microsoft(op_type: &str, inputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some("com.microsoft".to_owned()), ..node(op_type, "", inputs, &[]) }
}

fn params(builder: &mut Builder, params: Params) -> [String; 2] {
    let scale = builder.float(&[], vec![params.scale]);
    let zero = if params.signed {
        Tensor::i8("", &[], vec![params.zero_point as i8])
    } else {
        Tensor::u8("", &[], vec![params.zero_point as u8])
    };
    [scale, builder.constant(zero.expect("one element"))]
}

/// The integers of tensors on some samples of `x`, and the steps that made them.
fn run(model: &Model, taps: &[&str], x: &[f32]) -> (Vec<Vec<i64>>, Vec<String>) {
    let options =
        SessionOptions { taps: taps.iter().map(|&tap| tap.to_owned()).collect(), ..SessionOptions::default() };
    let session = Session::new(model, &options).expect("a model that is read");
    let width = model.inputs()[0].shape.as_ref().and_then(|shape| shape.get(1).cloned());
    let Some(onnx_model::Dim::Fixed(width)) = width else { panic!("no width") };
    let x = Tensor::f32("x", &[x.len() / width, width], x.to_vec()).expect("whole samples");
    let results = session.run_tensors(&[x]).expect("a model that runs");
    let tapped =
        results[results.len() - taps.len()..].iter().map(|tensor| tensor.to_i64().expect("integers")).collect();
    (tapped, session.steps().into_iter().map(|step| step.work).collect())
}

fn weights() -> Vec<i32> {
    (0..K * N).map(|i| ((i * 53 + 7) % 255) as i32 - 127).collect()
}

fn scales() -> Vec<f32> {
    (0..N).map(|channel| 0.004 + channel as f32 * 0.0013).collect()
}

fn samples(count: usize) -> Vec<f32> {
    (0..count * K).map(|i| ((i * 29) % 113) as f32 / 16.0 - 3.0).collect()
}

fn quantized_samples(x: &[f32], input: Params) -> Vec<Vec<i32>> {
    x.chunks_exact(K).map(|row| row.iter().map(|&x| input.quantize(x)).collect()).collect()
}

/// Weights of either layout as a constant, with their zero point.
fn weight_constants(builder: &mut Builder, transposed: bool, per_channel: bool) -> [String; 3] {
    let at = |i: usize| if transposed { i % K * N + i / K } else { i };
    let values: Vec<i8> = (0..K * N).map(|i| weights()[at(i)] as i8).collect();
    let shape = if transposed { [N, K] } else { [K, N] };
    let count = if per_channel { N } else { 1 };
    let scale_shape: &[usize] = if per_channel { &[N] } else { &[] };
    [
        builder.constant(Tensor::i8("", &shape, values).expect("a matrix")),
        builder.float(scale_shape, scales()[..count].to_vec()),
        builder.constant(Tensor::i8("", scale_shape, vec![0; count]).expect("zeros")),
    ]
}

#[test]
fn qgemm_is_a_fused_dense_layer() {
    let x = samples(9);
    for (signed, transposed, per_channel, alpha) in
        [(false, true, true, 1.0), (true, false, true, 1.0), (false, false, false, 1.0), (true, true, true, 0.5)]
    {
        let input = Params { scale: 0.03, zero_point: if signed { -20 } else { 101 }, signed };
        let output = Params { scale: 0.07, zero_point: if signed { 9 } else { 140 }, signed };
        let mut builder = Builder::default();
        let x_q = builder.quantize("x", input);
        let [x_scale, x_zero] = params(&mut builder, input);
        let [w, w_scale, w_zero] = weight_constants(&mut builder, transposed, per_channel);
        let bias: Vec<i32> = (0..N as i32).map(|channel| channel * 900 - 1500).collect();
        let bias_name = builder.constant(Tensor::i32("", &[N], bias.clone()).expect("a vector"));
        let [y_scale, y_zero] = params(&mut builder, output);
        let inputs =
            [&x_q, &x_scale, &x_zero, &w, &w_scale, &w_zero, &bias_name, &y_scale, &y_zero].map(String::as_str);
        let attributes = |node: NodeProto| node.with_int("transB", i64::from(transposed)).with_float("alpha", alpha);
        let y_q = builder.node(attributes(microsoft("QGemm", &inputs)));
        let y = builder.dequantize(&y_q, output);
        // Without an output scale the result is real.
        let real = builder.node(attributes(microsoft("QGemm", &inputs[..7])));
        let model = builder.model(&[K], &[&y, &real]);

        let (integers, steps) = run(&model, &[&y_q], &x);
        let expected = format!("dense {K} -> {N}, u8 x s8 -> ");
        assert!(steps.iter().any(|step| *step == format!("{expected}u8")), "{steps:?}");
        assert!(steps.iter().any(|step| *step == format!("{expected}f32")), "{steps:?}");
        let count = if per_channel { N } else { 1 };
        let scales: Vec<f32> = scales()[..count].iter().map(|scale| alpha * scale).collect();
        let naive = NaiveDense { weights: &weights(), scales: &scales, bias: &bias, input };
        let rows = quantized_samples(&x, input);
        let clamp = (f32::NEG_INFINITY, f32::INFINITY);
        let expected: Vec<i64> =
            rows.iter().flat_map(|row| naive.quantized(row, output, clamp)).map(i64::from).collect();
        assert_eq!(integers[0], expected, "signed {signed}, transposed {transposed}");
        let session = Session::new(&model, &SessionOptions::default()).expect("a model that is read");
        let results = session.run_tensors(&[Tensor::f32("x", &[9, K], x.clone()).expect("samples")]).expect("it runs");
        let expected: Vec<f32> = rows.iter().flat_map(|row| naive.float(row)).collect();
        assert_eq!(results[1].data, TensorData::F32(expected));
    }
}

#[test]
fn qlinear_matmul_by_constants_is_a_fused_dense_layer_and_any_other_is_exact_too() {
    let x = samples(9);
    let input = Params::u8(0.03, 101);
    let output = Params::u8(0.05, 130);
    for per_channel in [false, true] {
        let mut builder = Builder::default();
        let x_q = builder.quantize("x", input);
        let [x_scale, x_zero] = params(&mut builder, input);
        let [w, w_scale, w_zero] = weight_constants(&mut builder, false, per_channel);
        let [y_scale, y_zero] = params(&mut builder, output);
        // The operator itself takes a scale per row as well: the same one for each row is the same product.
        let rows = builder.float(&[9], vec![input.scale; 9]);
        let rows_zero = builder.constant(Tensor::u8("", &[9], vec![101; 9]).expect("zero points"));
        let fused = [&x_q, &x_scale, &x_zero, &w, &w_scale, &w_zero, &y_scale, &y_zero].map(String::as_str);
        let whole = [&x_q, &rows, &rows_zero, &w, &w_scale, &w_zero, &y_scale, &y_zero].map(String::as_str);
        let y_q = builder.op("QLinearMatMul", &fused);
        let same = builder.op("QLinearMatMul", &whole);
        let y = builder.dequantize(&y_q, output);
        let model = builder.model(&[K], &[&y]);
        let (integers, steps) = run(&model, &[&y_q, &same], &x);
        assert!(steps.contains(&format!("dense {K} -> {N}, u8 x s8 -> u8")), "{steps:?}");
        assert!(steps.contains(&"QLinearMatMul on a whole tensor".to_owned()), "{steps:?}");
        assert_eq!(integers[0], integers[1]);
        let scales = scales();
        let scales = if per_channel { &scales[..] } else { &scales[..1] };
        let naive = NaiveDense { weights: &weights(), scales, bias: &[0; N], input };
        let clamp = (f32::NEG_INFINITY, f32::INFINITY);
        let rows = quantized_samples(&x, input);
        let expected: Vec<i64> =
            rows.iter().flat_map(|row| naive.quantized(row, output, clamp)).map(i64::from).collect();
        assert_eq!(integers[0], expected);
    }
}

#[test]
fn operators_between_layers_are_tables_and_sums_of_integers() {
    let x = samples(6);
    let (from, other, to) = (Params::u8(0.03, 101), Params::u8(0.02, 90), Params::u8(0.04, 120));
    let mut builder = Builder::default();
    let x_q = builder.quantize("x", from);
    let other_q = builder.quantize("x", other);
    let [scale, zero] = params(&mut builder, from);
    let [other_scale, other_zero] = params(&mut builder, other);
    let [to_scale, to_zero] = params(&mut builder, to);
    let unary = [&x_q, &scale, &zero, &to_scale, &to_zero].map(String::as_str);
    let sigmoid = builder.node(microsoft("QLinearSigmoid", &unary));
    let leaky = builder.node(microsoft("QLinearLeakyRelu", &unary).with_float("alpha", 0.25));
    let binary = [&x_q, &scale, &zero, &other_q, &other_scale, &other_zero, &to_scale, &to_zero].map(String::as_str);
    let sum = builder.node(microsoft("QLinearAdd", &binary));
    let y = builder.dequantize(&sum, to);
    let model = builder.model(&[K], &[&y]);
    let (integers, steps) = run(&model, &[&sigmoid, &leaky, &sum], &x);
    let count = |work: &str| steps.iter().filter(|step| step.starts_with(work)).count();
    assert_eq!((count("table lookup"), count("add"), steps.len()), (2, 1, 6), "{steps:?}");
    let real = |params: Params, x: f32| params.dequantize(params.quantize(x));
    for (index, &x) in x.iter().enumerate() {
        let a = real(from, x);
        let expected = [
            to.quantize(1.0 / (1.0 + (-a).exp())),
            to.quantize(if a < 0.0 { 0.25 * a } else { a }),
            to.quantize(a + real(other, x)),
        ];
        let made: Vec<i64> = integers.iter().map(|tensor| tensor[index]).collect();
        assert_eq!(made, expected.map(i64::from), "{x}");
    }
}

#[test]
fn qlinear_matmul_may_have_one_scale_and_many_zero_points_or_the_reverse() {
    let x = samples(9);
    let (input, output) = (Params::u8(0.03, 101), Params::u8(0.05, 130));
    for per_channel in [false, true] {
        let mut builder = Builder::default();
        let x_q = builder.quantize("x", input);
        let [x_scale, x_zero] = params(&mut builder, input);
        let [w, w_scale, _] = weight_constants(&mut builder, false, per_channel);
        let zeros = if per_channel { vec![2] } else { (0..N as i8).collect() };
        let zero_shape: &[usize] = if per_channel { &[] } else { &[N] };
        let w_zero = builder.constant(Tensor::i8("", zero_shape, zeros.clone()).expect("zero points"));
        let [y_scale, y_zero] = params(&mut builder, output);
        let inputs = [&x_q, &x_scale, &x_zero, &w, &w_scale, &w_zero, &y_scale, &y_zero].map(String::as_str);
        let y_q = builder.op("QLinearMatMul", &inputs);
        let y = builder.dequantize(&y_q, output);
        let (integers, _) = run(&builder.model(&[K], &[&y]), &[&y_q], &x);
        let weights: Vec<i32> =
            weights().iter().enumerate().map(|(i, weight)| weight - i32::from(zeros[i % N % zeros.len()])).collect();
        let scales = if per_channel { scales() } else { scales()[..1].to_vec() };
        let naive = NaiveDense { weights: &weights, scales: &scales, bias: &[0; N], input };
        let rows = quantized_samples(&x, input);
        let expected = rows.iter().flat_map(|row| naive.quantized(row, output, (f32::NEG_INFINITY, f32::INFINITY)));
        assert_eq!(integers[0], expected.map(i64::from).collect::<Vec<_>>(), "per channel {per_channel}");
    }
}

#[test]
fn what_is_wrong_with_an_operator_is_said_under_its_name() {
    let mut builder = Builder::default();
    let input = Params::u8(0.03, 101);
    let x_q = builder.quantize("x", input);
    let [scale, zero] = params(&mut builder, input);
    let none = builder.float(&[], vec![0.0]);
    let y_q = builder.node(microsoft("QLinearSigmoid", &[&x_q, &scale, &zero, &none, &zero]));
    let y = builder.dequantize(&y_q, input);
    let model = builder.model(&[K], &[&y]);
    let made = model.graph().node.iter().find(|node| node.op_type() == "QLinearSigmoid").expect("a node");
    let error = Session::new(&model, &SessionOptions::default()).err().expect("a refusal").to_string();
    assert!(error.contains(&format!("node \"{}\"", made.name())) && error.contains("scale is 0"), "{error}");
}

#[test]
fn qlinear_softmax_is_that_of_the_operator_set_it_names_or_refused() {
    let (from, to) = (Params::u8(0.03, 101), Params::u8(1.0 / 256.0, 0));
    let x: Vec<f32> = samples(2);
    // The model's operator set, the node's, its axis, and how many elements in a row are of one sum if it is read.
    for (opset, named, axis, together) in [
        (21, 21, None, Some(3)),
        (21, 12, Some(-1), Some(3)),
        (12, 12, None, Some(6)),
        (12, 12, Some(2), Some(3)),
        (12, 12, Some(-1), Some(3)),
        (12, 13, Some(-1), Some(3)),
        (21, 12, None, None),
        (21, 12, Some(1), None),
        (12, 13, Some(1), None),
    ] {
        let mut builder = Builder::default();
        let x_q = builder.quantize("x", from);
        let [scale, zero] = params(&mut builder, from);
        let [to_scale, to_zero] = params(&mut builder, to);
        let softmax = microsoft("QLinearSoftmax", &[&x_q, &scale, &zero, &to_scale, &to_zero]).with_int("opset", named);
        let y_q = builder.node(if let Some(axis) = axis { softmax.with_int("axis", axis) } else { softmax });
        let y = builder.dequantize(&y_q, to);
        let model = Model::new(builder.model(&[2, 3], &[&y]).graph().clone(), opset);
        let case = format!("operator set {opset}, of the node {named}, axis {axis:?}");
        let Some(together) = together else {
            let refused = Session::new(&model, &SessionOptions::default()).err().expect(&case).to_string();
            assert!(refused.contains("QLinearSoftmax"), "{case}: {refused}");
            continue;
        };
        let session = Session::new(&model, &SessionOptions::default()).expect(&case);
        let results = session.run_tensors(&[Tensor::f32("x", &[4, 2, 3], x.clone()).expect("samples")]).expect(&case);
        let TensorData::F32(y) = &results[0].data else { panic!("no floats") };
        for (x, y) in x.chunks(together).zip(y.chunks(together)) {
            let powers: Vec<f64> = x.iter().map(|&x| f64::from(from.dequantize(from.quantize(x))).exp()).collect();
            for (power, &y) in powers.iter().zip(y) {
                let exact = (power / powers.iter().sum::<f64>()) as f32;
                assert!((y - exact).abs() <= 0.501 * to.scale, "{case}: {y} against {exact}");
            }
        }
    }
}

#[test]
fn a_quantized_bias_is_added_to_integers() {
    let x = samples(7);
    for (signed, shape) in [(false, vec![K]), (true, vec![1, K])] {
        let params_of =
            |scale: f32, zero_point: i32| Params { scale, zero_point: zero_point - 128 * i32::from(signed), signed };
        let (from, bias, to) = (params_of(0.03, 101), params_of(0.011, 77), params_of(0.04, 120));
        let mut builder = Builder::default();
        let x_q = builder.quantize("x", from);
        let [scale, zero] = params(&mut builder, from);
        let [bias_scale, bias_zero] = params(&mut builder, bias);
        let [to_scale, to_zero] = params(&mut builder, to);
        let values: Vec<i64> = (0..K as i64).map(|i| i * 71 % 256 - 128 * i64::from(signed)).collect();
        let data_type = if signed { onnx_model::DataType::Int8 } else { onnx_model::DataType::Uint8 };
        let data = TensorData::from_i64(&values, data_type).expect("bytes");
        let row = builder.constant(Tensor::new("", &shape, data).expect("a row"));
        // Either operand may be the constant.
        let inputs = [&row, &bias_scale, &bias_zero, &x_q, &scale, &zero, &to_scale, &to_zero].map(String::as_str);
        let sum = builder.node(microsoft("QLinearAdd", &inputs));
        let y = builder.dequantize(&sum, to);
        let model = builder.model(&[K], &[&y]);
        let (integers, steps) = run(&model, &[&sum], &x);
        assert_eq!(steps[1], format!("add {K} u8 + {K} constant u8 -> u8"));
        let expected: Vec<i64> = x
            .iter()
            .enumerate()
            .map(|(index, &x)| {
                let real = from.dequantize(from.quantize(x)) + bias.dequantize(values[index % K] as i32);
                i64::from(to.quantize(real))
            })
            .collect();
        assert_eq!(integers[0], expected, "signed {signed}");
    }
}

#[test]
fn weights_kept_in_float_are_quantized_once_and_nodes_that_do_nothing_cost_nothing() {
    let x = samples(7);
    let (input, output) =
        (Params { scale: 0.03, zero_point: -27, signed: true }, Params { scale: 0.06, zero_point: 5, signed: true });
    let float: Vec<f32> = (0..K * N).map(|i| weights()[i] as f32 * scales()[i % N] + 0.0004).collect();
    // As it should be: integers in the file, one pair of nodes at each place.
    let plain = |builder: &mut Builder| {
        let x_dq = builder.qdq("x", input);
        let values = weights().iter().map(|&value| value as i8).collect();
        let w_dq = builder.weights(&[K, N], values, &scales(), 1);
        let product = builder.op("MatMul", &[&x_dq, &w_dq]);
        builder.quantize(&product, output)
    };
    // As other tools leave it: float weights, pairs twice, Identity and Cast in between.
    let roundabout = |builder: &mut Builder| {
        let x_q = builder.quantize("x", input);
        let x_q = builder.op("Identity", &[&x_q]);
        let x_dq = builder.dequantize(&x_q, input);
        let again = builder.qdq(&x_dq, input);
        let cast = builder.node(node("Cast", "", &[&again], &[]).with_int("to", 1));
        let w = builder.float(&[K, N], float.clone());
        let w = builder.op("Identity", &[&w]);
        let scale = builder.float(&[N], scales());
        let zero = builder.constant(Tensor::i8("", &[N], vec![0; N]).expect("zeros"));
        let w_q = builder.node(node("QuantizeLinear", "", &[&w, &scale, &zero], &[]).with_int("axis", 1));
        let w_dq = builder.node(node("DequantizeLinear", "", &[&w_q, &scale, &zero], &[]).with_int("axis", 1));
        let product = builder.op("MatMul", &[&cast, &w_dq]);
        let y_q = builder.quantize(&product, output);
        let y_dq = builder.dequantize(&y_q, output);
        builder.quantize(&y_dq, output)
    };
    let build = |make: &dyn Fn(&mut Builder) -> String| {
        let mut builder = Builder::default();
        let y_q = make(&mut builder);
        let y = builder.dequantize(&y_q, output);
        let again = builder.op("Identity", &[&y_q]);
        (builder.model(&[K], &[&y]), y_q, again)
    };
    let (plain, plain_q, _) = build(&plain);
    let (roundabout, y_q, _) = build(&roundabout);
    let (expected, plain_steps) = run(&plain, &[&plain_q], &x);
    let (integers, _) = run(&roundabout, &[&y_q], &x);
    assert_eq!(integers, expected);
    // Without the tap nothing of the detours is left.
    let (_, steps) = run(&roundabout, &[], &x);
    assert_eq!(steps, plain_steps);
}

#[test]
fn a_pair_of_nodes_for_each_reader_is_one() {
    let (input, hidden, sum) = (Params::u8(0.03, 101), Params::u8(0.06, 90), Params::u8(0.09, 80));
    let build = |dedicated: bool| {
        let mut builder = Builder::default();
        let x_dq = builder.qdq("x", input);
        let values = weights().iter().map(|&value| value as i8).collect();
        let w_dq = builder.weights(&[K, N], values, &scales(), 1);
        let product = builder.op("MatMul", &[&x_dq, &w_dq]);
        let shared = builder.quantize(&product, hidden);
        let first = builder.dequantize(&shared, hidden);
        let second = if dedicated { builder.qdq(&product, hidden) } else { builder.dequantize(&shared, hidden) };
        // Other parameters are another tensor.
        let third = builder.qdq(&product, sum);
        let added = builder.op("Add", &[&first, &second]);
        let added = builder.qdq(&added, sum);
        let y = builder.op("Add", &[&added, &third]);
        builder.model(&[K], &[&y])
    };
    let x = samples(5);
    let results = [false, true].map(|dedicated| {
        let session = Session::new(&build(dedicated), &SessionOptions::default()).expect("a model that is read");
        let y = session.run_tensors(&[Tensor::f32("x", &[5, K], x.clone()).expect("samples")]).expect("it runs");
        (y[0].data.clone(), session.steps().into_iter().map(|step| step.work).collect::<Vec<_>>())
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn pairs_of_nodes_with_other_parameters_are_kept() {
    let x = samples(5);
    let (from, to) = (Params::u8(0.03, 101), Params::u8(0.03, 20));
    let mut builder = Builder::default();
    let x_dq = builder.qdq("x", from);
    let again = builder.quantize(&x_dq, to);
    let other = builder.quantize("x", to);
    // What reads them tells: under their own names the integers are always right.
    let outputs = [builder.dequantize(&again, to), builder.dequantize(&other, to)];
    let model = builder.model(&[K], &outputs.each_ref().map(String::as_str));
    let session = Session::new(&model, &SessionOptions::default()).expect("a model that is read");
    let results = session.run_tensors(&[Tensor::f32("x", &[5, K], x.clone()).expect("samples")]).expect("it runs");
    let level = |x: f32| to.dequantize(to.quantize(x));
    let twice: Vec<f32> = x.iter().map(|&x| level(from.dequantize(from.quantize(x)))).collect();
    assert_eq!(results[0].data, TensorData::F32(twice));
    assert_eq!(results[1].data, TensorData::F32(x.iter().map(|&x| level(x)).collect()));
    // Some input leaves the second range and not the first, or the test would say nothing.
    assert!(x.iter().any(|&x| from.quantize(x) > 0 && x < to.dequantize(0)));
}

#[test]
fn integers_are_reshaped_on_the_way_to_a_layer() {
    let input = Params::u8(0.03, 101);
    let flattened = |reshape: &dyn Fn(&mut Builder, &str) -> String| {
        let mut builder = Builder::default();
        let x_dq = builder.qdq("x", input);
        let flat = reshape(&mut builder, &x_dq);
        let values = weights().iter().map(|&value| value as i8).collect();
        let w_dq = builder.weights(&[K, N], values, &scales(), 1);
        let y = builder.op("MatMul", &[&flat, &w_dq]);
        (builder.model(&[3, K / 3], &[&y]), flat)
    };
    let shape = |builder: &mut Builder| builder.constant(Tensor::i64("", &[2], vec![-1, K as i64]).expect("a shape"));
    for (model, flat) in [
        flattened(&|builder, x| builder.op("Flatten", &[x])),
        flattened(&|builder, x| {
            let shape = shape(builder);
            builder.op("Reshape", &[x, &shape])
        }),
    ] {
        let session = Session::new(&model, &SessionOptions { taps: vec![flat], ..SessionOptions::default() });
        let session = session.expect("a model that is read");
        let steps: Vec<String> = session.steps().into_iter().map(|step| step.work).collect();
        assert!(steps.contains(&format!("dense {K} -> {N}, u8 x s8 -> f32")), "{steps:?}");
        let x = samples(4);
        let results = session.run_tensors(&[Tensor::f32("x", &[4, 3, K / 3], x.clone()).expect("samples")]);
        let results = results.expect("a model that runs");
        let naive = NaiveDense { weights: &weights(), scales: &scales(), bias: &[0; N], input };
        let rows = quantized_samples(&x, input);
        let expected: Vec<f32> = rows.iter().flat_map(|row| naive.float(row)).collect();
        assert_eq!(results[0].data, TensorData::F32(expected));
        // Under its own name the reshaped tensor is as real as before.
        let real: Vec<f32> = rows.iter().flatten().map(|&q| input.dequantize(q)).collect();
        assert_eq!((&results[1].shape, &results[1].data), (&vec![4, K], &TensorData::F32(real)));
    }
}

proptest! {
    #[test]
    fn any_operator_on_any_inputs_is_read_or_refused(
        op_index in 0usize..9,
        picks in prop::collection::vec(0usize..14, 0..11),
        alpha in prop_oneof![Just(1.0f32), any::<f32>()],
        transposed in -1i64..3,
        outputs in 0usize..3,
    ) {
        let op_types = [
            "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax",
            "QuantizeLinear", "DequantizeLinear",
        ];
        let mut builder = Builder::default();
        let input = Params::u8(0.03, 101);
        let x_q = builder.quantize("x", input);
        let [scale, zero] = params(&mut builder, input);
        let [w, w_scale, w_zero] = weight_constants(&mut builder, false, true);
        let names = [
            x_q,
            scale,
            zero,
            w,
            w_scale,
            w_zero,
            "x".to_owned(),
            String::new(),
            builder.float(&[0], vec![]),
            builder.float(&[1], vec![f32::NAN]),
            builder.constant(Tensor::i32("", &[N], vec![i32::MAX; N]).expect("a vector")),
            builder.constant(Tensor::new("", &[2], TensorData::Bool(vec![true; 2])).expect("two")),
            builder.constant(Tensor::i8("", &[1, 0], vec![]).expect("none")),
            builder.constant(Tensor::new("", &[3], TensorData::I4(vec![-8, 0, 7])).expect("three")),
        ];
        let inputs: Vec<&str> = picks.iter().map(|&pick| names[pick].as_str()).collect();
        let made = match op_index {
            0 => node(op_types[0], "", &inputs, &[]),
            _ => microsoft(op_types[op_index], &inputs),
        };
        let y = builder.node(made.with_float("alpha", alpha).with_int("transB", transposed).with_int("axis", transposed));
        let mut model = builder.model(&[K], &[&y]);
        if let Some(node) = model.graph_mut().node.last_mut() {
            node.output.truncate(outputs);
            node.output.resize_with(outputs, || "more".to_owned());
        }
        if let Ok(session) = Session::new(&model, &SessionOptions::default()) {
            let _ = session.run_tensors(&[Tensor::f32("x", &[2, K], samples(2)).expect("samples")]);
        }
    }
}

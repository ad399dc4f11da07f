//! What stands between dense layers: elementwise functions as tables, residual sums, reshapes, softmax, and what stays in float.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::{Builder, Params};
use int8_inference::{Session, SessionOptions, TensorValues, Workspace};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Model, Tensor};

const INPUT: Params = Params { scale: 0.03, zero_point: 120, signed: false };
const OUTPUT: Params = Params { scale: 0.02, zero_point: -60, signed: true };

/// Every integer of the input once, as the real number it stands for.
fn every_level() -> Vec<f32> {
    (0..256).map(|q| INPUT.dequantize(q)).collect()
}

/// `x -> Q -> DQ -> function -> Q`: the integers that leave.
fn through(build: impl Fn(&mut Builder, &str) -> String) -> (Vec<i32>, Vec<String>) {
    let mut b = Builder::default();
    let x = b.qdq("x", INPUT);
    let y = build(&mut b, &x);
    let quantized = b.quantize(&y, OUTPUT);
    let result = b.dequantize(&quantized, OUTPUT);
    let model = b.model(&[256], &[&result]);
    let options = SessionOptions { taps: vec![quantized], ..SessionOptions::default() };
    let session = Session::new(&model, &options).unwrap();
    let x = ArrayD::from_shape_vec(vec![1, 256], every_level()).unwrap();
    let results = session.run_named(&[("x", x.view())]).unwrap();
    let TensorValues::I8(integers) = &results[1].values else { panic!("{:?}", results[1]) };
    (integers.iter().map(|&q| i32::from(q)).collect(), session.steps().into_iter().map(|step| step.work).collect())
}

/// Integers of `function` by its definition in f64. Where the exact value lies on a rounding boundary either neighbour is right.
fn check(name: &str, function: impl Fn(f64) -> f64, build: impl Fn(&mut Builder, &str) -> String) {
    let (integers, steps) = through(build);
    assert!(steps.iter().any(|step| step.contains("lookup")), "{name} is no table: {steps:?}");
    assert!(!steps.iter().any(|step| step.contains("float runtime")), "{name}: {steps:?}");
    for (x, got) in every_level().into_iter().zip(integers) {
        let exact = function(f64::from(x)) / f64::from(OUTPUT.scale) + f64::from(OUTPUT.zero_point);
        let exact = exact.clamp(-128.0, 127.0);
        assert!((f64::from(got) - exact).abs() <= 0.5 + 1e-4, "{name}({x}): {got}, exactly {exact}");
    }
}

#[test]
fn unary_functions_become_tables() {
    // Erf by its Taylor series, which converges fast enough on |x| < 5.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        (2.0 / std::f64::consts::PI.sqrt() * sum).clamp(-1.0, 1.0)
    }
    let op = |op_type: &'static str| move |b: &mut Builder, x: &str| b.op(op_type, &[x]);
    check("Relu", |x| x.max(0.0), op("Relu"));
    check("Sigmoid", |x| 1.0 / (1.0 + (-x).exp()), op("Sigmoid"));
    check("Tanh", f64::tanh, op("Tanh"));
    check("Erf", erf, op("Erf"));
    check("Gelu", |x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt())), op("Gelu"));
    check("Softplus", |x| (1.0 + x.exp()).ln(), op("Softplus"));
    check("Elu", |x| if x < 0.0 { x.exp_m1() } else { x }, op("Elu"));
    check("Selu", |x| 1.050_701 * if x > 0.0 { x } else { 1.673_263_2 * x.exp_m1() }, op("Selu"));
    check(
        "LeakyRelu",
        |x| if x < 0.0 { 0.2 * x } else { x },
        |b, x| b.node(node("LeakyRelu", "", &[x], &[]).with_float("alpha", 0.2)),
    );
    check(
        "Clip",
        |x| x.clamp(-0.5, 1.25),
        |b, x| {
            let (low, high) = (b.float(&[], vec![-0.5]), b.float(&[], vec![1.25]));
            b.op("Clip", &[x, &low, &high])
        },
    );
}

#[test]
fn a_chain_of_operators_is_one_table() {
    // Gelu as exporters of older operator sets spell it.
    let (integers, steps) = through(|b, x| {
        let (root, one, half) = (b.float(&[], vec![2f32.sqrt()]), b.float(&[], vec![1.0]), b.float(&[], vec![0.5]));
        let scaled = b.op("Div", &[x, &root]);
        let erf = b.op("Erf", &[&scaled]);
        let shifted = b.op("Add", &[&erf, &one]);
        let product = b.op("Mul", &[x, &shifted]);
        b.op("Mul", &[&product, &half])
    });
    let (fused, _) = through(|b, x| b.op("Gelu", &[x]));
    assert_eq!(steps.len(), 3, "{steps:?}");
    for (a, b) in integers.iter().zip(fused) {
        assert!((a - b).abs() <= 1, "{a} against {b}");
    }
}

#[test]
fn a_residual_sum_stays_in_integers() {
    let mut b = Builder::default();
    let (pa, pb, py) = (INPUT, Params::u8(0.05, 100), Params::u8(0.09, 40));
    let a = b.qdq("x", pa);
    let other = b.qdq("x", pb);
    let sum = b.op("Add", &[&a, &other]);
    let sum = b.op("Relu", &[&sum]);
    let quantized = b.quantize(&sum, py);
    let y = b.dequantize(&quantized, py);
    let model = b.model(&[256], &[&y]);
    let session = Session::new(&model, &SessionOptions::default()).unwrap();
    assert!(session.steps().iter().any(|step| step.work.starts_with("add")), "{:?}", session.steps());
    let x = ArrayD::from_shape_vec(vec![1, 256], every_level()).unwrap();
    let y = session.run(&x.view()).unwrap();
    for (&x, &y) in x.iter().zip(&y) {
        let sum = pa.dequantize(pa.quantize(x)) + pb.dequantize(pb.quantize(x));
        assert_eq!(y, py.dequantize(py.quantize(sum.max(0.0))));
    }
}

/// Image input, Flatten between quantizations, a dense layer, Reshape, softmax.
fn image_network() -> Model {
    let mut b = Builder::default();
    let image = b.qdq("x", INPUT);
    let flat = b.op("Flatten", &[&image]);
    let flat = b.qdq(&flat, INPUT);
    let weights =
        b.weights(&[6, 4], (0..24).map(|i| (i * 11 % 255 - 127) as i8).collect(), &[0.01, 0.02, 0.03, 0.04], 1);
    let scores = b.op("MatMul", &[&flat, &weights]);
    let shape = b.constant(Tensor::i64("", &[3], vec![-1, 2, 2]).unwrap());
    let pairs = b.op("Reshape", &[&scores, &shape]);
    let y = b.node(node("Softmax", "", &[&pairs], &[]).with_int("axis", -1));
    b.model(&[2, 3], &[&y])
}

#[test]
fn shapes_follow_flatten_and_reshape() {
    let session = Session::new(&image_network(), &SessionOptions::default()).unwrap();
    let x = ArrayD::from_shape_vec(vec![5, 2, 3], (0..30).map(|i| i as f32 / 10.0).collect()).unwrap();
    let y = session.run(&x.view()).unwrap();
    assert_eq!(y.shape(), [5, 2, 2]);
    for pair in y.as_slice().unwrap().chunks(2) {
        assert!((pair[0] + pair[1] - 1.0).abs() < 1e-6);
    }
    assert!(!session.steps().iter().any(|step| step.work.contains("float runtime")), "{:?}", session.steps());
}

#[test]
fn a_wrong_input_is_refused_by_name() {
    let session = Session::new(&image_network(), &SessionOptions::default()).unwrap();
    let wrong = ArrayD::<f32>::zeros(vec![5, 7]);
    let error = session.run(&wrong.view()).unwrap_err().to_string();
    assert!(error.contains("\"x\"") && error.contains("[batch, 2, 3]") && error.contains("[5, 7]"), "{error}");
    let error = session.run_named(&[("y", wrong.view())]).unwrap_err().to_string();
    assert!(error.contains("\"y\""), "{error}");
    let error = session.run_named(&[]).unwrap_err().to_string();
    assert!(error.contains("\"x\""), "{error}");
    assert!(session.run_into(&[0.0; 7], &mut [0.0; 4], 1).is_err());
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let session = Session::new(&image_network(), &SessionOptions::default()).unwrap();
    let y = session.run(&ArrayD::zeros(vec![0, 2, 3]).view()).unwrap();
    assert_eq!(y.shape(), [0, 2, 2]);
}

#[test]
fn samples_without_elements_run() {
    let mut b = Builder::default();
    let y = b.op("Relu", &["x"]);
    let session = Session::new(&b.model(&[0], &[&y]), &SessionOptions::default()).unwrap();
    assert_eq!(session.run(&ArrayD::zeros(vec![3, 0]).view()).unwrap().shape(), [3, 0]);
    session.run_into(&[], &mut [], 3).unwrap();
    session.run_with(&mut Workspace::default(), &[], &mut [], 3).unwrap();
}

#[test]
fn nothing_is_allocated_once_the_buffers_have_grown() {
    let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    let session = Session::new(&image_network(), &options).unwrap();
    let (x, mut y) = (vec![0.5; 40 * 6], vec![0.0; 40 * 4]);
    session.run_into(&x, &mut y, 40).unwrap();
    let counts = allocation_counter::measure(|| {
        for batch in [40, 1, 17] {
            session.run_into(&x[..batch * 6], &mut y[..batch * 4], batch).unwrap();
        }
    });
    assert_eq!(counts.count_total, 0);
}

#[test]
fn buffers_of_the_caller_give_the_same_bits_without_allocating() {
    let session = Session::new(&image_network(), &SessionOptions::default()).unwrap();
    let x: Vec<f32> = (0..300 * 6).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let (mut y, mut expected) = (vec![0.0; 300 * 4], vec![0.0; 300 * 4]);
    session.run_into(&x, &mut expected, 300).unwrap();
    let mut workspace = Workspace::default();
    session.run_with(&mut workspace, &x, &mut y, 300).unwrap();
    assert_eq!(y, expected);
    let counts = allocation_counter::measure(|| {
        for batch in [300, 1, 17, 0] {
            session.run_with(&mut workspace, &x[..batch * 6], &mut y[..batch * 4], batch).unwrap();
        }
    });
    assert_eq!(counts.count_total, 0);
    assert_eq!(y, expected);
    let error = session.run_with(&mut workspace, &x[..7], &mut y[..4], 1).unwrap_err().to_string();
    assert!(error.contains("6 values, the slice has 7"), "{error}");
    let error = session.run_with(&mut workspace, &x[..6], &mut y[..3], 1).unwrap_err().to_string();
    assert!(error.contains("4 values, the slice has 3"), "{error}");
}

#[cfg(feature = "float")]
mod float {
    use super::*;

    /// A Transpose, which the integer engine lacks, between two quantized layers.
    fn mixed() -> Model {
        let mut b = Builder::default();
        let x = b.qdq("x", INPUT);
        let first = b.weights(&[4, 6], (0..24).map(|i| (i * 7 % 200 - 100) as i8).collect(), &[0.02], 1);
        let hidden = b.op("MatMul", &[&x, &first]);
        let shape = b.constant(Tensor::i64("", &[3], vec![0, 2, 3]).unwrap());
        let pairs = b.op("Reshape", &[&hidden, &shape]);
        let turned = b.node(node("Transpose", "", &[&pairs], &[]).with_ints("perm", &[0, 2, 1]));
        let turned = b.qdq(&turned, Params::u8(0.1, 128));
        let second = b.weights(&[2, 2], vec![100, -50, 25, 127], &[0.01], 1);
        let y = b.op("MatMul", &[&turned, &second]);
        b.model(&[4], &[&y])
    }

    #[test]
    fn what_the_engine_lacks_runs_in_float() {
        let session = Session::new(&mixed(), &SessionOptions::default()).unwrap();
        assert!(session.steps().iter().any(|step| step.work.contains("float runtime")), "{:?}", session.steps());
        let x = ArrayD::from_shape_vec(vec![3, 4], (0..12).map(|i| i as f32 / 9.0).collect()).unwrap();
        let y = session.run(&x.view()).unwrap();
        assert_eq!(y.shape(), [3, 3, 2]);
        for row in 0..3 {
            let one = x.slice_axis(ndarray::Axis(0), ndarray::Slice::from(row..=row));
            let alone = session.run(&one).unwrap();
            assert_eq!(alone.index_axis(ndarray::Axis(0), 0), y.index_axis(ndarray::Axis(0), row));
        }
    }

    /// `x -> Q -> DQ -> MatMul`, then what `build` makes of the scores `[batch, 4]`.
    fn scores_then(build: impl Fn(&mut Builder, &str, &str) -> String) -> (Vec<usize>, bool) {
        let mut b = Builder::default();
        let x = b.qdq("x", INPUT);
        let weights = b.weights(&[4, 4], (0..16).map(|i| (i * 13 % 200 - 100) as i8).collect(), &[0.02], 1);
        let scores = b.op("MatMul", &[&x, &weights]);
        let y = build(&mut b, &x, &scores);
        let session = Session::new(&b.model(&[4], &[&y]), &SessionOptions::default()).unwrap();
        let y = session.run(&ArrayD::from_elem(vec![6, 4], 0.7).view()).unwrap();
        (y.shape().to_vec(), session.steps().iter().any(|step| step.work.contains("float runtime")))
    }

    #[test]
    fn what_needs_more_than_the_engine_has_falls_back_to_float() {
        // A sum that broadcasts, a softmax across another axis, a reshape across the batch.
        let pairs = |b: &mut Builder, tensor: &str, shape: Vec<i64>| {
            let shape = b.constant(Tensor::i64("", &[shape.len()], shape).unwrap());
            b.op("Reshape", &[tensor, &shape])
        };
        let (shape, float) = scores_then(|b, x, scores| {
            let (x, scores) = (pairs(b, x, vec![-1, 1, 4]), pairs(b, scores, vec![-1, 4, 1]));
            b.op("Add", &[&x, &scores])
        });
        assert_eq!((shape, float), (vec![6, 4, 4], true));
        let (shape, float) = scores_then(|b, _, scores| {
            let pairs = pairs(b, scores, vec![0, 2, 2]);
            b.node(node("Softmax", "", &[&pairs], &[]).with_int("axis", 1))
        });
        assert_eq!((shape, float), (vec![6, 2, 2], true));
        let (shape, float) = scores_then(|b, _, scores| pairs(b, scores, vec![-1, 2]));
        assert_eq!((shape, float), (vec![12, 2], true));
    }

    #[test]
    fn any_tensor_of_a_float_model_can_be_tapped_and_observed() {
        let mut b = Builder::default();
        let weights = b.float(&[3, 2], vec![1.0, -1.0, 0.5, 2.0, -0.25, 1.0]);
        let hidden = b.op("MatMul", &["x", &weights]);
        let y = b.op("Relu", &[&hidden]);
        let model = b.model(&[3], &[&y]);
        let options = SessionOptions { taps: vec![hidden.clone(), "x".to_owned()], ..SessionOptions::default() };
        let session = Session::new(&model, &options).unwrap();
        let x = ndarray::array![[1.0f32, 2.0, 4.0], [-1.0, 0.0, 1.0]].into_dyn();
        let results = session.run_named(&[("x", x.view())]).unwrap();
        let expected = ndarray::array![[1.0f32, 7.0], [-1.25, 2.0]].into_dyn();
        assert_eq!(results[0].values, TensorValues::F32(expected.mapv(|v| v.max(0.0))));
        assert_eq!(results[1].values, TensorValues::F32(expected));
        assert_eq!(results[2].values, TensorValues::F32(x.clone()));
        let mut seen = Vec::new();
        session.observe(&[("x", x.view())], &mut |observed| seen.push(observed.tensor.to_owned())).unwrap();
        seen.sort();
        let mut expected = vec![hidden, y];
        expected.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_operator_nobody_has_is_named() {
        let mut b = Builder::default();
        let y = b.op("NoSuchOperator", &["x"]);
        let error = Session::new(&b.model(&[3], &[&y]), &SessionOptions::default()).err().unwrap().to_string();
        assert!(error.contains("NoSuchOperator") && error.contains("another ONNX runtime"), "{error}");
    }
}

#[test]
fn a_tap_that_does_not_exist_is_named() {
    let options = SessionOptions { taps: vec!["nowhere".to_owned()], ..SessionOptions::default() };
    let error = Session::new(&image_network(), &options).err().unwrap().to_string();
    assert!(error.contains("\"nowhere\""), "{error}");
}

#[test]
fn scales_that_are_no_scales_are_refused() {
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let mut b = Builder::default();
        let y = b.qdq("x", Params::u8(scale, 0));
        let error = Session::new(&b.model(&[3], &[&y]), &SessionOptions::default()).err().unwrap().to_string();
        assert!(error.contains("finite and positive"), "{error}");
    }
}

#[test]
fn a_long_chain_takes_time_in_proportion() {
    // Without an end to the search for a product behind each node it takes minutes.
    let started = std::time::Instant::now();
    let mut b = Builder::default();
    let weights = b.float(&[2, 2], vec![1.0, 0.0, 0.0, -1.0]);
    let mut last = b.op("MatMul", &["x", &weights]);
    for _ in 0..20_000 {
        last = b.op("Relu", &[&last]);
    }
    let session = Session::new(&b.model(&[2], &[&last]), &SessionOptions::default()).unwrap();
    let x = ArrayD::from_shape_vec(vec![2, 2], vec![0.5, -0.5, -1.0, 1.0]).unwrap();
    let y = session.run(&x.view()).unwrap();
    assert_eq!(y.iter().copied().collect::<Vec<_>>(), [0.5, 0.5, 0.0, 0.0]);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

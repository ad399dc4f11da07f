//! Dense layers in f32: every form the files come in, on every kernel of the machine, against the naive chain of fused multiply-adds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::Builder;
use int8_inference::{ObservedValues, Session, SessionOptions, TensorValues};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Dim, Model, Tensor};
use proptest::prelude::*;

/// How a file may say `y = x W + b`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Gemm,
    GemmTransposed,
    MatMul,
    MatMulAdd,
    MatMulAddSwapped,
}

/// What follows a layer.
#[derive(Clone, Copy, Debug)]
enum Activation {
    None,
    Relu,
    Clip(f32, f32),
    ReluThenClip(f32, f32),
}

#[derive(Clone, Debug)]
struct Case {
    form: Form,
    activation: Activation,
    k: usize,
    n: usize,
    /// Rows per sample where the samples are matrices.
    rows: Option<usize>,
    batch: usize,
    weights: Vec<f32>,
    /// One value per channel, or one for all.
    bias: Vec<f32>,
    bias_rank: usize,
    x: Vec<f32>,
}

fn case() -> impl Strategy<Value = Case> {
    let forms = prop::sample::select(vec![
        Form::Gemm,
        Form::GemmTransposed,
        Form::MatMul,
        Form::MatMulAdd,
        Form::MatMulAddSwapped,
    ]);
    let activations = prop::sample::select(vec![
        Activation::None,
        Activation::Relu,
        Activation::Clip(-0.7, 1.3),
        Activation::ReluThenClip(0.1, 0.9),
    ]);
    let shape = (1usize..=70, 1usize..=70, prop::option::of(1usize..=4), 1usize..=9);
    (forms, activations, shape, any::<bool>(), 1usize..=2).prop_flat_map(
        |(form, activation, (k, n, rows, batch), one_bias, bias_rank)| {
            let rows = if matches!(form, Form::Gemm | Form::GemmTransposed) { None } else { rows };
            let values = |len| prop::collection::vec(prop_oneof![Just(0.0f32), Just(-0.0), -2.0f32..2.0], len);
            let bias = if one_bias { 1 } else { n };
            (values(k * n), values(bias), values(batch * rows.unwrap_or(1) * k)).prop_map(move |(weights, bias, x)| {
                Case { form, activation, k, n, rows, batch, weights, bias, bias_rank, x }
            })
        },
    )
}

impl Case {
    fn sample(&self) -> Vec<usize> {
        self.rows.into_iter().chain([self.k]).collect()
    }

    /// The graph, its result and the tensors inside the layer.
    fn graph(&self) -> (Builder, String, Vec<String>) {
        let mut b = Builder::default();
        let bias_shape = if self.bias_rank == 2 { vec![1, self.bias.len()] } else { vec![self.bias.len()] };
        let bias = b.float(&bias_shape, self.bias.clone());
        let weights = if self.form == Form::GemmTransposed {
            let turned = (0..self.n).flat_map(|o| (0..self.k).map(move |i| self.weights[i * self.n + o])).collect();
            b.float(&[self.n, self.k], turned)
        } else {
            b.float(&[self.k, self.n], self.weights.clone())
        };
        let mut made = vec![match self.form {
            Form::Gemm => b.op("Gemm", &["x", &weights, &bias]),
            Form::GemmTransposed => b.node(node("Gemm", "", &["x", &weights, &bias], &[]).with_int("transB", 1)),
            _ => b.op("MatMul", &["x", &weights]),
        }];
        match self.form {
            Form::MatMulAdd => made.push(b.op("Add", &[&made[0], &bias])),
            Form::MatMulAddSwapped => made.push(b.op("Add", &[&bias, &made[0]])),
            _ => {}
        }
        let clip = |b: &mut Builder, x: &str, low: f32, high: f32| {
            let (low, high) = (b.float(&[], vec![low]), b.float(&[], vec![high]));
            b.op("Clip", &[x, &low, &high])
        };
        match self.activation {
            Activation::None => {}
            Activation::Relu => made.push(b.op("Relu", &[made.last().unwrap()])),
            Activation::Clip(low, high) => made.push(clip(&mut b, made.last().unwrap(), low, high)),
            Activation::ReluThenClip(low, high) => {
                made.push(b.op("Relu", &[made.last().unwrap()]));
                made.push(clip(&mut b, made.last().unwrap(), low, high));
            }
        }
        let y = made.pop().unwrap();
        (b, y, made)
    }

    fn model(&self) -> (Model, Vec<String>) {
        let (b, y, inner) = self.graph();
        (b.model(&self.sample(), &[&y]), inner)
    }

    fn input(&self) -> ArrayD<f32> {
        ArrayD::from_shape_vec([vec![self.batch], self.sample()].concat(), self.x.clone()).unwrap()
    }

    /// The definition, one element after the other.
    fn expected(&self) -> Vec<f32> {
        let raise = |x: f32, low: f32| if x < low { low } else { x };
        let lower = |x: f32, high: f32| if x > high { high } else { x };
        let mut expected = Vec::new();
        for row in self.x.chunks(self.k) {
            for channel in 0..self.n {
                let products = row.iter().enumerate();
                let sum = products.fold(0.0f32, |sum, (i, x)| x.mul_add(self.weights[i * self.n + channel], sum));
                let bias = self.bias.get(channel).unwrap_or(&self.bias[0]);
                let sum = if self.form == Form::MatMul { sum } else { sum + bias };
                expected.push(match self.activation {
                    Activation::None => sum,
                    Activation::Relu => raise(sum, 0.0),
                    Activation::Clip(low, high) => lower(raise(sum, low), high),
                    Activation::ReluThenClip(low, high) => lower(raise(raise(sum, 0.0), low), high),
                });
            }
        }
        expected
    }
}

fn floats(values: &TensorValues) -> Vec<f32> {
    match values {
        TensorValues::F32(array) => array.iter().copied().collect(),
        other => panic!("{other:?}"),
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn works(session: &Session) -> Vec<String> {
    session.steps().into_iter().map(|step| step.work).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_form_is_one_step_and_equals_the_definition_on_every_kernel(case in case()) {
        let (model, _) = case.model();
        let x = case.input();
        let expected = case.expected();
        for kernel in kernels::available() {
            let options = SessionOptions { threads: Some(1), isa: Some(kernel.isa()), ..SessionOptions::default() };
            let session = Session::new(&model, &options).unwrap();
            let steps = works(&session);
            prop_assert!(steps.len() == 1 && steps[0].starts_with("dense"), "{:?}", steps);
            let y = session.run(&x.view()).unwrap();
            prop_assert_eq!(y.shape(), [vec![case.batch], case.sample()[..x.ndim() - 2].to_vec(), vec![case.n]].concat());
            prop_assert_eq!(bits(y.as_slice().unwrap()), bits(&expected), "{}", kernel.isa());
        }
    }
}

/// A network of dense layers as exporters write it: Flatten, scalar normalization, layers in both forms, Reshape, Softmax.
fn network() -> (Model, Vec<String>) {
    let mut b = Builder::default();
    let mut state = 1u32;
    let mut random = |len: usize| -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..len).map(|_| 0.2 * next()).collect()
    };
    let (mean, deviation) = (b.float(&[], vec![0.3]), b.float(&[1], vec![0.35]));
    let flat = b.op("Flatten", &["x"]);
    let centred = b.op("Sub", &[&flat, &mean]);
    let scaled = b.op("Div", &[&centred, &deviation]);
    let (w1, b1) = (b.float(&[200, 300], random(300 * 200)), b.float(&[200], random(200)));
    let product = b.node(node("Gemm", "", &[&scaled, &w1, &b1], &[]).with_int("transB", 1));
    let hidden = b.op("Relu", &[&product]);
    let (w2, b2) = (b.float(&[200, 12], random(200 * 12)), b.float(&[1, 12], random(12)));
    let second = b.op("MatMul", &[&hidden, &w2]);
    let scores = b.op("Add", &[&second, &b2]);
    let shape = b.constant(Tensor::i64("", &[3], vec![-1, 3, 4]).unwrap());
    let table = b.op("Reshape", &[&scores, &shape]);
    let y = b.node(node("Softmax", "", &[&table], &[]).with_int("axis", -1));
    (b.model(&[15, 20], &[&y]), vec![flat, centred, scaled, product, hidden, scores, table, y])
}

fn images(count: usize) -> Vec<f32> {
    (0..count * 300).map(|i| ((i * 7919) % 256) as f32 / 255.0).collect()
}

#[test]
fn a_dense_network_needs_no_float_runtime() {
    let session = Session::new(&network().0, &SessionOptions::default()).unwrap();
    let steps = works(&session);
    assert_eq!(
        steps,
        [
            "reshape to [300]",
            "elementwise function of 300 f32",
            "dense 300 -> 200, f32",
            "dense 200 -> 12, f32",
            "reshape to [3, 4]",
            "softmax over 4 f32",
        ]
    );
    assert_eq!(session.fixed_batch(), None);
}

#[test]
fn batch_size_threads_and_kernel_change_no_bit() {
    let (model, _) = network();
    let count = 261;
    let x = images(count);
    let mut expected: Option<Vec<u32>> = None;
    for isa in kernels::available().map(|kernel| kernel.isa()) {
        for threads in [1, 3] {
            let options = SessionOptions { threads: Some(threads), isa: Some(isa), ..SessionOptions::default() };
            let session = Session::new(&model, &options).unwrap();
            for batch in [1, 3, 129, count] {
                let (mut into, mut named) = (vec![0.0; count * 12], Vec::new());
                for (x, y) in x.chunks(batch * 300).zip(into.chunks_mut(batch * 12)) {
                    session.run_into(x, y, x.len() / 300).unwrap();
                    let x = ArrayD::from_shape_vec(vec![x.len() / 300, 15, 20], x.to_vec()).unwrap();
                    named.extend(floats(&session.run_named(&[("x", x.view())]).unwrap()[0].values));
                }
                let expected = expected.get_or_insert_with(|| bits(&into));
                assert_eq!(expected, &bits(&into), "{isa} {threads} threads, batches of {batch}");
                assert_eq!(expected, &bits(&named), "{isa} {threads} threads, batches of {batch}, by name");
            }
        }
    }
}

#[test]
fn nothing_is_allocated_once_the_buffers_have_grown() {
    let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    let session = Session::new(&network().0, &options).unwrap();
    let (x, mut y) = (images(40), vec![0.0; 40 * 12]);
    session.run_into(&x, &mut y, 40).unwrap();
    let counts = allocation_counter::measure(|| {
        for batch in [40, 1, 17] {
            session.run_into(&x[..batch * 300], &mut y[..batch * 12], batch).unwrap();
        }
    });
    assert_eq!(counts.count_total, 0);
}

#[test]
fn taps_are_all_shown_and_change_no_bit() {
    let (model, tensors) = network();
    let x = ArrayD::from_shape_vec(vec![33, 15, 20], images(33)).unwrap();
    let plain = Session::new(&model, &SessionOptions::default()).unwrap().run(&x.view()).unwrap();
    for taps in tensors.iter().map(|tap| vec![tap.clone()]).chain([tensors.clone()]) {
        let session =
            Session::new(&model, &SessionOptions { taps: taps.clone(), ..SessionOptions::default() }).unwrap();
        assert!(!works(&session).iter().any(|step| step.contains("float runtime")), "{:?}", session.steps());
        let results = session.run_named(&[("x", x.view())]).unwrap();
        assert_eq!(bits(&floats(&results[0].values)), bits(plain.as_slice().unwrap()), "{taps:?}");
        let mut seen = std::collections::HashMap::new();
        let mut see = |observed: int8_inference::Observed<'_>| {
            let ObservedValues::F32(values) = observed.values else { panic!("{observed:?}") };
            let before = seen.insert(observed.tensor.to_owned(), (observed.shape.to_vec(), values.to_vec()));
            assert!(before.is_none(), "{} was shown twice", observed.tensor);
        };
        session.observe(&[("x", x.view())], &mut see).unwrap();
        for result in &results[1..] {
            let TensorValues::F32(values) = &result.values else { panic!("{result:?}") };
            let (shape, shown) = &seen[&result.name];
            assert_eq!((shape.as_slice(), bits(shown)), (values.shape(), bits(values.as_slice().unwrap())));
        }
    }
}

#[test]
fn several_threads_observe_one_session_at_once() {
    let (model, tensors) = network();
    let taps = tensors.clone();
    let session =
        Session::new(&model, &SessionOptions { taps, threads: Some(1), ..SessionOptions::default() }).unwrap();
    let x = ArrayD::from_shape_vec(vec![64, 15, 20], images(64)).unwrap();
    let observe = || {
        let mut seen = Vec::new();
        let mut see = |observed: int8_inference::Observed<'_>| {
            if let ObservedValues::F32(values) = observed.values {
                seen.push((observed.tensor.to_owned(), bits(values)));
            }
        };
        session.observe(&[("x", x.view())], &mut see).unwrap();
        seen
    };
    let expected = observe();
    assert_eq!(expected.len(), tensors.len());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(observe(), expected)));
        }
    });
}

#[test]
fn what_is_read_twice_is_computed_once() {
    let layer = || {
        let mut b = Builder::default();
        let (weights, bias) = (b.float(&[2, 2], vec![1.0, -1.0, 0.5, 2.0]), b.float(&[2], vec![0.25, -8.0]));
        let product = b.op("Gemm", &["x", &weights, &bias]);
        let relu = b.op("Relu", &[&product]);
        (b, product, relu)
    };
    let x = ndarray::array![[1.0f32, 2.0]].into_dyn();
    let check = |b: Builder, outputs: &[&str], expected: [f32; 2]| {
        let session = Session::new(&b.model(&[2], outputs), &SessionOptions::default()).unwrap();
        assert_eq!(works(&session), ["dense 2 -> 2, f32", "elementwise function of 2 f32"]);
        assert_eq!(floats(&session.run_named(&[("x", x.view())]).unwrap()[0].values), expected);
    };
    let (mut b, product, relu) = layer();
    let sum = b.op("Add", &[&product, &relu]);
    check(b, &[&sum], [4.5, -5.0]);
    let (mut b, _, relu) = layer();
    let half = b.float(&[], vec![0.5]);
    let scaled = b.op("Mul", &[&relu, &half]);
    check(b, &[&scaled, &relu], [1.125, 0.0]);
    let (b, product, relu) = layer();
    check(b, &[&relu, &product], [2.25, 0.0]);
}

#[test]
fn nan_and_minus_zero_pass_relu_fused_or_not() {
    let mut b = Builder::default();
    let weights = b.float(&[1, 1], vec![1e-30]);
    let product = b.op("MatMul", &["x", &weights]);
    let y = b.op("Relu", &[&product]);
    let model = b.model(&[1], &[&y]);
    let x = ndarray::array![[f32::NAN], [f32::INFINITY], [f32::NEG_INFINITY], [-1e-30], [1.0]].into_dyn();
    for taps in [vec![], vec![product]] {
        let session = Session::new(&model, &SessionOptions { taps, ..SessionOptions::default() }).unwrap();
        let y = floats(&session.run_named(&[("x", x.view())]).unwrap()[0].values);
        assert!(y[0].is_nan());
        assert_eq!(bits(&y[1..]), bits(&[f32::INFINITY, 0.0, -0.0, 1e-30]));
    }
}

#[test]
fn older_operator_sets_mean_the_same() {
    let mut b = Builder::default();
    let weights = b.float(&[2, 3], vec![1.0, -1.0, 0.5, 2.0, 3.0, -4.0]);
    let bias = b.float(&[3], vec![0.5, 0.0, -0.5]);
    let scores = b.op("Gemm", &["x", &weights, &bias]);
    let clipped = b.node(node("Clip", "", &[&scores], &[]).with_float("min", -1.5).with_float("max", 2.0));
    // Before opset 13 the default axis is 1.
    let y = b.op("Softmax", &[&clipped]);
    let mut model = b.model(&[2], &[&y, &clipped]);
    model = Model::new(model.graph().clone(), 9);
    let session = Session::new(&model, &SessionOptions::default()).unwrap();
    assert_eq!(works(&session), ["dense 2 -> 3, f32", "softmax over 3 f32"]);
    let x = ndarray::array![[1.0f32, 1.0]].into_dyn();
    let results = session.run_named(&[("x", x.view())]).unwrap();
    assert_eq!(floats(&results[1].values), [2.0, 2.0, -1.5]);
    let e = (-3.5f32).exp();
    for (found, expected) in floats(&results[0].values).iter().zip([1.0, 1.0, e]) {
        assert!((found - expected / (2.0 + e)).abs() < 1e-6);
    }
}

/// Layers that only look like one the engine has. `None` in the declared shape leaves the dimension open.
fn foreign() -> Vec<(&'static str, Builder, String, Vec<Option<usize>>)> {
    let mut cases = Vec::new();
    let mut case = |name, sample: &[Option<usize>], build: &dyn Fn(&mut Builder) -> String| {
        let mut b = Builder::default();
        let y = build(&mut b);
        cases.push((name, b, y, sample.to_vec()));
    };
    let square = |b: &mut Builder| b.float(&[2, 2], vec![1.0, -1.0, 0.5, 2.0]);
    case("an open dimension", &[None], &|b| {
        let weights = square(b);
        b.op("MatMul", &["x", &weights])
    });
    case("a scaled product", &[Some(2)], &|b| {
        let weights = square(b);
        b.node(node("Gemm", "", &["x", &weights], &[]).with_float("alpha", 0.5))
    });
    case("a scaled bias", &[Some(2)], &|b| {
        let (weights, bias) = (square(b), b.float(&[2], vec![1.0, 2.0]));
        b.node(node("Gemm", "", &["x", &weights, &bias], &[]).with_float("beta", 0.5))
    });
    case("one bias per row", &[Some(2)], &|b| {
        let (weights, bias) = (square(b), b.float(&[2, 1], vec![1.0, 2.0]));
        b.op("Gemm", &["x", &weights, &bias])
    });
    case("a bias of another rank", &[Some(2)], &|b| {
        let (weights, bias) = (square(b), b.float(&[1, 1, 2], vec![1.0, 2.0]));
        let product = b.op("MatMul", &["x", &weights]);
        b.op("Add", &[&product, &bias])
    });
    case("weights that are computed", &[Some(2)], &|b| {
        let weights = square(b);
        let weights = b.op("Neg", &[&weights]);
        b.op("MatMul", &["x", &weights])
    });
    case("a stack of weights", &[Some(2), Some(2)], &|b| {
        let weights = b.float(&[1, 2, 2], vec![1.0, -1.0, 0.5, 2.0]);
        b.op("MatMul", &["x", &weights])
    });
    case("weights on the left", &[Some(2), Some(2)], &|b| {
        let weights = square(b);
        b.op("MatMul", &[&weights, "x"])
    });
    case("a scalar of higher rank", &[Some(2)], &|b| {
        let one = b.float(&[1, 1, 1], vec![1.0]);
        b.op("Add", &["x", &one])
    });
    case("a reshape across the batch", &[Some(2)], &|b| {
        let shape = b.constant(Tensor::i64("", &[2], vec![1, -1]).unwrap());
        b.op("Reshape", &["x", &shape])
    });
    cases
}

fn declared(sample: &[Option<usize>]) -> Vec<Dim> {
    let dims = sample.iter().map(|size| size.map_or(Dim::Unknown, Dim::Fixed));
    std::iter::once(Dim::Symbolic("n".to_owned())).chain(dims).collect()
}

#[cfg(not(feature = "float"))]
#[test]
fn what_only_looks_like_a_dense_layer_is_refused_by_name() {
    for (name, b, y, sample) in foreign() {
        let error = Session::new(&b.model_of(declared(&sample), &[&y]), &SessionOptions::default()).err();
        let error = error.unwrap_or_else(|| panic!("{name} was compiled")).to_string();
        let named = error.contains(" node ") || (name == "an open dimension" && error.contains("\"x\""));
        assert!(named, "{name}: {error}");
    }
}

#[cfg(feature = "float")]
mod float {
    use super::*;

    /// The same graph with dimensions that only a run tells, which leaves it to the float runtime.
    fn by_rten(b: Builder, rank: usize, outputs: &[&str]) -> Session {
        let session = Session::new(&b.model_of(vec![Dim::Unknown; rank], outputs), &SessionOptions::default()).unwrap();
        assert!(works(&session)[0].contains("float runtime"), "{:?}", session.steps());
        session
    }

    fn assert_close(name: &str, ours: &[f32], theirs: &[f32]) {
        assert_eq!(ours.len(), theirs.len(), "{name}");
        let size = theirs.iter().fold(1.0f32, |size, x| size.max(x.abs()));
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= 1e-5 * size, "{name}: {a} against {b}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_form_equals_the_float_runtime_within_rounding(case in case()) {
            // rten refuses one bias for all channels behind a MatMul.
            let case = Case { bias: (0..case.n).map(|o| case.bias[o % case.bias.len()]).collect(), ..case };
            let (b, y, _) = case.graph();
            let x = case.input();
            let ours = Session::new(&case.model().0, &SessionOptions::default()).unwrap().run(&x.view()).unwrap();
            let theirs = by_rten(b, x.ndim(), &[&y]).run(&x.view()).unwrap();
            prop_assert_eq!(ours.shape(), theirs.shape());
            assert_close("y", ours.as_slice().unwrap(), theirs.as_slice().unwrap());
        }
    }

    #[test]
    fn what_only_looks_like_a_dense_layer_is_left_to_the_float_runtime() {
        for (name, b, y, sample) in foreign() {
            let session =
                Session::new(&b.clone().model_of(declared(&sample), &[&y]), &SessionOptions::default()).unwrap();
            let steps = works(&session);
            assert!(steps.iter().any(|step| step.contains("float runtime")), "{name}: {steps:?}");
            let theirs = by_rten(b, sample.len() + 1, &[&y]);
            let shape: Vec<usize> = std::iter::once(2).chain(sample.iter().map(|size| size.unwrap_or(2))).collect();
            let count = shape.iter().product::<usize>();
            let x = ArrayD::from_shape_vec(shape, (0..count).map(|i| i as f32 - 1.5).collect()).unwrap();
            assert_eq!(session.run(&x.view()).unwrap(), theirs.run(&x.view()).unwrap(), "{name}");
        }
    }

    #[test]
    fn a_bias_that_widens_the_result_is_a_sum_of_its_own() {
        let mut b = Builder::default();
        let (weights, bias) = (b.float(&[2, 1], vec![1.0, 2.0]), b.float(&[3], vec![1.0, 2.0, 3.0]));
        let product = b.op("MatMul", &["x", &weights]);
        let y = b.op("Add", &[&product, &bias]);
        let session = Session::new(&b.model(&[2], &[&y]), &SessionOptions::default()).unwrap();
        let y = session.run(&ndarray::array![[1.0f32, 1.0], [0.0, -1.0]].into_dyn().view()).unwrap();
        assert_eq!(y, ndarray::array![[4.0, 5.0, 6.0], [-1.0, 0.0, 1.0]].into_dyn());
    }

    #[test]
    fn a_layer_in_front_of_a_foreign_operator_is_still_ours() {
        let mut b = Builder::default();
        let two = b.float(&[], vec![2.0]);
        let scaled = b.op("Mul", &["x", &two]);
        let weights = b.float(&[3, 4], (0..12).map(|i| (i as f32 - 5.0) / 7.0).collect());
        let hidden = b.op("MatMul", &[&scaled, &weights]);
        let hidden = b.op("Relu", &[&hidden]);
        // Read by the foreign operator alone: no reason to compute it over here.
        let shifted = b.op("Add", &[&hidden, &two]);
        let (scale, bias) = (b.float(&[4], vec![1.0; 4]), b.float(&[4], vec![0.5; 4]));
        let normal = b.op("LayerNormalization", &[&shifted, &scale, &bias]);
        let last = b.float(&[4, 2], (0..8).map(|i| i as f32 / 3.0).collect());
        let y = b.op("MatMul", &[&normal, &last]);
        let ours = Session::new(&b.clone().model(&[3], &[&y]), &SessionOptions::default()).unwrap();
        assert_eq!(
            works(&ours),
            ["elementwise function of 3 f32", "dense 3 -> 4, f32", "3 nodes in the float runtime"]
        );
        let x = ArrayD::from_shape_vec(vec![5, 3], (0..15).map(|i| (i * i % 7) as f32 - 2.0).collect()).unwrap();
        let theirs = by_rten(b, 2, &[&y]);
        let (ours, theirs) = (ours.run(&x.view()).unwrap(), theirs.run(&x.view()).unwrap());
        assert_close("y", ours.as_slice().unwrap(), theirs.as_slice().unwrap());
    }

    #[test]
    fn elementwise_work_around_a_foreign_operator_stays_in_one_piece() {
        let mut b = Builder::default();
        let half = b.float(&[], vec![0.5]);
        let scaled = b.op("Mul", &["x", &half]);
        let turned = b.node(node("Transpose", "", &[&scaled], &[]).with_ints("perm", &[0, 2, 1]));
        let y = b.op("Relu", &[&turned]);
        let session = Session::new(&b.model(&[2, 3], &[&y]), &SessionOptions::default()).unwrap();
        assert_eq!(works(&session), ["3 nodes in the float runtime"]);
    }

    #[test]
    fn a_network_equals_the_float_runtime_within_rounding() {
        let (model, tensors) = network();
        let mut graph = model.graph().clone();
        for input in &mut graph.input {
            let open = onnx_model::ValueInfo { shape: Some(vec![Dim::Unknown; 3]), ..(&*input).into() };
            *input = (&open).into();
        }
        let options = SessionOptions { taps: tensors.clone(), ..SessionOptions::default() };
        let x = ArrayD::from_shape_vec(vec![5, 15, 20], images(5)).unwrap();
        let run = |model: &Model| Session::new(model, &options).unwrap().run_named(&[("x", x.view())]).unwrap();
        for (ours, theirs) in run(&model).iter().zip(run(&model.with_graph(graph))) {
            assert_close(&ours.name, &floats(&ours.values), &floats(&theirs.values));
        }
    }
}

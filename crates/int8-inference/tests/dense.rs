//! Dense layers in every form the files come in, on every kernel of the machine, against a naive oracle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::{Asymmetric, Builder, NaiveDense, Params};
use int8_inference::{Isa, Session, SessionOptions, TensorValues};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Model, Tensor};
use proptest::prelude::*;

/// How a file may say `y = x W + b`.
#[derive(Clone, Copy, Debug)]
enum Form {
    Gemm,
    GemmTransposed,
    MatMulAdd,
    MatMulAddSwapped,
}

#[derive(Clone, Copy, Debug)]
enum Bias {
    Int32,
    Float,
}

#[derive(Clone, Debug)]
struct Case {
    form: Form,
    bias: Bias,
    clamp: Option<(f32, f32)>,
    relu: bool,
    k: usize,
    n: usize,
    rows: usize,
    input: Params,
    output: Params,
    /// As the file has them.
    weights: Vec<i32>,
    unsigned: bool,
    scales: Vec<f32>,
    /// As many as scales.
    zero_points: Vec<i32>,
    steps: Vec<i32>,
    x: Vec<f32>,
}

fn params() -> impl Strategy<Value = Params> {
    (1e-3f32..0.5, 0i32..=255, any::<bool>()).prop_map(|(scale, zero_point, signed)| Params {
        scale,
        zero_point: if signed { zero_point - 128 } else { zero_point },
        signed,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let forms =
        prop_oneof![Just(Form::Gemm), Just(Form::GemmTransposed), Just(Form::MatMulAdd), Just(Form::MatMulAddSwapped)];
    let biases = prop_oneof![Just(Bias::Int32), Just(Bias::Float)];
    let clamp = prop_oneof![Just(None), Just(Some((-0.7f32, 1.3f32))), Just(Some((0.1, 0.9)))];
    let shape = (1usize..=70, 1usize..=40, 1usize..=9, any::<bool>());
    (forms, biases, clamp, any::<bool>(), shape, params(), params()).prop_flat_map(
        |(form, bias, clamp, relu, (k, n, rows, per_channel), input, output)| {
            let scales = if per_channel { n } else { 1 };
            // Symmetric ones as often as such that no shift makes symmetric.
            let zero_point = prop_oneof![Just(vec![0; scales]), prop::collection::vec(-128i32..=127, scales)];
            (
                prop::collection::vec(prop_oneof![Just(-127), Just(127), -127..=127], k * n),
                any::<bool>(),
                prop::collection::vec(1e-4f32..0.01, scales),
                zero_point,
                prop::collection::vec(-100_000i32..=100_000, n),
                prop::collection::vec(-8.0f32..8.0, rows * k),
            )
                .prop_map(move |(mut weights, unsigned, scales, mut zero_points, steps, x)| {
                    if unsigned {
                        weights.iter_mut().chain(&mut zero_points).for_each(|value| *value += 128);
                    }
                    Case {
                        form,
                        bias,
                        clamp,
                        relu,
                        k,
                        n,
                        rows,
                        input,
                        output,
                        weights,
                        unsigned,
                        scales,
                        zero_points,
                        steps,
                        x,
                    }
                })
        },
    )
}

impl Case {
    /// The model; its outputs are the dequantized integers and the same layer's float result.
    fn model(&self) -> (Model, String) {
        let mut b = Builder::default();
        let x = b.qdq("x", self.input);
        let transposed = matches!(self.form, Form::GemmTransposed);
        let (shape, values, axis) = if transposed {
            let mut turned = vec![0; self.weights.len()];
            for i in 0..self.k {
                for o in 0..self.n {
                    turned[o * self.k + i] = self.weights[i * self.n + o];
                }
            }
            ([self.n, self.k], turned, 0)
        } else {
            ([self.k, self.n], self.weights.clone(), 1)
        };
        let weights = Asymmetric {
            unsigned: self.unsigned,
            values: &values,
            scales: &self.scales,
            zero_points: &self.zero_points,
        };
        let weights = b.asymmetric_weights(&shape, &weights, axis);
        let bias = match self.bias {
            Bias::Int32 => {
                let steps = b.constant(Tensor::i32("", &[self.n], self.steps.clone()).unwrap());
                let products: Vec<f32> = (0..self.n).map(|o| self.input.scale * self.scale(o)).collect();
                let scale = b.float(&[self.n], products);
                b.node(node("DequantizeLinear", "", &[&steps, &scale], &[]).with_int("axis", 0))
            }
            Bias::Float => {
                let real = (0..self.n)
                    .map(|o| (f64::from(self.steps[o]) * f64::from(self.input.scale * self.scale(o))) as f32);
                let real = real.collect();
                b.float(&[self.n], real)
            }
        };
        let mut y = match self.form {
            Form::Gemm => b.op("Gemm", &[&x, &weights, &bias]),
            Form::GemmTransposed => b.node(node("Gemm", "", &[&x, &weights, &bias], &[]).with_int("transB", 1)),
            Form::MatMulAdd => {
                let product = b.op("MatMul", &[&x, &weights]);
                b.op("Add", &[&product, &bias])
            }
            Form::MatMulAddSwapped => {
                let product = b.op("MatMul", &[&x, &weights]);
                b.op("Add", &[&bias, &product])
            }
        };
        let float = y.clone();
        if self.relu {
            y = b.op("Relu", &[&y]);
        }
        if let Some((low, high)) = self.clamp {
            let (low, high) = (b.float(&[], vec![low]), b.float(&[], vec![high]));
            y = b.op("Clip", &[&y, &low, &high]);
        }
        let quantized = b.quantize(&y, self.output);
        let result = b.dequantize(&quantized, self.output);
        (b.model(&[self.k], &[&result, &float]), quantized)
    }

    fn scale(&self, channel: usize) -> f32 {
        if self.scales.len() == 1 { self.scales[0] } else { self.scales[channel] }
    }

    /// The weights less their zero points.
    fn shifted(&self) -> Vec<i32> {
        let zero_point = |o: usize| if self.scales.len() == 1 { self.zero_points[0] } else { self.zero_points[o] };
        self.weights.iter().enumerate().map(|(i, weight)| weight - zero_point(i % self.n)).collect()
    }

    fn interval(&self) -> (f32, f32) {
        let mut interval = (f32::NEG_INFINITY, f32::INFINITY);
        if self.relu {
            interval.0 = 0.0;
        }
        if let Some((low, high)) = self.clamp {
            interval = (interval.0.max(low), interval.1.min(high));
        }
        interval
    }
}

/// A bias in float is rounded to accumulator steps; near a tie the two roundings may differ by one step.
fn steps_of(case: &Case) -> Vec<i32> {
    match case.bias {
        Bias::Int32 => case.steps.clone(),
        Bias::Float => (0..case.n)
            .map(|o| {
                let scale = case.input.scale * case.scale(o);
                let real = (f64::from(case.steps[o]) * f64::from(scale)) as f32;
                (f64::from(real) / f64::from(scale)).round_ties_even() as i32
            })
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_form_equals_the_definition_on_every_kernel(case in case()) {
        let (model, tap) = case.model();
        let bias = steps_of(&case);
        let naive = NaiveDense { weights: &case.shifted(), scales: &case.scales, bias: &bias, input: case.input };
        let rows: Vec<Vec<i32>> =
            case.x.chunks(case.k).map(|row| row.iter().map(|&x| case.input.quantize(x)).collect()).collect();
        let integers: Vec<i32> =
            rows.iter().flat_map(|row| naive.quantized(row, case.output, case.interval())).collect();
        let floats: Vec<f32> = rows.iter().flat_map(|row| naive.float(row)).collect();
        let x = ArrayD::from_shape_vec(vec![case.rows, case.k], case.x.clone()).unwrap();
        for kernel in kernels::available() {
            let options = SessionOptions { taps: vec![tap.clone()], threads: Some(1), isa: Some(kernel.isa()) };
            let session = Session::new(&model, &options).unwrap();
            let results = session.run_named(&[("x", x.view())]).unwrap();
            let real: Vec<f32> = integers.iter().map(|&q| case.output.dequantize(q)).collect();
            prop_assert_eq!(flat(&results[0].values), real);
            prop_assert_eq!(flat(&results[1].values), floats.clone());
            let tapped: Vec<i32> = match &results[2].values {
                TensorValues::U8(array) => array.iter().map(|&q| i32::from(q)).collect(),
                TensorValues::I8(array) => array.iter().map(|&q| i32::from(q)).collect(),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(&tapped, &integers, "{:?}", kernel.isa());
        }
    }
}

fn flat(values: &TensorValues) -> Vec<f32> {
    match values {
        TensorValues::F32(array) => array.iter().copied().collect(),
        other => panic!("{other:?}"),
    }
}

/// Two layers with ReLU between, wide enough to be split over threads.
fn network() -> Model {
    let mut b = Builder::default();
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i8
    };
    let x = b.qdq("x", Params::u8(0.02, 128));
    let first = b.weights(&[300, 256], (0..300 * 256).map(|_| random().max(-127)).collect(), &[0.01], 1);
    let hidden = b.op("MatMul", &[&x, &first]);
    let hidden = b.op("Relu", &[&hidden]);
    let hidden = b.qdq(&hidden, Params::u8(0.2, 0));
    let second = b.weights(&[256, 11], (0..256 * 11).map(|_| random().max(-127)).collect(), &[0.01], 1);
    let y = b.op("MatMul", &[&hidden, &second]);
    b.model(&[300], &[&y])
}

#[test]
fn batch_size_threads_and_kernel_change_no_bit() {
    let model = network();
    let rows = 517;
    let x: Vec<f32> = (0..rows * 300).map(|i| ((i * 7919) % 1000) as f32 / 200.0 - 2.5).collect();
    let mut expected: Option<Vec<f32>> = None;
    for isa in kernels::available().map(|kernel| kernel.isa()) {
        for threads in [1, 2, 3] {
            let options = SessionOptions { threads: Some(threads), isa: Some(isa), ..SessionOptions::default() };
            let session = Session::new(&model, &options).unwrap();
            for batch in [1, 3, 128, 129, rows] {
                let mut y = vec![0.0; rows * 11];
                for (x, y) in x.chunks(batch * 300).zip(y.chunks_mut(batch * 11)) {
                    session.run_into(x, y, x.len() / 300).unwrap();
                }
                assert_eq!(
                    expected.get_or_insert_with(|| y.clone()),
                    &y,
                    "{isa} {threads} threads, batches of {batch}"
                );
            }
        }
    }
}

#[test]
fn large_layers_shared_among_threads_keep_every_bit() {
    // Large enough for two threads, and no multiple of any panel; a second layer that is not.
    let (k, n, classes, rows) = (4_001, 4_103, 7, 9);
    let mut b = Builder::default();
    let x = b.qdq("x", Params::u8(0.02, 128));
    let values = |count: usize| (0..count).map(|i| (((i * 7919 % 1009) % 255) as u8 as i8).max(-127)).collect();
    let weights = b.weights(&[k, n], values(k * n), &[0.01], 1);
    let wide = b.op("MatMul", &[&x, &weights]);
    let hidden = b.qdq(&wide, Params::u8(0.5, 100));
    let weights = b.weights(&[n, classes], values(n * classes), &[0.01], 1);
    let y = b.op("MatMul", &[&hidden, &weights]);
    let model = b.model(&[k], &[&wide, &y]);
    let x: Vec<f32> = (0..rows * k).map(|i| ((i * 7919) % 1000) as f32 / 200.0 - 2.5).collect();
    let run = |session: &Session, batch: usize| {
        let mut results = [Vec::new(), Vec::new()];
        for x in x.chunks(batch * k) {
            let x = ndarray::ArrayView::from_shape((x.len() / k, k), x).unwrap();
            for (all, output) in results.iter_mut().zip(session.run_named(&[("x", x.into_dyn())]).unwrap()) {
                all.extend(flat(&output.values));
            }
        }
        results
    };
    let session = |threads: usize| {
        Session::new(&model, &SessionOptions { threads: Some(threads), ..SessionOptions::default() }).unwrap()
    };
    let expected = run(&session(1), rows);
    assert!(expected.iter().all(|values| values.iter().any(|&y| y != values[0])));
    for threads in [2, 3] {
        let session = session(threads);
        for batch in [1, 2, 3, 7, 8, 9] {
            assert_eq!(run(&session, batch), expected, "batches of {batch} on {threads} threads");
        }
    }
}

#[test]
fn sharing_a_layer_allocates_one_note_for_each_further_thread() {
    const RUNS: u64 = 100;
    let (k, n) = (2_048, 4_096);
    let mut b = Builder::default();
    let x = b.qdq("x", Params::u8(0.02, 128));
    let weights = b.weights(&[k, n], vec![3; k * n], &[0.01], 1);
    let y = b.op("MatMul", &[&x, &weights]);
    let model = b.model(&[k], &[&y]);
    for (threads, batch) in [(1, 3), (2, 1), (2, 3), (3, 8)] {
        let options = SessionOptions { threads: Some(threads), ..SessionOptions::default() };
        let session = Session::new(&model, &options).unwrap();
        let (x, mut y) = (vec![0.5; batch * k], vec![0.0; batch * n]);
        session.run_into(&x, &mut y, batch).unwrap();
        let counts = allocation_counter::measure(|| {
            (0..RUNS).for_each(|_| session.run_into(&x, &mut y, batch).unwrap());
        });
        // The pool's queue grows by a block for every 31 notes.
        let notes = RUNS * (threads as u64 - 1);
        assert!(counts.count_total <= notes + notes.div_ceil(31), "{threads} threads: {}", counts.count_total);
    }
}

#[test]
fn one_session_serves_many_threads() {
    let session = Session::new(&network(), &SessionOptions::default()).unwrap();
    let x: Vec<f32> = (0..64 * 300).map(|i| (i % 251) as f32 / 50.0 - 2.5).collect();
    let mut expected = vec![0.0; 64 * 11];
    session.run_into(&x, &mut expected, 64).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut y = vec![0.0; 64 * 11];
                    session.run_into(&x, &mut y, 64).unwrap();
                    assert_eq!(y, expected);
                }
            });
        }
    });
}

#[test]
fn a_layer_that_could_overflow_int32_is_refused_by_name() {
    let mut b = Builder::default();
    let k = 70_000;
    let x = b.qdq("x", Params::u8(1.0, 0));
    let weights = b.weights(&[k, 1], vec![127; k], &[1.0], 1);
    let y = b.op("MatMul", &[&x, &weights]);
    let error = Session::new(&b.model(&[k], &[&y]), &SessionOptions::default()).err().unwrap().to_string();
    assert!(error.contains("MatMul node") && error.contains("outside int32"), "{error}");
}

#[test]
fn the_certificate_bounds_are_reached_and_bad_pairs_counted() {
    let mut b = Builder::default();
    let zero_point = 3;
    let x = b.qdq("x", Params::u8(1.0, zero_point));
    // Columns: 127 + 127 in a pair, the same apart, negative.
    let weights = b.weights(&[4, 3], vec![127, 127, -128, 127, 0, 0, 0, 127, -60, 0, 0, -68], &[1.0], 1);
    let product = b.op("MatMul", &[&x, &weights]);
    let bias = b.float(&[3], vec![10.0, 20.0, -30.0]);
    let y = b.op("Add", &[&product, &bias]);
    let session = Session::new(&b.model(&[4], &[&y]), &SessionOptions::default()).unwrap();
    let [certificate] = &session.certificates()[..] else { panic!("one layer, one certificate") };
    assert_eq!((certificate.channels, certificate.pair_sums_proven), (3, 2));
    assert_eq!(certificate.tensor, session.steps()[1].tensor);
    let levels = |input: f32| ndarray::Array2::from_elem((1, 4), input).into_dyn();
    let all_255 = session.run(&levels(1e9).view()).unwrap();
    assert_eq!(all_255[[0, 1]], 20.0 + 252.0 * 254.0);
    // Channels 0 and 1 have positive weights only and channel 2 negative ones: their extremes are those of an input of one level.
    assert_eq!(certificate.highest as f32, all_255[[0, 1]].max(all_255[[0, 0]]));
    assert_eq!(certificate.lowest as f32, all_255[[0, 2]]);
}

/// One layer of two inputs with these weights `[2, n]`, on an input of scale 1.
fn small_layer(weights: &Asymmetric<'_>) -> Result<Session, int8_inference::Error> {
    let mut b = Builder::default();
    let x = b.qdq("x", Params::u8(1.0, 0));
    let weights = b.asymmetric_weights(&[2, weights.values.len() / 2], weights, 1);
    let y = b.op("MatMul", &[&x, &weights]);
    Session::new(&b.model(&[2], &[&y]), &SessionOptions::default())
}

#[test]
fn weights_with_a_zero_point_whatever_the_values() {
    let x = ndarray::array![[3.0f32, 2.0]].into_dyn();
    // What fits 8 bits without its zero point, and what does not.
    for (values, zero_points, expected) in [
        (vec![128, 130, 100, 255], vec![128], [-56.0f32, 260.0]),
        (vec![0, 255, 255, 0], vec![0], [510.0, 765.0]),
        (vec![0, 255, 255, 0], vec![255], [-765.0, -510.0]),
        (vec![0, 255, 255, 0], vec![255, 0], [-765.0, 765.0]),
    ] {
        let scales = vec![1.0; zero_points.len()];
        let weights = Asymmetric { unsigned: true, values: &values, scales: &scales, zero_points: &zero_points };
        let session = small_layer(&weights).unwrap();
        assert_eq!(session.run(&x.view()).unwrap(), ndarray::array![expected].into_dyn());
        let signed = |values: &[i32]| values.iter().map(|value| value - 128).collect::<Vec<_>>();
        let (values, zero_points) = (signed(&values), signed(&zero_points));
        let weights = Asymmetric { unsigned: false, values: &values, scales: &scales, zero_points: &zero_points };
        let session = small_layer(&weights).unwrap();
        assert_eq!(session.run(&x.view()).unwrap(), ndarray::array![expected].into_dyn());
    }
}

#[test]
fn zero_points_that_do_not_match_the_weights_are_refused() {
    let weights = Asymmetric { unsigned: true, values: &[1, 2, 3, 4], scales: &[1.0], zero_points: &[7] };
    assert!(small_layer(&weights).is_ok());
    let mut b = Builder::default();
    let x = b.qdq("x", Params::u8(1.0, 0));
    let values = b.constant(Tensor::u8("", &[2, 2], vec![1, 2, 3, 4]).unwrap());
    let scale = b.float(&[], vec![1.0]);
    let signed = b.constant(Tensor::i8("", &[], vec![0]).unwrap());
    let two = b.constant(Tensor::u8("", &[2], vec![0, 1]).unwrap());
    for (zero, reason) in [(signed, "8-bit type"), (two, "2 zero points for the 1 scales")] {
        let mut b = b.clone();
        let weights = b.op("DequantizeLinear", &[&values, &scale, &zero]);
        let y = b.op("MatMul", &[&x, &weights]);
        let error = Session::new(&b.model(&[2], &[&y]), &SessionOptions::default()).err().unwrap().to_string();
        assert!(error.contains("MatMul node") && error.contains(reason), "{error}");
    }
}

#[test]
fn as_many_zero_points_as_scales_but_not_as_channels_are_refused() {
    for (shape, count, axis) in [([3, 5], 3, 0), ([3, 5], 0, 1), ([5, 3], 2, 1)] {
        let mut builder = Builder::default();
        let x = builder.qdq("x", Params::u8(0.5, 0));
        let values = builder.constant(Tensor::i8("", &shape, vec![1; 15]).unwrap());
        let scales = builder.float(&[count], vec![0.1; count]);
        let zero_points = builder.constant(Tensor::i8("", &[count], vec![0; count]).unwrap());
        let weights = node("DequantizeLinear", "", &[&values, &scales, &zero_points], &[]).with_int("axis", axis);
        let weights = builder.node(weights);
        let y = builder.op("MatMul", &[&x, &weights]);
        let refused = Session::new(&builder.model(&[shape[0]], &[&y]), &SessionOptions::default()).err().unwrap();
        let channels = shape[1];
        let expected = format!("{count} zero points for {channels} output channels");
        assert!(refused.to_string().contains(&expected), "{refused}");
    }
}

#[test]
fn the_bound_on_the_sums_counts_zero_points_and_what_the_input_can_be() {
    // 33,100 weights of 255 take inputs of 255 beyond 2^31 - 1.
    let layer = |k: usize, clip: Option<f32>| {
        let mut b = Builder::default();
        let mut x = "x".to_owned();
        if let Some(high) = clip {
            // A table between two quantized tensors bounds what the layer can meet.
            x = b.qdq(&x, Params::u8(1.0, 0));
            let (low, high) = (b.float(&[], vec![3.0]), b.float(&[], vec![high]));
            x = b.op("Clip", &[&x, &low, &high]);
        }
        let x = b.qdq(&x, Params::u8(1.0, 0));
        let weights = Asymmetric { unsigned: true, values: &vec![255; k], scales: &[1.0], zero_points: &[0] };
        let weights = b.asymmetric_weights(&[k, 1], &weights, 1);
        let y = b.op("MatMul", &[&x, &weights]);
        Session::new(&b.model(&[k], &[&y]), &SessionOptions::default())
    };
    assert!(layer(33_000, None).is_ok());
    assert!(layer(33_100, None).err().unwrap().to_string().contains("outside int32"));
    let session = layer(33_100, Some(200.0)).unwrap();
    let [certificate] = &session.certificates()[..] else { panic!("one layer, one certificate") };
    assert_eq!((certificate.lowest, certificate.highest), (3 * 255 * 33_100, 200 * 255 * 33_100));
    for (x, reached) in [(-1.0f32, certificate.lowest), (1e9, certificate.highest)] {
        let y = session.run(&ArrayD::from_elem(vec![1, 33_100], x).view()).unwrap();
        assert_eq!(y[[0, 0]], reached as f32);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_bounds_are_the_extremes_over_all_inputs(
        (k, n) in (1usize..=5, 1usize..=4),
        (low, high) in (0u8..=255, 0u8..=255).prop_map(|(a, b)| (a.min(b), a.max(b))),
        input_zero in 0i32..=255,
        values in prop::collection::vec(prop_oneof![Just(0), Just(255), 0..=255], 20),
        zero_points in prop::collection::vec(0i32..=255, 4),
        bias in prop::collection::vec(-1_000i32..=1_000, 4),
    ) {
        let params = Params::u8(1.0, input_zero);
        let mut b = Builder::default();
        let x = b.qdq("x", params);
        let real = |level: u8| f32::from(level) - input_zero as f32;
        let (min, max) = (b.float(&[], vec![real(low)]), b.float(&[], vec![real(high)]));
        let x = b.op("Clip", &[&x, &min, &max]);
        let x = b.qdq(&x, params);
        let (values, zero_points) = (&values[..k * n], &zero_points[..n]);
        let scales = vec![1.0; n];
        let weights = b.asymmetric_weights(&[k, n], &Asymmetric { unsigned: true, values, scales: &scales, zero_points }, 1);
        let product = b.op("MatMul", &[&x, &weights]);
        let steps = b.float(&[n], bias[..n].iter().map(|&step| step as f32).collect());
        let y = b.op("Add", &[&product, &steps]);
        let session = Session::new(&b.model(&[k], &[&y]), &SessionOptions::default()).unwrap();
        // A sum is extreme where each input is at one of its ends.
        let ends = |corner: usize, i: usize| i32::from(if corner >> i & 1 == 1 { high } else { low });
        let sums = (0..1usize << k).flat_map(|corner| (0..n).map(move |channel| (corner, channel))).map(|(corner, channel)| {
            let weight = |i: usize| values[i * n + channel] - zero_points[channel];
            bias[channel] + (0..k).map(|i| (ends(corner, i) - input_zero) * weight(i)).sum::<i32>()
        });
        let sums: Vec<i64> = sums.map(i64::from).collect();
        let certificate = &session.certificates()[0];
        prop_assert_eq!(Some(&certificate.lowest), sums.iter().min());
        prop_assert_eq!(Some(&certificate.highest), sums.iter().max());
    }
}

#[test]
fn inputs_that_a_clip_bounds_prove_more_pairs() {
    // 127 + 127 leave 16 bits from inputs of 130 on.
    let proven = |highest: f32| {
        let mut b = Builder::default();
        let x = b.qdq("x", Params::u8(1.0, 0));
        let first = b.weights(&[2, 2], vec![1, 0, 0, 1], &[1.0], 1);
        let hidden = b.op("MatMul", &[&x, &first]);
        let (low, high) = (b.float(&[], vec![0.0]), b.float(&[], vec![highest]));
        let hidden = b.op("Clip", &[&hidden, &low, &high]);
        let hidden = b.qdq(&hidden, Params::u8(1.0, 0));
        let second = b.weights(&[2, 1], vec![127, 127], &[1.0], 1);
        let y = b.op("MatMul", &[&hidden, &second]);
        let model = b.model(&[2], &[&y]);
        for kernel in kernels::available() {
            let options = SessionOptions { isa: Some(kernel.isa()), ..SessionOptions::default() };
            let session = Session::new(&model, &options).unwrap();
            let y = session.run(&ndarray::array![[1e9f32, 1e9]].into_dyn().view()).unwrap();
            assert_eq!(y[[0, 0]], highest * 254.0, "{}", kernel.isa());
        }
        Session::new(&model, &SessionOptions::default()).unwrap().certificates()[1].pair_sums_proven
    };
    assert_eq!((proven(129.0), proven(130.0), proven(255.0)), (1, 0, 0));
}

#[test]
fn isa_names_parse() {
    for isa in Isa::ALL {
        assert_eq!(isa.to_string().parse::<Isa>().unwrap(), isa);
    }
}

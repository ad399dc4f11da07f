//! Layers whose input is quantized by the range it has in the run, as ONNX Runtime's `quantize_dynamic` writes them, against the operators
//! they are made of.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::Builder;
use int8_inference::{Isa, Session, SessionOptions, Workspace};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Model, Tensor};

const INPUTS: usize = 19;
const OUTPUTS: usize = 6;

#[derive(Clone, Copy, Debug)]
struct Case {
    unsigned: bool,
    /// Zero points of the weights: none, one, or one per channel.
    zero_points: usize,
    per_channel: bool,
    bias: bool,
    relu: bool,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        (0..16).flat_map(|flags| {
            let [unsigned, per_channel, bias, relu] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
            [0, 1, OUTPUTS].map(|zero_points| Self { unsigned, zero_points, per_channel, bias, relu })
        })
    }

    fn weights(&self) -> Vec<i32> {
        (0..INPUTS * OUTPUTS).map(|i| (i * i * 7 + i * 31) as i32 % 256 - if self.unsigned { 0 } else { 128 }).collect()
    }

    fn zero_points(&self) -> Vec<i32> {
        (0..self.zero_points).map(|i| 17 * i as i32 + 3).collect()
    }

    fn scales(&self) -> Vec<f32> {
        (0..if self.per_channel { OUTPUTS } else { 1 }).map(|i| 0.003 + i as f32 / 900.0).collect()
    }

    fn bias(&self) -> Vec<f32> {
        (0..OUTPUTS).map(|i| i as f32 / 2.0 - 1.2).collect()
    }

    fn integers(&self, shape: &[usize], values: &[i32]) -> Tensor {
        if self.unsigned {
            Tensor::u8("", shape, values.iter().map(|&value| value as u8).collect()).unwrap()
        } else {
            Tensor::i8("", shape, values.iter().map(|&value| value as i8).collect()).unwrap()
        }
    }

    /// The model; with its sums of products as a second output where `open`, which keeps them from being fused away.
    fn model(&self, open: bool) -> Model {
        let mut b = Builder::default();
        let weights = b.constant(self.integers(&[INPUTS, OUTPUTS], &self.weights()));
        let quantize = node("DynamicQuantizeLinear", "", &["x"], &[]);
        let [q, scale, zero] = b.nodes(quantize);
        let mut inputs = vec![q, weights, zero];
        if self.zero_points > 0 {
            let shape = [self.zero_points];
            let shape: &[usize] = if self.zero_points == 1 { &[] } else { &shape };
            inputs.push(b.constant(self.integers(shape, &self.zero_points())));
        }
        let sums = b.op("MatMulInteger", &inputs.iter().map(String::as_str).collect::<Vec<_>>());
        let real = b.node(node("Cast", "", &[&sums], &[]).with_int("to", 1));
        let scales = b.float(if self.per_channel { &[OUTPUTS] } else { &[] }, self.scales());
        let steps = b.op("Mul", &[&scale, &scales]);
        let mut y = b.op("Mul", &[&real, &steps]);
        if self.bias {
            let bias = b.float(&[OUTPUTS], self.bias());
            y = b.op("Add", &[&y, &bias]);
        }
        if self.relu {
            y = b.op("Relu", &[&y]);
        }
        let outputs = [y.as_str(), real.as_str()];
        b.model(&[INPUTS], if open { &outputs } else { &outputs[..1] })
    }

    /// The operators by their definitions.
    fn expected(&self, x: &[f32]) -> Vec<f32> {
        let low = x.iter().copied().fold(0.0, f32::min);
        let high = x.iter().copied().fold(0.0, f32::max);
        let scale = (high - low) / 255.0;
        let zero = (-low / scale).round_ties_even().clamp(0.0, 255.0) as i32;
        let quantize = |x: f32| ((x / scale).round_ties_even() as i32 + zero).clamp(0, 255);
        let (weights, zero_points, scales, bias) = (self.weights(), self.zero_points(), self.scales(), self.bias());
        let of_channel =
            |values: &[i32], c: usize| if values.len() > 1 { values[c] } else { values.first().copied().unwrap_or(0) };
        let mut y = Vec::new();
        for row in x.chunks(INPUTS) {
            for c in 0..OUTPUTS {
                let weight = |i: usize| weights[i * OUTPUTS + c] - of_channel(&zero_points, c);
                let sum: i32 = row.iter().enumerate().map(|(i, &x)| (quantize(x) - zero) * weight(i)).sum();
                let step = scale * if self.per_channel { scales[c] } else { scales[0] };
                let scaled = sum as f32 * step + if self.bias { bias[c] } else { -0.0 };
                y.push(if self.relu { scaled.max(0.0) } else { scaled });
            }
        }
        y
    }
}

fn samples(rows: usize) -> ArrayD<f32> {
    let values = (0..rows * INPUTS).map(|i| (i * 29 % 83) as f32 / 20.0 - 1.3).collect();
    ArrayD::from_shape_vec(vec![rows, INPUTS], values).unwrap()
}

#[test]
fn every_form_is_one_step_and_equals_the_definition_on_every_kernel() {
    let x = samples(7);
    for case in Case::all() {
        for isa in Isa::ALL.into_iter().filter(|&isa| kernels::with_isa(isa).is_some()) {
            let options = SessionOptions { isa: Some(isa), ..SessionOptions::default() };
            let session = Session::new(&case.model(false), &options).unwrap();
            assert_eq!(session.steps().len(), 1, "{case:?}: {:?}", session.steps());
            let y = session.run(&x.view()).unwrap();
            assert_eq!(y.as_slice().unwrap(), case.expected(x.as_slice().unwrap()), "{case:?} on {isa}");
        }
    }
}

/// The float runtime has the Cast between them.
#[cfg(feature = "float")]
#[test]
fn the_operators_one_by_one_give_the_same() {
    let x = samples(7);
    for case in Case::all() {
        let session = Session::new(&case.model(true), &SessionOptions::default()).unwrap();
        assert!(
            session.steps().iter().any(|step| step.work == "MatMulInteger on a whole tensor"),
            "{:?}",
            session.steps()
        );
        let results = session.run_named(&[("x", x.view())]).unwrap();
        let int8_inference::TensorValues::F32(y) = &results[0].values else { panic!("{case:?}") };
        assert_eq!(y.as_slice().unwrap(), case.expected(x.as_slice().unwrap()), "{case:?} open");
    }
}

#[test]
fn the_range_is_that_of_the_whole_batch_on_any_number_of_threads() {
    let case = Case { unsigned: false, zero_points: 0, per_channel: true, bias: true, relu: true };
    let mut x = samples(300);
    x[[299, 0]] = 40.0;
    let expected = case.expected(x.as_slice().unwrap());
    for threads in [1, 2] {
        let options = SessionOptions { threads: Some(threads), ..SessionOptions::default() };
        let session = Session::new(&case.model(false), &options).unwrap();
        assert_eq!(session.run(&x.view()).unwrap().as_slice().unwrap(), expected);
        let mut y = vec![0.0; expected.len()];
        session.run_into(x.as_slice().unwrap(), &mut y, 300).unwrap();
        assert_eq!(y, expected);
        y.fill(0.0);
        session.run_with(&mut Workspace::default(), x.as_slice().unwrap(), &mut y, 300).unwrap();
        assert_eq!(y, expected);
    }
}

/// A layer large enough for threads to share its output channels.
#[test]
fn threads_share_a_large_layer_without_changing_a_bit() {
    const WIDTH: usize = 1024;
    let mut b = Builder::default();
    let weights = (0..WIDTH * WIDTH).map(|i| (i * i % 251) as i8).collect();
    let weights = b.constant(Tensor::i8("", &[WIDTH, WIDTH], weights).unwrap());
    let [q, scale, zero] = b.nodes(node("DynamicQuantizeLinear", "", &["x"], &[]));
    let sums = b.op("MatMulInteger", &[&q, &weights, &zero]);
    let real = b.node(node("Cast", "", &[&sums], &[]).with_int("to", 1));
    let scales = b.float(&[WIDTH], (0..WIDTH).map(|i| 0.001 + i as f32 / 1e6).collect());
    let steps = b.op("Mul", &[&scale, &scales]);
    let y = b.op("Mul", &[&real, &steps]);
    let model = b.model(&[WIDTH], &[&y]);
    let x = ArrayD::from_shape_fn(vec![33, WIDTH], |at| ((at[0] * 31 + at[1] * 17) % 97) as f32 - 40.0);
    let run = |threads| {
        let options = SessionOptions { threads: Some(threads), ..SessionOptions::default() };
        Session::new(&model, &options).unwrap().run(&x.view()).unwrap()
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn nothing_is_allocated_once_the_buffers_have_grown() {
    let case = Case { unsigned: true, zero_points: OUTPUTS, per_channel: true, bias: true, relu: false };
    let session = Session::new(&case.model(false), &SessionOptions::default()).unwrap();
    let (x, mut y) = (samples(40), vec![0.0; 40 * OUTPUTS]);
    let x = x.as_slice().unwrap();
    session.run_into(x, &mut y, 40).unwrap();
    let counts = allocation_counter::measure(|| {
        for batch in [40, 1, 17] {
            session.run_into(&x[..batch * INPUTS], &mut y[..batch * OUTPUTS], batch).unwrap();
        }
    });
    assert_eq!(counts.count_total, 0);
}

#[test]
fn a_batch_of_zeros_has_no_range() {
    let case = Case { unsigned: false, zero_points: 0, per_channel: false, bias: true, relu: false };
    let session = Session::new(&case.model(false), &SessionOptions::default()).unwrap();
    let y = session.run(&ArrayD::zeros(vec![1, INPUTS]).view()).unwrap();
    assert_eq!(y.as_slice().unwrap(), case.bias());
}

#[test]
fn it_is_told_as_a_layer_of_integers_with_the_extremes_of_its_sums() {
    for case in Case::all() {
        let session = Session::new(&case.model(false), &SessionOptions::default()).unwrap();
        let step = &session.steps()[0];
        assert!(step.int8 && step.weight_bytes >= INPUTS * OUTPUTS, "{step:?}");
        assert_eq!(
            (step.macs, session.macs_per_sample(), session.float_macs_per_sample()),
            ((INPUTS * OUTPUTS) as u64, (INPUTS * OUTPUTS) as u64, 0)
        );
        // By trying all zero points with the inputs that make each product the least or the greatest.
        let (weights, zero_points) = (case.weights(), case.zero_points());
        let zero_of = |c: usize| zero_points.get(c).or(zero_points.first()).copied().unwrap_or(0);
        let (mut lowest, mut highest) = (0, 0);
        for (zero, c) in (0..=255).flat_map(|zero| (0..OUTPUTS).map(move |c| (zero, c))) {
            let products = (0..INPUTS).map(|i| {
                let weight = weights[i * OUTPUTS + c] - zero_of(c);
                let ends = [-zero * weight, (255 - zero) * weight];
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            });
            let (low, high) = products.fold((0, 0), |sums, product| (sums.0 + product.0, sums.1 + product.1));
            (lowest, highest) = (lowest.min(low), highest.max(high));
        }
        let proof = &session.certificates()[0];
        assert_eq!((proof.lowest, proof.highest, proof.channels), (lowest.into(), highest.into(), OUTPUTS), "{case:?}");
    }
}

//! Layers with integer weights and float activations against the same layers with these weights written down in f32.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking, like tests")]

mod common;

use common::Builder;
use int8_inference::{Isa, Session, SessionOptions};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Model, Tensor, TensorData};

const INPUTS: usize = 20;
const OUTPUTS: usize = 5;
const ROWS: usize = 7;

/// What shares a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shared {
    Tensor,
    Channel,
    Blocks(usize),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    bits: u32,
    signed: bool,
    shared: Shared,
    zero_points: bool,
    /// Gemm with weights `[outputs, inputs]`, else MatMul + Add.
    transposed: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for bits in [4, 8] {
            for shared in
                [Shared::Tensor, Shared::Channel, Shared::Blocks(4), Shared::Blocks(7), Shared::Blocks(INPUTS)]
            {
                for flags in 0..8 {
                    let [signed, zero_points, transposed] = [1, 2, 4].map(|flag| flags & flag != 0);
                    cases.push(Self { bits, signed, shared, zero_points, transposed });
                }
            }
        }
        cases
    }

    fn integers(&self, shape: &[usize], seed: i32) -> Tensor {
        let count = shape.iter().product::<usize>() as i32;
        let (range, lowest) = (1 << self.bits, if self.signed { -(1 << (self.bits - 1)) } else { 0 });
        let values = (0..count).map(|i| (i * 37 + seed * 11 + i * i % 13) % range + lowest);
        let data = match (self.bits, self.signed) {
            (4, true) => TensorData::I4(values.map(|value| value as i8).collect()),
            (4, false) => TensorData::U4(values.map(|value| value as u8).collect()),
            (_, true) => TensorData::I8(values.map(|value| value as i8).collect()),
            (_, false) => TensorData::U8(values.map(|value| value as u8).collect()),
        };
        Tensor::new("", shape, data).unwrap()
    }

    /// The layer with integer weights and the same with float weights.
    fn models(&self) -> [Model; 2] {
        let shape = if self.transposed { [OUTPUTS, INPUTS] } else { [INPUTS, OUTPUTS] };
        let (inputs, outputs) = if self.transposed { (1, 0) } else { (0, 1) };
        let mut scale_shape = match self.shared {
            Shared::Tensor => vec![],
            Shared::Channel => vec![OUTPUTS],
            Shared::Blocks(block) => vec![INPUTS.div_ceil(block), OUTPUTS],
        };
        if self.transposed {
            scale_shape.reverse();
        }
        let values = self.integers(&shape, 1);
        let count = scale_shape.iter().product::<usize>();
        let scales: Vec<f32> = (0..count).map(|i| 0.01 + i as f32 / 700.0).collect();
        let zero_points = self.zero_points.then(|| self.integers(&scale_shape, 5));

        let whole = |tensor: &Tensor| tensor.to_f32().unwrap();
        let (integers, zeros) = (whole(&values), zero_points.as_ref().map(whole));
        let real = (0..INPUTS * OUTPUTS).map(|at| {
            let position = [at / shape[1], at % shape[1]];
            let scale = match self.shared {
                Shared::Tensor => 0,
                Shared::Channel => position[outputs],
                Shared::Blocks(block) => {
                    let mut position = position;
                    position[inputs] /= block;
                    position[0] * scale_shape[1] + position[1]
                }
            };
            (integers[at] - zeros.as_ref().map_or(0.0, |zeros| zeros[scale])) * scales[scale]
        });
        let real: Vec<f32> = real.collect();

        let mut quantized = Builder::default();
        let mut names =
            vec![quantized.constant(values), quantized.constant(Tensor::f32("", &scale_shape, scales).unwrap())];
        names.extend(zero_points.map(|zero_points| quantized.constant(zero_points)));
        let dequantize = node("DequantizeLinear", "", &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        let weights = quantized.node(match self.shared {
            Shared::Tensor => dequantize,
            Shared::Channel => dequantize.with_int("axis", outputs as i64),
            Shared::Blocks(block) => {
                dequantize.with_int("axis", inputs as i64 - 2).with_int("block_size", block as i64)
            }
        });
        let mut float = Builder::default();
        let real = float.float(&shape, real);
        [self.layer(quantized, &weights), self.layer(float, &real)]
    }

    fn layer(&self, mut b: Builder, weights: &str) -> Model {
        let bias = b.float(&[OUTPUTS], (0..OUTPUTS).map(|i| i as f32 / 3.0 - 0.5).collect());
        let sums = if self.transposed {
            b.node(node("Gemm", "", &["x", weights, &bias], &[]).with_int("transB", 1))
        } else {
            let product = b.op("MatMul", &["x", weights]);
            b.op("Add", &[&product, &bias])
        };
        let y = b.op("Relu", &[&sums]);
        b.model(&[INPUTS], &[&y])
    }
}

fn samples() -> ArrayD<f32> {
    let values = (0..ROWS * INPUTS).map(|i| (i * 29 % 83) as f32 / 40.0 - 1.0).collect();
    ArrayD::from_shape_vec(vec![ROWS, INPUTS], values).unwrap()
}

#[test]
fn every_form_gives_the_bits_of_its_weights_in_float() {
    for case in Case::all() {
        let [quantized, float] = case.models();
        for isa in Isa::ALL.into_iter().filter(|&isa| kernels::with_isa(isa).is_some()) {
            let options = SessionOptions { isa: Some(isa), ..SessionOptions::default() };
            let session = Session::new(&quantized, &options).unwrap();
            let steps = session.steps();
            let [step] = steps.as_slice() else { panic!("{case:?}: {steps:?}") };
            assert!(step.work.contains(&format!("f32 x s{}", case.bits)), "{case:?}: {step:?}");
            let expected = Session::new(&float, &options).unwrap().run(&samples().view()).unwrap();
            assert_eq!(session.run(&samples().view()).unwrap(), expected, "{case:?} on {isa}");
        }
    }
}

#[test]
fn blocks_are_told_of() {
    let case = Case { bits: 4, signed: true, shared: Shared::Blocks(4), zero_points: false, transposed: false };
    let session = Session::new(&case.models()[0], &SessionOptions::default()).unwrap();
    assert_eq!(session.steps()[0].work, "dense 20 -> 5, f32 x s4 in blocks of 4");
}

/// Dimensions beside one of size zero cost a file nothing.
#[test]
fn weights_without_inputs_take_no_memory() {
    for columns in [1 << 24, 1 << 40] {
        let mut b = Builder::default();
        let empty = Tensor { name: String::new(), shape: vec![0, columns], data: TensorData::I8(vec![]) };
        let values = b.constant(empty);
        let scale = b.float(&[], vec![0.5]);
        let weights = b.op("DequantizeLinear", &[&values, &scale]);
        let y = b.op("MatMul", &["x", &weights]);
        let built = std::panic::catch_unwind(|| b.model(&[0], &[&y]));
        let Ok(model) = built else {
            assert_eq!(columns, 1 << 40, "only this is no tensor");
            continue;
        };
        let counts = allocation_counter::measure(|| drop(Session::new(&model, &SessionOptions::default())));
        assert!(counts.bytes_max < 1 << 20, "{counts:?}");
    }
}

#[test]
fn zero_points_of_another_type_are_refused_by_name() {
    let mut b = Builder::default();
    let values = b.constant(Tensor::i8("", &[2, 2], vec![1, 2, 3, 4]).unwrap());
    let scale = b.float(&[], vec![0.5]);
    let zero_point = b.constant(Tensor::new("", &[], TensorData::I4(vec![1])).unwrap());
    let weights = b.op("DequantizeLinear", &[&values, &scale, &zero_point]);
    let y = b.op("MatMul", &["x", &weights]);
    let error = Session::new(&b.model(&[2], &[&y]), &SessionOptions::default()).err().unwrap().to_string();
    assert!(error.contains("DequantizeLinear node") && error.contains("zero points"), "{error}");
}

//! Small models, and a naive way to run quantized ones.

#![allow(dead_code, reason = "each test file uses its own part")]

use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};

/// A graph under construction: every method appends nodes and returns the name of the tensor they make.
#[derive(Clone, Default)]
pub(crate) struct Builder {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    count: usize,
}

/// Scale and zero point of an 8-bit activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params {
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
    pub(crate) signed: bool,
}

impl Params {
    pub(crate) fn u8(scale: f32, zero_point: i32) -> Self {
        Self { scale, zero_point, signed: false }
    }

    fn bounds(self) -> (i32, i32) {
        if self.signed { (-128, 127) } else { (0, 255) }
    }

    /// ONNX QuantizeLinear by its definition.
    pub(crate) fn quantize(self, x: f32) -> i32 {
        let (low, high) = self.bounds();
        let rounded = f64::from(x / self.scale).round_ties_even();
        (rounded + f64::from(self.zero_point)).clamp(f64::from(low), f64::from(high)) as i32
    }

    pub(crate) fn dequantize(self, q: i32) -> f32 {
        (q - self.zero_point) as f32 * self.scale
    }
}

impl Builder {
    fn fresh(&mut self, base: &str) -> String {
        self.count += 1;
        format!("{base}{}", self.count)
    }

    pub(crate) fn constant(&mut self, tensor: Tensor) -> String {
        let name = self.fresh("c");
        self.initializers.push(TensorProto { name: Some(name.clone()), ..tensor.to_proto() });
        name
    }

    pub(crate) fn op(&mut self, op_type: &str, inputs: &[&str]) -> String {
        self.node(node(op_type, "", inputs, &[]))
    }

    pub(crate) fn node(&mut self, node: NodeProto) -> String {
        let output = self.fresh("t");
        self.nodes.push(NodeProto { output: vec![output.clone()], name: Some(format!("n{}", self.count)), ..node });
        output
    }

    /// A node that makes `N` tensors.
    pub(crate) fn nodes<const N: usize>(&mut self, node: NodeProto) -> [String; N] {
        let outputs = std::array::from_fn(|_| self.fresh("t"));
        self.nodes.push(NodeProto { output: outputs.to_vec(), name: Some(format!("n{}", self.count)), ..node });
        outputs
    }

    pub(crate) fn quantize(&mut self, tensor: &str, params: Params) -> String {
        let [scale, zero] = self.params(params);
        self.op("QuantizeLinear", &[tensor, &scale, &zero])
    }

    pub(crate) fn dequantize(&mut self, tensor: &str, params: Params) -> String {
        let [scale, zero] = self.params(params);
        self.op("DequantizeLinear", &[tensor, &scale, &zero])
    }

    pub(crate) fn qdq(&mut self, tensor: &str, params: Params) -> String {
        let quantized = self.quantize(tensor, params);
        self.dequantize(&quantized, params)
    }

    fn params(&mut self, params: Params) -> [String; 2] {
        let scale = self.constant(Tensor::f32("", &[], vec![params.scale]).unwrap());
        let zero = self.constant(if params.signed {
            Tensor::i8("", &[], vec![params.zero_point as i8]).unwrap()
        } else {
            Tensor::u8("", &[], vec![params.zero_point as u8]).unwrap()
        });
        [scale, zero]
    }

    /// Constant int8 weights behind DequantizeLinear, one scale or one per channel of `axis`.
    pub(crate) fn weights(&mut self, shape: &[usize], values: Vec<i8>, scales: &[f32], axis: i64) -> String {
        let values = self.constant(Tensor::i8("", shape, values).unwrap());
        let per_channel = scales.len() > 1;
        let scale_shape: &[usize] = if per_channel { &[scales.len()] } else { &[] };
        let scale = self.constant(Tensor::f32("", scale_shape, scales.to_vec()).unwrap());
        let zero = self.constant(Tensor::i8("", scale_shape, vec![0; scales.len()]).unwrap());
        let dequantize = node("DequantizeLinear", "", &[&values, &scale, &zero], &[]);
        self.node(if per_channel { dequantize.with_int("axis", axis) } else { dequantize })
    }

    /// Constant 8-bit weights with zero points behind DequantizeLinear; as many zero points as scales.
    pub(crate) fn asymmetric_weights(&mut self, shape: &[usize], weights: &Asymmetric<'_>, axis: i64) -> String {
        let eight_bits = |shape: &[usize], values: &[i32]| {
            if weights.unsigned {
                Tensor::u8("", shape, values.iter().map(|&value| u8::try_from(value).unwrap()).collect()).unwrap()
            } else {
                Tensor::i8("", shape, values.iter().map(|&value| i8::try_from(value).unwrap()).collect()).unwrap()
            }
        };
        let per_channel = weights.scales.len() > 1;
        let scale_shape: &[usize] = if per_channel { &[weights.scales.len()] } else { &[] };
        let values = self.constant(eight_bits(shape, weights.values));
        let scale = self.constant(Tensor::f32("", scale_shape, weights.scales.to_vec()).unwrap());
        let zero = self.constant(eight_bits(scale_shape, weights.zero_points));
        let dequantize = node("DequantizeLinear", "", &[&values, &scale, &zero], &[]);
        self.node(if per_channel { dequantize.with_int("axis", axis) } else { dequantize })
    }

    pub(crate) fn float(&mut self, shape: &[usize], values: Vec<f32>) -> String {
        self.constant(Tensor::f32("", shape, values).unwrap())
    }

    /// The model with the input `x` of `sample` shape and the given outputs.
    pub(crate) fn model(self, sample: &[usize], outputs: &[&str]) -> Model {
        let dims = sample.iter().map(|&size| Dim::Fixed(size));
        self.model_of(std::iter::once(Dim::Symbolic("n".to_owned())).chain(dims).collect(), outputs)
    }

    /// The model with the input `x` of the declared shape and the given outputs.
    pub(crate) fn model_of(self, shape: Vec<Dim>, outputs: &[&str]) -> Model {
        let x = ValueInfo { name: "x".to_owned(), element_type: DataType::Float, shape: Some(shape) };
        let output = |name: &&str| ValueInfo { name: (*name).to_owned(), element_type: DataType::Float, shape: None };
        let graph = GraphProto {
            name: Some("test".to_owned()),
            input: vec![(&x).into()],
            output: outputs.iter().map(|name| (&output(name)).into()).collect(),
            initializer: self.initializers,
            node: self.nodes,
            ..GraphProto::default()
        };
        let model = Model::new(graph, 21);
        model.check().unwrap();
        model
    }
}

/// 8-bit weights of a file.
pub(crate) struct Asymmetric<'a> {
    pub(crate) unsigned: bool,
    pub(crate) values: &'a [i32],
    pub(crate) scales: &'a [f32],
    pub(crate) zero_points: &'a [i32],
}

/// A dense layer by its definition, on integers: exact sums, one f32 multiplication, round half to even.
pub(crate) struct NaiveDense<'a> {
    /// `[k, n]`, less their zero points.
    pub(crate) weights: &'a [i32],
    pub(crate) scales: &'a [f32],
    pub(crate) bias: &'a [i32],
    pub(crate) input: Params,
}

impl NaiveDense<'_> {
    fn accumulator(&self, row: &[i32], channel: usize) -> i64 {
        let n = self.bias.len();
        let products = row
            .iter()
            .enumerate()
            .map(|(i, &q)| i64::from(q - self.input.zero_point) * i64::from(self.weights[i * n + channel]));
        i64::from(self.bias[channel]) + products.sum::<i64>()
    }

    fn scale(&self, channel: usize) -> f32 {
        self.input.scale * if self.scales.len() == 1 { self.scales[0] } else { self.scales[channel] }
    }

    pub(crate) fn float(&self, row: &[i32]) -> Vec<f32> {
        (0..self.bias.len()).map(|channel| self.accumulator(row, channel) as f32 * self.scale(channel)).collect()
    }

    /// Integers of the result, clamped to the real interval `clamp`.
    pub(crate) fn quantized(&self, row: &[i32], output: Params, clamp: (f32, f32)) -> Vec<i32> {
        let (low, high) = (output.quantize(clamp.0), output.quantize(clamp.1));
        (0..self.bias.len())
            .map(|channel| {
                let multiplier = self.scale(channel) / output.scale;
                let steps = (self.accumulator(row, channel) as f32 * multiplier).round_ties_even();
                (f64::from(steps) + f64::from(output.zero_point)).clamp(f64::from(low), f64::from(high)) as i32
            })
            .collect()
    }
}

//! Small networks, pseudo-random numbers, and float execution.

use dataset::{Dataset, Input, Labels};
use dlquantizer::{Calibration, Calibrator, Error, FloatModel, Int8Model, Recipe};
use int8_inference::{Session, SessionOptions, TensorValues};
use ndarray::{ArrayD, ArrayViewD};
use onnx_model::graph::{GraphIndex, node};
use onnx_model::proto::{GraphProto, NodeProto, ValueInfoProto};
use onnx_model::{DataType, Dim, Model, Tensor, TensorData, ValueInfo};

/// A deterministic stream of numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1u64 << 24) as f32
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f32) as usize
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn values(&mut self, count: usize, low: f32, high: f32) -> Vec<f32> {
        (0..count).map(|_| low + (high - low) * self.unit()).collect()
    }

    pub(crate) fn array(&mut self, shape: &[usize]) -> ArrayD<f32> {
        array(shape, self.values(shape.iter().product(), -1.0, 1.0))
    }
}

pub(crate) fn array(shape: &[usize], values: Vec<f32>) -> ArrayD<f32> {
    ArrayD::from_shape_vec(shape.to_vec(), values).unwrap()
}

/// A graph under construction; tensors and nodes are named by the caller, a node like its first output.
pub(crate) struct Net {
    pub(crate) graph: GraphProto,
    pub(crate) opset: i64,
    pub(crate) random: Random,
}

impl Net {
    /// A network with one input `x` of this sample shape behind a free batch.
    pub(crate) fn new(sample: &[usize]) -> Self {
        let mut net = Self {
            graph: GraphProto { name: Some("net".to_owned()), ..GraphProto::default() },
            opset: 21,
            random: Random::new(1),
        };
        net.input("x", Dim::Symbolic("n".to_owned()), sample);
        net
    }

    pub(crate) fn input(&mut self, name: &str, batch: Dim, sample: &[usize]) {
        self.graph.input.push(declared(name, Some(batch), sample));
    }

    pub(crate) fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        self.graph.initializer.push(Tensor::f32(name, shape, values).unwrap().to_proto());
    }

    /// A random constant in `[-1, 1)`.
    pub(crate) fn random(&mut self, name: &str, shape: &[usize]) {
        let values = self.random.values(shape.iter().product(), -1.0, 1.0);
        self.constant(name, shape, values);
    }

    pub(crate) fn op(&mut self, op_type: &str, inputs: &[&str], output: &str) -> &mut NodeProto {
        self.node(node(op_type, output, inputs, &[output]))
    }

    pub(crate) fn node(&mut self, node: NodeProto) -> &mut NodeProto {
        self.graph.node.push(node);
        self.graph.node.last_mut().unwrap()
    }

    /// `output = input W + b` with random `output.weight` and `output.bias`, as Gemm.
    pub(crate) fn dense(&mut self, input: &str, output: &str, k: usize, n: usize) {
        let [weight, bias] = [format!("{output}.weight"), format!("{output}.bias")];
        self.random(&weight, &[k, n]);
        self.random(&bias, &[n]);
        self.op("Gemm", &[input, &weight, &bias], output);
    }

    /// BatchNormalization of `n` features with random constants.
    pub(crate) fn batch_norm(&mut self, input: &str, output: &str, n: usize) {
        let parameters = ["scale", "shift", "mean", "var"].map(|role| format!("{output}.{role}"));
        for (role, name) in parameters.iter().enumerate() {
            let low = if role == 3 { 0.5 } else { -1.0 };
            let values = self.random.values(n, low, low + 2.0);
            self.constant(name, &[n], values);
        }
        let [scale, shift, mean, var] = &parameters;
        self.op("BatchNormalization", &[input, scale, shift, mean, var], output);
    }

    pub(crate) fn model(&self, outputs: &[&str]) -> Model {
        let mut graph = self.graph.clone();
        graph.output = outputs.iter().map(|name| declared(name, None, &[])).collect();
        let model = Model::new(graph, self.opset);
        model.check().unwrap();
        model
    }
}

fn declared(name: &str, batch: Option<Dim>, sample: &[usize]) -> ValueInfoProto {
    let shape = batch.map(|batch| std::iter::once(batch).chain(sample.iter().map(|&dim| Dim::Fixed(dim))).collect());
    (&ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape }).into()
}

/// `x -> fc1 -> relu -> fc2 -> relu -> fc3 = y`.
pub(crate) fn three_layers(seed: u64, widths: [usize; 4]) -> Net {
    let mut net = Net::new(&[widths[0]]);
    net.random = Random::new(seed);
    net.dense("x", "fc1", widths[0], widths[1]);
    net.op("Relu", &["fc1"], "relu1");
    net.dense("relu1", "fc2", widths[1], widths[2]);
    net.op("Relu", &["fc2"], "relu2");
    net.dense("relu2", "y", widths[2], widths[3]);
    net
}

pub(crate) fn data(x: &ArrayD<f32>) -> Dataset {
    Dataset::new(vec![Input { name: "x".to_owned(), samples: x.clone() }], None).unwrap()
}

pub(crate) fn labelled(x: &ArrayD<f32>, labels: &[u32]) -> Dataset {
    let inputs = vec![Input { name: "x".to_owned(), samples: x.clone() }];
    Dataset::new(inputs, Some(Labels::new(labels.to_vec()))).unwrap()
}

pub(crate) fn open(net: &Net, outputs: &[&str]) -> FloatModel {
    FloatModel::new(net.model(outputs)).unwrap()
}

pub(crate) fn calibrate(model: &FloatModel, data: &Dataset) -> Result<Calibration, Error> {
    Calibrator::with_threads(model, Some(1))?.run(data.batches(32))
}

/// A calibrated and emitted model.
pub(crate) struct Quantized {
    pub(crate) float: FloatModel,
    pub(crate) calibration: Calibration,
    pub(crate) int8: Int8Model,
}

pub(crate) fn quantize_with(model: Model, x: &ArrayD<f32>, recipe: &Recipe) -> Result<Quantized, Error> {
    let float = FloatModel::new(model)?;
    let calibration = calibrate(&float, &data(x))?;
    let int8 = recipe.emit(&float, &calibration)?;
    Ok(Quantized { float, calibration, int8 })
}

pub(crate) fn quantize(model: Model, x: &ArrayD<f32>) -> Quantized {
    quantize_with(model, x, &Recipe::default()).unwrap()
}

pub(crate) fn session(model: &Model, taps: &[&str]) -> Session {
    let taps = taps.iter().map(|&tap| tap.to_owned()).collect();
    Session::new(model, &SessionOptions { taps, threads: Some(1), isa: None }).unwrap()
}

/// The model's first output.
pub(crate) fn run(model: &Model, x: &ArrayD<f32>) -> ArrayD<f32> {
    tapped(model, &[], x).swap_remove(0)
}

/// The model's outputs and these tensors.
pub(crate) fn tapped(model: &Model, taps: &[&str], x: &ArrayD<f32>) -> Vec<ArrayD<f32>> {
    tapped_named(model, taps, &[("x", x.view())])
}

pub(crate) fn tapped_named(model: &Model, taps: &[&str], inputs: &[(&str, ArrayViewD<'_, f32>)]) -> Vec<ArrayD<f32>> {
    let results = session(model, taps).run_named(inputs).unwrap();
    let float = |values| match values {
        TensorValues::F32(values) => values,
        TensorValues::U8(values) => values.mapv(f32::from),
        TensorValues::I8(values) => values.mapv(f32::from),
        TensorValues::I32(values) => values.mapv(|value| value as f32),
    };
    results.into_iter().map(|result| float(result.values)).collect()
}

/// Work of each step of the compiled model.
pub(crate) fn steps(model: &Model) -> Vec<String> {
    session(model, &[]).steps().into_iter().map(|step| step.work).collect()
}

/// Operators of the graph in their order.
pub(crate) fn operators(model: &Model) -> Vec<&str> {
    model.graph().node.iter().map(|node| node.op_type()).collect()
}

pub(crate) fn node_named<'m>(model: &'m Model, name: &str) -> &'m NodeProto {
    model.graph().node.iter().find(|node| node.name() == name).unwrap_or_else(|| panic!("no node {name}"))
}

/// An f32 constant of the model.
pub(crate) fn floats(model: &Model, name: &str) -> Vec<f32> {
    let index = GraphIndex::new(model.graph()).unwrap();
    match index.constant(name).unwrap().unwrap_or_else(|| panic!("no constant {name}")).data {
        TensorData::F32(values) => values,
        other => panic!("{name} is {other:?}"),
    }
}

/// `10 log10(signal / noise)` of `other` against `real`.
pub(crate) fn sqnr_db(real: &ArrayD<f32>, other: &ArrayD<f32>) -> f64 {
    assert_eq!(real.shape(), other.shape());
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal = power(&mut real.iter().map(|&value| f64::from(value)));
    let noise = power(&mut real.iter().zip(other).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    10.0 * (signal / noise).log10()
}

pub(crate) fn assert_close(a: &ArrayD<f32>, b: &ArrayD<f32>, tolerance: f32, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance, "{what}: {a} against {b}, allowed {tolerance}");
    }
}

/// The message of an error.
pub(crate) fn refused<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

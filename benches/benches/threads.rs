//! f32 in, f32 out on one thread and on all cores, in turns: sharing work must never cost time.
//!
//! `cargo bench -p workspace-benches --bench threads -- 1024x1024/8` runs the cells whose names contain the pattern.

use std::time::Duration;

use int8_inference::{Session, SessionOptions};
use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use workspace_benches::{asked, least_us};

const NETWORKS: [(&str, &[usize]); 5] = [
    ("784-512-256-10", &[784, 512, 256, 10]),
    ("784x256", &[784, 256]),
    ("1024x1024", &[1024, 1024]),
    ("4096x4096", &[4096, 4096]),
    ("9216x4096", &[9216, 4096]),
];
const BATCHES: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 256];
const SPAN: Duration = Duration::from_millis(800);

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("least time in us          1 thread {cores:>3} threads   1 / {cores}");
    for (name, widths) in NETWORKS {
        if !BATCHES.iter().any(|batch| asked(&format!("{name}/{batch}"))) {
            continue;
        }
        let model = network(widths);
        let session = |threads| {
            let options = SessionOptions { threads: Some(threads), ..SessionOptions::default() };
            Session::new(&model, &options).expect("the network is valid")
        };
        let (one, all) = (session(1), session(cores));
        for batch in BATCHES.into_iter().filter(|batch| asked(&format!("{name}/{batch}"))) {
            let (k, n) = (widths[0], widths[widths.len() - 1]);
            let x: Vec<f32> = (0..batch * k).map(|i| (i * 7919 % 256) as f32).collect();
            let (mut y, mut z) = (vec![0.0; batch * n], vec![0.0; batch * n]);
            let mut alone = || one.run_into(&x, &mut y, batch).expect("shapes fit");
            let mut shared = || all.run_into(&x, &mut z, batch).expect("shapes fit");
            let least = least_us(SPAN, &mut [&mut alone, &mut shared]);
            let label = format!("{name}/{batch}");
            println!("{label:<20} {:>13.1} {:>11.1} {:>7.2}", least[0], least[1], least[0] / least[1]);
            assert_eq!(y, z, "results depend on the number of threads");
        }
    }
}

/// Dense layers with ReLU between, inputs and hidden tensors in u8.
fn network(widths: &[usize]) -> Model {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let value = |name: &str, features: usize| ValueInfo {
        name: name.to_owned(),
        element_type: DataType::Float,
        shape: Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Fixed(features)]),
    };
    let mut initializer: Vec<TensorProto> = Vec::new();
    let mut nodes: Vec<NodeProto> = Vec::new();
    let mut constant = |name: &str, tensor: Result<Tensor, onnx_model::Error>| {
        let tensor = tensor.expect("shape and values agree").to_proto();
        initializer.push(TensorProto { name: Some(name.to_owned()), ..tensor });
    };
    constant("zero", Tensor::u8("", &[], vec![0]));
    constant("w_scale", Tensor::f32("", &[], vec![0.01]));
    let mut x = "x".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let name = |what: &str| format!("{what}{layer}");
        let weights = (0..pair[0] * pair[1]).map(|_| random.random_range(-127..=127)).collect();
        constant(&name("w"), Tensor::i8("", &[pair[0], pair[1]], weights));
        constant(&name("scale"), Tensor::f32("", &[], vec![if layer == 0 { 1.0 } else { 200.0 }]));
        let last = layer + 2 == widths.len();
        let quantize = |output: &str, input: &str, op: &str| node(op, "", &[input, &name("scale"), "zero"], &[output]);
        nodes.push(quantize(&name("q"), &x, "QuantizeLinear"));
        nodes.push(quantize(&name("d"), &name("q"), "DequantizeLinear"));
        nodes.push(node("DequantizeLinear", "", &[&name("w"), "w_scale"], &[&name("wd")]));
        nodes.push(node(
            "MatMul",
            "",
            &[&name("d"), &name("wd")],
            &[if last { "y".to_owned() } else { name("m") }.as_str()],
        ));
        if !last {
            nodes.push(node("Relu", "", &[&name("m")], &[&name("r")]));
        }
        x = name("r");
    }
    let (k, n) = (widths[0], widths[widths.len() - 1]);
    let graph = GraphProto {
        name: Some("bench".to_owned()),
        input: vec![(&value("x", k)).into()],
        output: vec![(&value("y", n)).into()],
        initializer,
        node: nodes,
        ..GraphProto::default()
    };
    Model::new(graph, 21)
}

//! Preparation keeps what a network computes, and does the rewrites it promises.

use dlquantizer::FloatModel;
use ndarray::ArrayD;
use onnx_model::{Model, Tensor, TensorData};
use proptest::prelude::*;

use crate::common::{Net, Random, array, assert_close, floats, node_named, operators, tapped};

/// Prepares the model and holds it against the network: equal outputs, equal values under every name that remains, and nothing left
/// to prepare.
pub(crate) fn prepared(model: Model, x: &ArrayD<f32>) -> FloatModel {
    let float = FloatModel::new(model).unwrap();
    let names = |model: &Model| -> Vec<String> {
        let made = model.graph().node.iter().flat_map(|node| &node.output);
        made.filter(|name| !name.is_empty()).cloned().collect()
    };
    let before = names(float.network());
    let common: Vec<String> = names(float.prepared()).into_iter().filter(|name| before.contains(name)).collect();
    let everything: Vec<&str> = before.iter().map(String::as_str).collect();
    let largest = tapped(float.network(), &everything, x)
        .iter()
        .flatten()
        .fold(0.0f32, |largest, value| largest.max(value.abs()));
    let taps: Vec<&str> = common.iter().map(String::as_str).collect();
    let (network, prepared) = (tapped(float.network(), &taps, x), tapped(float.prepared(), &taps, x));
    for (index, (a, b)) in network.iter().zip(&prepared).enumerate() {
        assert_close(a, b, 1e-5 * largest, &format!("result {index} of {taps:?}"));
    }
    let again = FloatModel::new(float.prepared().clone()).unwrap();
    assert_eq!(again.prepared().to_bytes(), float.prepared().to_bytes());
    assert_eq!(again.digest(), float.digest());
    float
}

fn samples(width: usize) -> ArrayD<f32> {
    Random::new(7).array(&[5, width])
}

/// Prepares and names the operators that are left.
fn left(net: &Net, width: usize) -> Vec<String> {
    let float = prepared(net.model(&["y"]), &samples(width));
    operators(float.prepared()).into_iter().map(str::to_owned).collect()
}

#[test]
fn batch_normalization_behind_a_layer_is_folded() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc", 4, 3);
    net.batch_norm("fc", "y", 3);
    assert_eq!(left(&net, 4), ["Gemm"]);

    let mut net = Net::new(&[4]);
    net.random("w", &[4, 3]);
    net.random("b", &[3]);
    net.op("MatMul", &["x", "w"], "product");
    net.op("Add", &["b", "product"], "sum");
    net.batch_norm("sum", "y", 3);
    let float = prepared(net.model(&["y"]), &samples(4));
    assert_eq!(operators(float.prepared()), ["Gemm"]);
    assert_eq!(float.layers()[0].network, ["product", "sum", "y"]);
}

#[test]
fn batch_normalization_between_relu_and_a_layer_is_folded() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc", 4, 3);
    net.op("Relu", &["fc"], "relu");
    net.batch_norm("relu", "normal", 3);
    net.dense("normal", "y", 3, 2);
    let float = prepared(net.model(&["y"]), &samples(4));
    assert_eq!(operators(float.prepared()), ["Gemm", "Relu", "Gemm"]);
    assert_eq!(float.layers()[1].network, ["normal", "y"]);
}

#[test]
fn several_readers_of_a_normalization_all_take_it() {
    let mut net = Net::new(&[4]);
    net.op("Relu", &["x"], "relu");
    net.batch_norm("relu", "normal", 4);
    net.dense("normal", "a", 4, 3);
    net.dense("normal", "b", 4, 3);
    net.op("Add", &["a", "b"], "y");
    assert_eq!(left(&net, 4), ["Relu", "Gemm", "Gemm", "Add"]);
    // One reader that is no layer, and the normalization has to stay for all.
    net.op("Tanh", &["normal"], "tanh");
    net.dense("tanh", "c", 4, 3);
    net.op("Add", &["y", "c"], "z");
    let float = prepared(net.model(&["z"]), &samples(4));
    assert!(operators(float.prepared()).contains(&"BatchNormalization"));
}

#[test]
fn a_scalar_normalization_of_the_input_is_folded() {
    for reshape in [false, true] {
        let mut net = Net::new(if reshape { &[2, 3] } else { &[6] });
        net.constant("mean", &[], vec![0.25]);
        net.constant("std", &[1], vec![0.5]);
        net.op("Sub", &["x", "mean"], "centred");
        net.op("Div", &["centred", "std"], "normal");
        if reshape {
            net.op("Flatten", &["normal"], "flat");
        }
        net.dense(if reshape { "flat" } else { "normal" }, "y", 6, 4);
        let x = Random::new(3).array(if reshape { &[5, 2, 3] } else { &[5, 6] });
        let float = prepared(net.model(&["y"]), &x);
        assert_eq!(operators(float.prepared()), if reshape { vec!["Flatten", "Gemm"] } else { vec!["Gemm"] });
        assert_eq!(float.layers()[0].network, ["centred", "normal", "y"]);
    }
}

#[test]
fn a_scale_per_feature_of_the_input_stays() {
    let mut net = Net::new(&[3]);
    net.random("mean", &[3]);
    net.constant("std", &[3], vec![0.1, 10.0, 1000.0]);
    net.op("Sub", &["x", "mean"], "centred");
    net.op("Div", &["centred", "std"], "normal");
    net.dense("normal", "y", 3, 2);
    assert_eq!(left(&net, 3), ["Sub", "Div", "Gemm"]);
}

#[test]
fn vectors_behind_a_layer_are_folded() {
    for (shape, transposed) in [(vec![3], 0), (vec![1, 3], 1)] {
        let mut net = Net::new(&[4]);
        net.random("w", if transposed == 1 { &[3, 4] } else { &[4, 3] });
        net.op("Gemm", &["x", "w"], "fc")
            .clone_from(&onnx_model::graph::node("Gemm", "fc", &["x", "w"], &["fc"]).with_int("transB", transposed));
        for name in ["factor", "summand", "from"] {
            net.random(name, &shape);
        }
        net.op("Mul", &["factor", "fc"], "scaled");
        net.op("Add", &["scaled", "summand"], "shifted");
        net.op("Sub", &["from", "shifted"], "y");
        assert_eq!(left(&net, 4), ["Gemm"]);
    }
}

#[test]
fn identity_disappears() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc", 4, 3);
    net.op("Identity", &["fc"], "same");
    net.op("Relu", &["same"], "relu");
    net.dense("relu", "y", 3, 2);
    assert_eq!(left(&net, 4), ["Gemm", "Relu", "Gemm"]);
}

#[test]
fn dropout_disappears_unless_it_may_train() {
    let without = |dropout: &[&str], mask_is_read: bool| {
        let mut net = Net::new(&[4]);
        net.constant("ratio", &[], vec![0.5]);
        net.graph.initializer.push(Tensor::new("train", &[], TensorData::Bool(vec![false])).unwrap().to_proto());
        net.dense("x", "fc", 4, 3);
        net.op("Dropout", dropout, "kept").output.push("mask".to_owned());
        net.op("Relu", &["kept"], "y");
        net.op("Not", &["mask"], "dropped");
        let float = FloatModel::new(net.model(if mask_is_read { &["y", "dropped"] } else { &["y"] })).unwrap();
        !operators(float.prepared()).contains(&"Dropout")
    };
    assert!(without(&["fc"], false));
    assert!(without(&["fc", "ratio"], false));
    assert!(!without(&["fc", "ratio", "train"], false));
    assert!(!without(&["fc"], true));
}

#[test]
fn an_identity_that_makes_an_output_stays() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc", 4, 3);
    net.op("Identity", &["fc"], "y");
    assert_eq!(left(&net, 4), ["Gemm", "Identity"]);
}

#[test]
fn shared_weights_are_not_corrupted() {
    let mut net = Net::new(&[4]);
    net.random("w", &[4, 4]);
    net.random("b", &[4]);
    net.op("Gemm", &["x", "w", "b"], "first");
    net.batch_norm("first", "normal", 4);
    net.op("Relu", &["normal"], "relu");
    net.op("Gemm", &["relu", "w", "b"], "y");
    let float = prepared(net.model(&["y"]), &samples(4));
    assert_eq!(operators(float.prepared()), ["Gemm", "Relu", "Gemm"]);
    assert_eq!(node_named(float.prepared(), "y").input, ["relu", "w", "b"]);
    assert_eq!(floats(float.prepared(), "w"), floats(float.network(), "w"));
}

#[test]
fn both_readers_of_shared_weights_may_be_folded() {
    let mut net = Net::new(&[4]);
    net.random("w", &[4, 4]);
    net.op("Gemm", &["x", "w"], "first");
    net.batch_norm("first", "normal", 4);
    net.op("Gemm", &["normal", "w"], "second");
    net.batch_norm("second", "y", 4);
    assert_eq!(left(&net, 4), ["Gemm", "Gemm"]);
}

#[test]
fn a_tensor_that_is_an_output_is_not_folded_away() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc", 4, 3);
    net.batch_norm("fc", "y", 3);
    let float = prepared(net.model(&["fc", "y"]), &samples(4));
    assert_eq!(operators(float.prepared()), ["Gemm", "BatchNormalization"]);
}

#[test]
fn several_folds_into_a_layer_round_once() {
    let mut net = Net::new(&[2]);
    net.constant("w", &[2, 1], vec![1.0, -3.0]);
    net.op("Gemm", &["x", "w"], "fc");
    net.constant("third", &[], vec![1.0 / 3.0]);
    net.constant("three", &[], vec![3.0]);
    let mut tensor = "fc".to_owned();
    for step in 0..40 {
        let next = format!("t{step}");
        net.op("Mul", &[&tensor, if step % 2 == 0 { "third" } else { "three" }], &next);
        tensor = next;
    }
    let float = FloatModel::new(net.model(&[&tensor])).unwrap();
    assert_eq!(operators(float.prepared()), ["Gemm"]);
    let product = (f64::from(1.0f32 / 3.0) * 3.0).powi(20);
    assert_eq!(floats(float.prepared(), "w"), [product as f32, (-3.0 * product) as f32]);
}

/// One node or two behind `input`, of `width` features; returns what they make.
fn grow(net: &mut Net, step: usize, input: &str, width: &mut usize) -> String {
    let name = format!("t{step}");
    let kind = net.random.below(12);
    let next = 1 + net.random.below(5);
    let vector = if net.random.unit() < 0.5 { vec![*width] } else { vec![1, *width] };
    let constant = format!("c{step}");
    match kind {
        0 | 1 => {
            net.dense(input, &name, *width, next);
            *width = next;
        }
        2 => {
            net.random(&constant, &[next, *width]);
            net.node(onnx_model::graph::node("Gemm", &name, &[input, &constant], &[&name]).with_int("transB", 1));
            *width = next;
        }
        3 => {
            net.random(&constant, &[*width, next]);
            net.op("MatMul", &[input, &constant], &format!("{name}m"));
            net.random(&format!("{constant}b"), &[next]);
            net.op("Add", &[&format!("{name}m"), &format!("{constant}b")], &name);
            *width = next;
        }
        4 | 5 => net.batch_norm(input, &name, *width),
        6 => drop(net.op("Relu", &[input], &name).name.clone()),
        7 => drop(net.op("Identity", &[input], &name).name.clone()),
        8 | 9 => {
            net.random(&constant, &vector);
            net.op(if kind == 8 { "Mul" } else { "Sub" }, &[&constant, input], &name);
        }
        10 => {
            net.random(&constant, &[1]);
            net.op("Add", &[input, &constant], &name);
        }
        _ => {
            let divisor = 0.5 + net.random.unit();
            net.constant(&constant, &[], vec![divisor]);
            net.op("Div", &[input, &constant], &name);
        }
    }
    name
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_network_computes_the_same(seed in any::<u64>(), length in 1usize..9) {
        let mut net = Net::new(&[4]);
        net.random = Random::new(seed);
        let (mut tensor, mut width) = ("x".to_owned(), 4);
        let mut made: Vec<String> = Vec::new();
        for step in 0..length {
            tensor = grow(&mut net, step, &tensor, &mut width);
            made.push(tensor.clone());
        }
        let mut outputs = vec![tensor.as_str()];
        let other = &made[net.random.below(made.len())];
        if *other != tensor && net.random.unit() < 0.3 {
            outputs.push(other);
        }
        prepared(net.model(&outputs), &samples(4));
    }
}

#[test]
fn weights_keep_their_name_where_nobody_else_reads_them() {
    let mut net = Net::new(&[2]);
    net.constant("w", &[2, 1], vec![1.0, 2.0]);
    net.op("Gemm", &["x", "w"], "fc");
    net.constant("half", &[], vec![0.5]);
    net.op("Mul", &["fc", "half"], "y");
    let float = prepared(net.model(&["y"]), &array(&[1, 2], vec![1.0, -1.0]));
    assert_eq!(float.layers()[0].weights, "w");
    assert_eq!(float.layers()[0].bias.as_deref(), Some("fc.bias"));
    assert_eq!(floats(float.prepared(), "w"), [0.5, 1.0]);
}

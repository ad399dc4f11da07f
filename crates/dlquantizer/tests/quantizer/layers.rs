//! Which layers are found, and what they are called.

use onnx_model::graph::node;

use crate::common::{Net, Random, open, quantize, steps};

#[test]
fn names_are_unique_whatever_the_nodes_are_called() {
    let mut net = Net::new(&[2]);
    net.random("w", &[2, 2]);
    // Two of one name, one called as the second would be, and two without.
    for (name, input, output) in
        [("fc", "x", "a"), ("fc", "a", "b"), ("fc_1", "b", "c"), ("", "c", "d"), ("", "d", "y")]
    {
        net.node(node("Gemm", name, &[input, "w"], &[output]));
    }
    let model = open(&net, &["y"]);
    let names: Vec<&str> = model.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["fc", "fc_1", "fc_1_1", "Gemm:d", "Gemm:y"]);
}

#[test]
fn activations_behind_a_layer_belong_to_it() {
    let mut net = Net::new(&[4]);
    net.constant("low", &[], vec![-0.5]);
    net.constant("high", &[], vec![0.5]);
    net.dense("x", "fc1", 4, 3);
    net.op("Clip", &["fc1", "low", "high"], "clip");
    net.op("Relu", &["clip"], "relu");
    net.dense("relu", "fc2", 3, 5);
    net.op("Clip", &["fc2", "", "high"], "y");
    let model = open(&net, &["y"]);
    let [first, second] = model.layers() else { panic!("{:?}", model.layers()) };
    assert_eq!((first.kind.as_str(), first.output.as_str()), ("dense+clip+relu", "relu"));
    assert_eq!(first.network, ["fc1", "clip", "relu"]);
    assert_eq!((first.inputs, first.outputs), (4, 3));
    assert_eq!((second.kind.as_str(), second.input.as_str(), second.output.as_str()), ("dense+clip", "relu", "y"));
    // Only what leaves a layer has a range.
    let x = Random::new(5).array(&[20, 4]);
    let quantized = quantize(net.model(&["y"]), &x);
    let names: Vec<&str> = quantized.calibration.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["x", "fc1.weight", "fc1.bias", "relu", "fc2.weight", "fc2.bias", "y"]);
}

#[test]
fn an_activation_with_other_readers_before_it_is_none_of_the_layers() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc1", 4, 4);
    net.op("Relu", &["fc1"], "relu");
    net.op("Add", &["fc1", "relu"], "sum");
    net.dense("sum", "y", 4, 2);
    let model = open(&net, &["y"]);
    assert_eq!(model.layers()[0].kind, "dense");
    assert_eq!(model.layers()[0].output, "fc1");
}

#[test]
fn a_clip_with_computed_bounds_or_as_a_bound_is_not_fused() {
    let mut net = Net::new(&[4]);
    net.constant("low", &[], vec![-0.5]);
    net.dense("x", "fc", 4, 1);
    net.op("ReduceMax", &["x"], "high").attribute = node("", "", &[], &[]).with_int("keepdims", 0).attribute;
    net.op("Clip", &["fc", "low", "high"], "y");
    assert_eq!(open(&net, &["y"]).layers()[0].kind, "dense");
    let mut net = Net::new(&[4]);
    net.constant("value", &[1], vec![0.25]);
    net.dense("x", "fc", 4, 1);
    net.op("Clip", &["value", "fc"], "y");
    assert_eq!(open(&net, &["y"]).layers()[0].kind, "dense");
}

#[test]
fn a_product_of_three_dimensions_takes_its_bias_from_either_side() {
    for bias_first in [false, true] {
        let mut net = Net::new(&[2, 4]);
        net.random("w", &[4, 3]);
        net.random("b", &[3]);
        net.op("MatMul", &["x", "w"], "product");
        net.op("Add", &if bias_first { ["b", "product"] } else { ["product", "b"] }, "sum");
        net.op("Relu", &["sum"], "relu");
        net.random("w2", &[3, 2]);
        net.op("MatMul", &["relu", "w2"], "y");
        let x = Random::new(5).array(&[20, 2, 4]);
        let quantized = quantize(net.model(&["y"]), &x);
        let [first, second] = quantized.float.layers() else { panic!("{:?}", quantized.float.layers()) };
        assert_eq!((first.kind.as_str(), first.bias.as_deref()), ("dense+relu", Some("b")));
        assert_eq!(first.network, ["product", "sum", "relu"]);
        assert_eq!((second.kind.as_str(), second.bias.as_deref()), ("dense", None));
        let steps = steps(quantized.int8.model());
        assert_eq!(steps.iter().filter(|step| step.starts_with("dense")).count(), 2, "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("float runtime")), "{steps:?}");
    }
}

#[test]
fn what_is_no_dense_layer_is_left_out() {
    let mut net = Net::new(&[4]);
    net.random("left", &[2, 4]);
    net.random("square", &[4, 4]);
    net.op("MatMul", &["x", "square"], "a");
    net.op("Transpose", &["a"], "turned");
    net.op("MatMul", &["left", "turned"], "b");
    net.op("MatMul", &["b", "x"], "c");
    net.op("MatMul", &["square", "square"], "d");
    net.op("MatMul", &["c", "d"], "y");
    let model = open(&net, &["y"]);
    assert_eq!(model.layers().iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn what_depends_on_no_input_stays_in_float() {
    let mut net = Net::new(&[4]);
    net.random("table", &[1, 4]);
    net.op("Tanh", &["table"], "position");
    net.dense("position", "offset", 4, 4);
    net.op("Add", &["x", "offset"], "sum");
    net.dense("sum", "y", 4, 2);
    let quantized = quantize(net.model(&["y"]), &Random::new(5).array(&[20, 4]));
    assert_eq!(quantized.float.layers().iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["y"]);
    let names: Vec<&str> = quantized.calibration.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["x", "sum", "y.weight", "y.bias", "y"]);
}

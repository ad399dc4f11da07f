//! What preparation must leave alone, and graphs that are not what they should be.

use dlquantizer::FloatModel;
use onnx_model::graph::node;
use onnx_model::proto::{AttributeProto, AttributeType, GraphProto, ValueInfoProto};
use onnx_model::{Dim, Model, Tensor, TensorData};

use crate::common::{Net, Random, operators, quantize};
use crate::prepare::prepared;

#[test]
fn a_fold_that_leaves_f32_stays_a_node() {
    let mut net = Net::new(&[2]);
    net.constant("w", &[2, 1], vec![1e30, -2e30]);
    net.op("Gemm", &["x", "w"], "fc");
    net.constant("huge", &[], vec![1e30]);
    net.constant("tiny", &[], vec![1e-30]);
    net.op("Mul", &["x", "tiny"], "small");
    net.op("Gemm", &["small", "w"], "fc2");
    net.op("Mul", &["fc", "huge"], "y");
    let float = FloatModel::new(net.model(&["y", "fc2"])).unwrap();
    assert_eq!(operators(float.prepared()), ["Gemm", "Gemm", "Mul"]);
    let zero = {
        let mut net = Net::new(&[2]);
        net.dense("x", "fc", 2, 2);
        net.constant("zero", &[], vec![0.0]);
        net.op("Div", &["fc", "zero"], "y");
        FloatModel::new(net.model(&["y"])).unwrap()
    };
    assert_eq!(operators(zero.prepared()), ["Gemm", "Div"]);
}

#[test]
fn a_constant_that_widens_its_operand_is_not_folded() {
    // [n, 1] + [3] is [n, 3].
    let mut net = Net::new(&[1]);
    net.random("v", &[3]);
    net.op("Add", &["x", "v"], "wide");
    net.dense("wide", "y", 3, 2);
    let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 1]));
    assert_eq!(operators(float.prepared()), ["Add", "Gemm"]);
    // The same behind a layer of one output.
    let mut net = Net::new(&[2]);
    net.dense("x", "fc", 2, 1);
    net.random("v", &[3]);
    net.op("Mul", &["fc", "v"], "y");
    let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 2]));
    assert_eq!(operators(float.prepared()), ["Gemm", "Mul"]);
}

#[test]
fn a_column_is_no_bias_per_output() {
    // A Gemm adds C of shape [3, 1] to each row, not to each output; with a batch of 3 the sizes agree by chance.
    let mut net = Net::new(&[2]);
    net.random("w", &[2, 3]);
    net.random("c", &[3, 1]);
    net.op("Gemm", &["x", "w", "c"], "fc");
    net.batch_norm("fc", "y", 3);
    let float = prepared(net.model(&["y"]), &Random::new(2).array(&[3, 2]));
    assert_eq!(operators(float.prepared()), ["Gemm", "BatchNormalization"]);
    assert!(float.layers().is_empty());
}

#[test]
fn a_bias_of_one_row_or_one_number_is_folded() {
    for shape in [vec![1, 3], vec![1], vec![], vec![1, 1]] {
        let mut net = Net::new(&[2]);
        net.random("w", &[2, 3]);
        net.random("c", &shape);
        net.op("Gemm", &["x", "w", "c"], "fc");
        net.batch_norm("fc", "y", 3);
        let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 2]));
        assert_eq!(operators(float.prepared()), ["Gemm"], "{shape:?}");
    }
}

#[test]
fn one_constant_as_weights_and_bias_becomes_two() {
    let mut net = Net::new(&[1]);
    net.random("c", &[1, 3]);
    net.op("Gemm", &["x", "c", "c"], "fc");
    net.batch_norm("fc", "y", 3);
    let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 1]));
    assert_eq!(operators(float.prepared()), ["Gemm"]);
    assert_ne!(Some(&float.layers()[0].weights), float.layers()[0].bias.as_ref());
}

#[test]
fn other_forms_of_gemm_are_left_alone() {
    for (attribute, value) in [("alpha", 0.5f32), ("beta", 2.0)] {
        let mut net = Net::new(&[2]);
        net.random("w", &[2, 3]);
        net.random("b", &[3]);
        net.node(node("Gemm", "fc", &["x", "w", "b"], &["fc"]).with_float(attribute, value));
        net.batch_norm("fc", "y", 3);
        let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 2]));
        assert_eq!(operators(float.prepared()), ["Gemm", "BatchNormalization"]);
        assert!(float.layers().is_empty());
    }
}

#[test]
fn constants_from_nodes_are_constants() {
    let constant = |name: &str, shape: &[usize], values: Vec<f32>| {
        node("Constant", name, &[], &[name]).with_tensor("value", &Tensor::f32("", shape, values).unwrap())
    };
    let mut net = Net::new(&[2]);
    net.node(constant("w", &[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    net.node(constant("b", &[3], vec![0.1, 0.2, 0.3]));
    net.node(constant("low", &[], vec![-1.0]));
    net.node(constant("high", &[], vec![2.0]));
    net.op("MatMul", &["x", "w"], "product");
    net.op("Add", &["b", "product"], "sum");
    net.op("Clip", &["sum", "low", "high"], "y");
    let x = Random::new(2).array(&[4, 2]);
    let float = prepared(net.model(&["y"]), &x);
    assert_eq!(float.layers()[0].kind, "dense+clip");
    let quantized = quantize(net.model(&["y"]), &x);
    let left = operators(quantized.int8.model());
    assert!(!left.contains(&"Constant") || left.iter().filter(|op| **op == "Constant").count() == 2, "{left:?}");
}

#[test]
fn a_training_batch_normalization_is_not_folded() {
    let mut net = Net::new(&[2]);
    net.dense("x", "fc", 2, 3);
    net.batch_norm("fc", "y", 3);
    let last = net.graph.node.pop().unwrap();
    net.node(last.with_int("training_mode", 1));
    let float = FloatModel::new(net.model(&["y"])).unwrap();
    assert_eq!(operators(float.prepared()), ["Gemm", "BatchNormalization"]);
}

#[test]
fn operators_of_other_domains_are_not_taken_for_onnx_s_own() {
    let mut net = Net::new(&[2]);
    net.dense("x", "fc", 2, 3);
    net.random("v", &[3]);
    net.op("Mul", &["fc", "v"], "scaled").domain = Some("com.example".to_owned());
    net.op("Identity", &["scaled"], "y").domain = Some("com.example".to_owned());
    net.random("w", &[3, 2]);
    net.op("Gemm", &["y", "w"], "z").domain = Some("com.example".to_owned());
    let float = FloatModel::new(net.model(&["z"])).unwrap();
    assert_eq!(operators(float.prepared()), ["Gemm", "Mul", "Identity", "Gemm"]);
    assert_eq!(float.layers().len(), 1);
}

/// A node `If` whose branches return `tensor` of the graph around them.
fn captures(tensor: &str) -> onnx_model::proto::NodeProto {
    let branch = |name: &str| GraphProto {
        name: Some(name.to_owned()),
        node: vec![node("Relu", "", &[tensor], &[&format!("{name}_out")])],
        output: vec![ValueInfoProto { name: Some(format!("{name}_out")), ..ValueInfoProto::default() }],
        ..GraphProto::default()
    };
    let attribute = |name: &str| AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Graph.into()),
        g: Some(Box::new(branch(name))),
        ..AttributeProto::default()
    };
    let mut node = node("If", "if", &["condition"], &["captured"]);
    node.attribute = vec![attribute("then_branch"), attribute("else_branch")];
    node
}

#[test]
fn what_a_subgraph_reads_is_not_folded_away() {
    let mut net = Net::new(&[2]);
    net.graph.initializer.push(Tensor::new("condition", &[], TensorData::Bool(vec![true])).unwrap().to_proto());
    net.dense("x", "fc", 2, 3);
    net.batch_norm("fc", "normal", 3);
    net.op("Identity", &["normal"], "same");
    net.node(captures("fc"));
    net.op("Add", &["same", "captured"], "y");
    let x = Random::new(2).array(&[4, 2]);
    let float = prepared(net.model(&["y"]), &x);
    assert!(operators(float.prepared()).contains(&"BatchNormalization"));

    // Weights that a subgraph reads as well keep their values.
    let mut net = Net::new(&[2]);
    net.graph.initializer.push(Tensor::new("condition", &[], TensorData::Bool(vec![true])).unwrap().to_proto());
    net.dense("x", "fc", 2, 3);
    net.batch_norm("fc", "y", 3);
    net.node(captures("fc.weight"));
    let float = prepared(net.model(&["y", "captured"]), &x);
    assert_eq!(operators(float.prepared()), ["Gemm", "If"]);
}

#[test]
fn an_initializer_that_is_an_input_as_well_is_left_for_its_other_readers() {
    let mut net = Net::new(&[2]);
    net.dense("x", "fc", 2, 3);
    net.batch_norm("fc", "y", 3);
    net.input("fc.weight", Dim::Fixed(2), &[3]);
    let float = prepared(net.model(&["y"]), &Random::new(2).array(&[4, 2]));
    assert_eq!(operators(float.prepared()), ["Gemm"]);
    assert_eq!(float.prepared().graph().input.len(), 1);
    assert_ne!(float.layers()[0].weights, "fc.weight");
}

#[test]
fn a_file_of_the_oldest_ir_version_is_raised() {
    let mut net = Net::new(&[2]);
    net.opset = 9;
    net.dense("x", "fc", 2, 3);
    net.batch_norm("fc", "y", 3);
    net.input("fc.weight", Dim::Fixed(2), &[3]);
    let mut bytes = net.model(&["y"]).to_bytes();
    // ir_version is the first field: tag 8, one byte.
    assert_eq!(bytes[0], 8);
    bytes[1] = 3;
    let float = FloatModel::new(Model::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(float.prepared().proto().ir_version, Some(4));
}

#[test]
fn nothing_is_rewritten_before_opset_7() {
    let mut net = Net::new(&[2]);
    net.opset = 6;
    net.dense("x", "fc", 2, 3);
    net.op("Dropout", &["fc"], "dropped");
    net.batch_norm("dropped", "y", 3);
    let float = FloatModel::new(net.model(&["y"])).unwrap();
    assert_eq!(operators(float.prepared()), ["Gemm", "Dropout", "BatchNormalization"]);
}

#[test]
fn misshapen_nodes_are_survived() {
    let operators = [
        "Gemm",
        "MatMul",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Relu",
        "Clip",
        "BatchNormalization",
        "Identity",
        "Dropout",
        "Flatten",
        "Reshape",
        "Softmax",
        "Pow",
    ];
    for (op, source) in operators.into_iter().flat_map(|op| [(op, "product"), (op, "fc")]) {
        let inputs: [&[&str]; 8] = [
            &[],
            &[""],
            &[source],
            &[source, ""],
            &["", source],
            &[source, source],
            &["v", source],
            &[source, "v", source, source, source, source],
        ];
        let outputs: [&[&str]; 5] = [&[], &[""], &["", "y"], &["y"], &["y", "second"]];
        for (inputs, outputs) in inputs.into_iter().flat_map(|inputs| outputs.map(|outputs| (inputs, outputs))) {
            let mut net = Net::new(&[2]);
            net.random("w", &[2, 3]);
            net.random("v", &[3]);
            net.op("MatMul", &["x", "w"], "product");
            net.op("Gemm", &["x", "w", "v"], "fc");
            net.node(node(op, "odd", inputs, outputs));
            for results in [&["product", "fc"][..], &["y"], &["fc"]] {
                if results == ["y"] && !outputs.contains(&"y") {
                    continue;
                }
                // Whatever comes of it, it is no panic, and what comes is prepared.
                if let Ok(float) = FloatModel::new(net.model(results)) {
                    let again = FloatModel::new(float.prepared().clone()).unwrap();
                    assert_eq!(again.digest(), float.digest(), "{op} {inputs:?} {outputs:?}");
                }
            }
        }
    }
}

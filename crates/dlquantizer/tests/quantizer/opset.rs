//! Models of old operator sets.

use onnx_model::graph::node;

use crate::common::{Net, Random, node_named, quantize, quantize_with, refused, run, sqnr_db, steps};
use dlquantizer::Recipe;

/// Two layers with Clip between them and Softmax behind, in the form of `opset`.
fn network(opset: i64) -> Net {
    let mut net = Net::new(&[5]);
    net.opset = opset;
    net.dense("x", "fc1", 5, 8);
    if opset < 11 {
        net.node(node("Clip", "clip", &["fc1"], &["clip"]).with_float("min", -0.4).with_float("max", 0.9));
    } else {
        net.constant("low", &[], vec![-0.4]);
        net.constant("high", &[], vec![0.9]);
        net.op("Clip", &["fc1", "low", "high"], "clip");
    }
    net.dense("clip", "fc2", 8, 4);
    net.node(node("Softmax", "y", &["fc2"], &["y"]).with_int("axis", 1));
    net
}

#[test]
fn clip_and_softmax_are_raised() {
    let x = Random::new(4).array(&[100, 5]);
    for opset in [7, 8, 9, 10, 11, 12, 13, 21] {
        let quantized = quantize(network(opset).model(&["y"]), &x);
        let model = quantized.int8.model();
        assert_eq!(model.opset(), opset.max(13));
        assert_eq!(quantized.float.layers()[0].kind, "dense+clip");
        let clip = node_named(model, "clip");
        assert_eq!((clip.input.len(), clip.attribute.len()), (3, 0));
        let work = steps(model);
        assert!(!work.iter().any(|step| step.contains("runtime")), "opset {opset}: {work:?}");
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(model, &x));
        assert!(db > 30.0, "opset {opset}: {db:.1} dB");
    }
}

#[test]
fn bounds_that_are_not_given_are_open() {
    let mut net = Net::new(&[5]);
    net.opset = 9;
    net.dense("x", "fc1", 5, 8);
    net.node(node("Clip", "clip", &["fc1"], &["clip"]).with_float("min", 0.0));
    net.dense("clip", "y", 8, 4);
    let x = Random::new(4).array(&[100, 5]);
    let quantized = quantize(net.model(&["y"]), &x);
    assert!(sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x)) > 30.0);
}

#[test]
fn a_softmax_that_flattens_is_refused_by_name() {
    let mut net = Net::new(&[2, 4]);
    net.opset = 11;
    net.random("w", &[4, 3]);
    net.op("MatMul", &["x", "w"], "product");
    net.node(node("Softmax", "soft", &["product"], &["y"]).with_int("axis", 1));
    let x = Random::new(4).array(&[10, 2, 4]);
    let message = refused(quantize_with(net.model(&["y"]), &x, &Recipe::default()));
    assert!(message.contains("opset 11") && message.contains("Softmax node \"soft\""), "{message}");
}

#[test]
fn an_operator_that_may_have_changed_is_refused_by_name() {
    for (opset, op) in [(12, "LogSoftmax"), (11, "Squeeze"), (10, "ReduceSum")] {
        let mut net = Net::new(&[5]);
        net.opset = opset;
        net.dense("x", "fc", 5, 8);
        net.op(op, &["fc"], "odd");
        let float = crate::common::open(&net, &["odd"]);
        let calibration =
            crate::common::calibrate(&float, &crate::common::data(&Random::new(4).array(&[10, 5]))).unwrap();
        let message = refused(Recipe::default().emit(&float, &calibration));
        assert!(
            message.contains(&format!("opset {opset}")) && message.contains(&format!("{op} node \"odd\"")),
            "{message}"
        );
    }
}

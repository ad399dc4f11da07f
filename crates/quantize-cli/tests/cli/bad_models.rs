//! Files that are no models, and models that cannot work.

use std::path::Path;

use onnx_model::Tensor;
use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, TensorProto};

use crate::support::{args, digits, edited, file, files, json, names_in, refuse};

/// Every command that reads a model refuses `model` with `texts` and writes nothing.
#[track_caller]
fn refused_everywhere(model: &Path, texts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let name = model.file_name().unwrap().to_str().unwrap();
    let texts: Vec<&str> = [&[name], texts].concat();
    refuse(args!["inspect", model], &texts);
    refuse(args!["prepare", model, "-o", out("m.onnx")], &texts);
    refuse(args!["calibrate", model, "--data", digits(), "-o", out("c.json")], &texts);
    refuse(args!["emit", model, "--calibration", files().calibration, "-o", out("m.onnx")], &texts);
    refuse(args!["validate", model, files().int8, "--data", digits()], &texts);
    refuse(args!["validate", files().float, model, "--data", digits()], &texts);
    refuse(args!["verify", model], &texts);
    refuse(args!["run", model, "--data", digits(), "-o", out("y.npy")], &texts);
    refuse(args!["bench", model, "--seconds", "0.01"], &texts);
    assert!(names_in(directory.path()).is_empty());
}

fn weight<'g>(graph: &'g mut GraphProto, name: &str) -> &'g mut TensorProto {
    graph.initializer.iter_mut().find(|tensor| tensor.name() == name).unwrap()
}

#[test]
fn bytes_that_are_no_model() {
    let whole = std::fs::read(&files().float).unwrap();
    let noise: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (bytes, text) in [(&[][..], "empty"), (&whole[..whole.len() / 2], "truncated"), (&noise, "not an ONNX model")] {
        let (_directory, path) = file("broken.onnx", bytes);
        refused_everywhere(&path, &[text]);
    }
    refused_everywhere(Path::new("no-such.onnx"), &["cannot read"]);
}

#[test]
fn a_shape_whose_product_overflows() {
    let (_directory, path) = edited(&files().float, |graph| weight(graph, "fc1.weight").dims = vec![1 << 62, 8]);
    refused_everywhere(&path, &["fc1.weight"]);
}

#[test]
fn fewer_bytes_than_the_shape_says() {
    let (_directory, path) = edited(&files().float, |graph| {
        weight(graph, "fc2.weight").raw_data.as_mut().unwrap().truncate(1000);
    });
    refused_everywhere(&path, &["fc2.weight"]);
}

#[test]
fn a_cycle() {
    let (_directory, path) = edited(&files().float, |graph| {
        let fc1 = graph.node.iter().position(|node| node.name() == "fc1").unwrap();
        graph.node[fc1].input[0] = "fc2.output".to_owned();
    });
    refused_everywhere(&path, &["cycle", "node \"fc"]);
}

#[test]
fn one_name_for_two_values() {
    let (_directory, path) = edited(&files().float, |graph| {
        let again = graph.node.last().unwrap().clone();
        graph.node.push(again);
    });
    refused_everywhere(&path, &["\"logits\" is used for two values"]);
    let (_directory, path) = edited(&files().float, |graph| {
        let again = graph.initializer[0].clone();
        graph.initializer.push(again);
    });
    refused_everywhere(&path, &["normalize.mean", "two values"]);
}

#[test]
fn a_dimension_of_size_zero() {
    let directory = tempfile::tempdir().unwrap();
    let (_directory, path) = edited(&files().float, |graph| {
        let empty = Tensor::f32("fc1.weight", &[64, 0], Vec::new()).unwrap();
        *weight(graph, "fc1.weight") = empty.to_proto();
    });
    let out = directory.path().join("c.json");
    refuse(args!["calibrate", path, "--data", digits(), "-o", out], &["edited.onnx", "fc1"]);
    refuse(args!["run", path, "--data", digits(), "-o", directory.path().join("y.npy")], &["edited.onnx", "fc1"]);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn an_operator_that_nothing_here_executes() {
    let directory = tempfile::tempdir().unwrap();
    for model in [&files().float, &files().int8] {
        let (_directory, path) = edited(model, |graph| {
            graph.node.push(node("Sparkle", "magic", &["logits"], &["shiny"]));
            graph.output[0].name = Some("shiny".to_owned());
        });
        let texts = ["edited.onnx", "Sparkle", "another ONNX runtime"];
        refuse(args!["run", path, "--data", digits(), "-o", directory.path().join("y.npy")], &texts);
        let report = json(args!["inspect", path]);
        assert!(report["plan_error"].as_str().unwrap().contains("Sparkle"), "{report}");
    }
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_quantized_model_where_a_float_one_belongs() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    refuse(args!["calibrate", files().int8, "--data", digits(), "-o", out], &["digits.int8.onnx", "quantized already"]);
}

#[test]
fn a_tensor_to_tap_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("y.npz");
    refuse(args!["run", files().int8, "--data", digits(), "--tap", "fc9", "-o", out], &["digits.int8.onnx", "fc9"]);
    assert!(names_in(directory.path()).is_empty());
}

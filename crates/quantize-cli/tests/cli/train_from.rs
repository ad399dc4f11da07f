//! `quantize train --from`: a network that is there already is trained further, with --qat in integers.

use std::ffi::OsString;
use std::path::Path;

use onnx_model::graph::node;
use onnx_model::{Model, Tensor};

use crate::support::{Files, args, digits, edited, file, files, json, refuse, root, succeed};

const FURTHER: &str = "epochs = 1\nbatch_size = 64\n[optimizer]\nkind = \"adam\"\nlearning_rate = 1e-4\n";

#[test]
fn a_network_is_trained_further() {
    let (directory, config) = file("further.toml", FURTHER.as_bytes());
    let float = &files().float;
    let before = json(args!["inspect", float]);
    let out = directory.path().join("further.onnx");
    let report = json(args!["train", "--from", float, "--data", digits(), "--config", config, "-o", out]);
    assert!(report["test_accuracy"].as_f64().unwrap() > 95.0, "{report}");
    let after = json(args!["inspect", out]);
    assert_eq!(before["layers"], after["layers"]);
    let weights = |path| {
        let model = Model::open(path).unwrap();
        model.graph().initializer.iter().find(|tensor| tensor.name() == "fc1.weight").unwrap().raw_data().to_vec()
    };
    assert_ne!(weights(float), weights(&out));
    // The int8 pipeline takes it as it takes any other.
    let calibration = directory.path().join("c.json");
    succeed(args!["calibrate", out, "--data", digits(), "-o", calibration]);
    let text = succeed(args!["train", "--help"]);
    assert!(text.contains("--from"), "{text}");
}

#[test]
fn what_cannot_be_trained_further() {
    let (directory, config) = file("further.toml", FURTHER.as_bytes());
    let out = directory.path().join("out.onnx");
    let float = &files().float;
    let train = |from: &std::path::Path, config: &std::path::Path| {
        args!["train", "--from", from, "--data", digits(), "--config", config, "-o", out]
    };
    refuse(train(float, &root().join("mlp.toml")), &["mlp.toml", "[[layer]]"]);
    refuse(train(&files().int8, &config), &["digits.int8.onnx", "QuantizeLinear", "no layer"]);
    let (_directory, model) = edited(float, |graph| {
        graph.node.push(node("Sparkle", "magic", &["logits"], &["shiny"]));
        graph.output[0].name = Some("shiny".to_owned());
    });
    refuse(train(&model, &config), &["edited.onnx", "Sparkle node \"magic\"", "Gemm"]);
    refuse(args!["train", "--data", digits(), "--config", config, "-o", out], &["further.toml", "[[layer]]"]);
    assert!(!out.exists());
}

#[test]
fn a_network_is_trained_in_integers() {
    let (directory, config) = file("further.toml", FURTHER.as_bytes());
    let Files { float, calibration, int8 } = files();
    let out = |name: &str| directory.path().join(name);
    let train =
        |out: &Path| args!["train", "--from", float, "--qat", "--data", digits(), "--config", config, "-o", out];
    let learnt = json(train(&out("learnt.onnx")));
    let kept = json(train(&out("kept.onnx")).into_iter().chain(args!["--calibration", calibration]));
    let scale = |path: &Path, tensor: &str| {
        let model = Model::open(path).unwrap();
        let name = format!("{tensor}_scale");
        Tensor::from_proto(model.graph().initializer.iter().find(|tensor| tensor.name() == name).unwrap()).unwrap().data
    };
    for (name, report) in [("learnt.onnx", &learnt), ("kept.onnx", &kept)] {
        assert_eq!(
            (&report["quantized"]["layers"], &report["quantized"]["learnt"]),
            (&3.into(), &(name == "learnt.onnx").into())
        );
        assert!(report["quantized"]["untrained_accuracy"].as_f64().unwrap() > 95.0, "{report}");
        // What the trainer says of the test samples is what the engine does.
        let validation = json(args!["validate", float, out(name), "--data", digits(), "--max-drop", "1"]);
        assert_eq!(validation["int8"], report["test_accuracy"], "{validation} {report}");
        assert_eq!(json(args!["verify", out(name)])["verdict"], "pass");
        let changed = scale(&out(name), "fc1.relu.output") != scale(int8, "fc1.relu.output");
        assert_eq!(changed, name == "learnt.onnx");
    }
    let text = succeed(train(&out("learnt.onnx")));
    assert!(text.contains("3 layers in integers, scales of activations learnt"), "{text}");
}

#[test]
fn what_cannot_be_trained_in_integers() {
    let (directory, config) = file("further.toml", FURTHER.as_bytes());
    let out = directory.path().join("out.onnx");
    let Files { float, calibration, int8 } = files();
    let data = args!["train", "--data", digits(), "--config", config, "-o", out];
    let with = |more: &[OsString]| data.iter().chain(more).cloned().collect::<Vec<_>>();
    refuse(with(&args!["--qat"]), &["--from"]);
    refuse(with(&args!["--from", float, "--calibration", calibration]), &["--qat"]);
    refuse(with(&args!["--from", int8, "--qat"]), &["digits.int8.onnx", "quantized already"]);
    let (_directory, other) = edited(float, |graph| graph.node[3].name = Some("another".to_owned()));
    refuse(with(&args!["--from", other, "--qat", "--calibration", calibration]), &["belongs to another model"]);
    assert!(!out.exists());
}

//! Models that are odd but valid: they quantize, and every scale stays finite and positive.

use std::path::Path;

use onnx_model::{Tensor, TensorData};
use serde_json::Value;

use crate::support::{args, digits, edited, file, files, json};

/// Calibrates, emits and validates `model` on `data`; the report of the emission.
fn quantize(model: &Path, data: &Path) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    json(args!["calibrate", model, "--data", data, "-o", out("c.json")]);
    let report = json(args!["emit", model, "--calibration", out("c.json"), "-o", out("int8.onnx")]);
    let int8 = out("int8.onnx");
    let validate = args!["validate", model, int8, "--data", data, "--metric", "agreement", "--allow-overlap"];
    let validation = json(validate);
    assert_eq!(validation["agreement"], 100.0, "{validation}");
    for layer in report["layers"].as_array().unwrap() {
        let scales = layer["weight_scales"].as_array().unwrap().iter();
        for scale in scales.chain([&layer["input"]["scale"]]).chain(layer["output"].get("scale")) {
            let scale = scale.as_f64().unwrap();
            assert!(scale.is_finite() && scale > 0.0, "{layer}");
        }
    }
    report
}

#[test]
fn a_dead_channel() {
    let (_directory, model) = edited(&files().float, |graph| {
        for tensor in &mut graph.initializer {
            let (step, width) = match tensor.name() {
                "fc1.weight" => (64, 256),
                "fc1.bias" => (1, 256),
                _ => continue,
            };
            let mut values = Tensor::from_proto(tensor).unwrap();
            let TensorData::F32(numbers) = &mut values.data else { panic!("float weights") };
            (0..step).for_each(|row| numbers[row * width + 3] = 0.0);
            *tensor = values.to_proto();
        }
    });
    let report = quantize(&model, &digits());
    assert_eq!(report["layers"][0]["weight_scales"].as_array().unwrap().len(), 256);
}

#[test]
fn activations_that_never_change() {
    let zeros = ndarray::ArrayD::<f32>::zeros(vec![5, 64]);
    let (_directory, data) = file("x.npy", &dataset::write_npy(&zeros.view()));
    let report = quantize(&files().float, &data);
    assert_eq!(report["layers"][0]["input"]["scale"], 1.0);
}

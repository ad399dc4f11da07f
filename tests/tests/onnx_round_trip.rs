//! Real models survive loading and saving: nothing is lost, and the bytes settle.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use onnx_model::Model;
use workspace_tests::{Case, shipped};

/// Opens, saves and opens again; the model and from the first saving on the bytes stay the same.
fn assert_survives(path: &Path) -> Model {
    let directory = tempfile::tempdir().unwrap();
    let [once, twice] = ["once.onnx", "twice.onnx"].map(|name| directory.path().join(name));
    let model = Model::open(path).unwrap();
    model.save(&once).unwrap();
    let again = Model::open(&once).unwrap();
    assert_eq!(again, model);
    again.save(&twice).unwrap();
    assert!(fs::read(&once).unwrap() == fs::read(&twice).unwrap());
    model
}

#[test]
fn a_trained_model() {
    let path = shipped("calibration-data/fashion-mnist/mlp.onnx");
    let model = assert_survives(&path);
    assert!(model.to_bytes() == fs::read(&path).unwrap());
}

#[test]
fn an_emitted_model() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("int8.onnx");
    let case = Case::fashion_mnist().unwrap();
    case.int8.save(&path).unwrap();
    assert_eq!(assert_survives(&path), *case.int8.model());
}

#[test]
fn a_model_with_external_data() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("external.onnx");
    let model = Model::open(shipped("calibration-data/fashion-mnist/mlp.onnx")).unwrap();
    model.save_with_external_data(&path).unwrap();
    assert!(
        fs::metadata(&path).unwrap().len() < fs::metadata(directory.path().join("external.onnx.data")).unwrap().len()
    );
    assert_eq!(assert_survives(&path), model);
}

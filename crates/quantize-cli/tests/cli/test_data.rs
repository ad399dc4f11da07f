//! `quantize run` on ONNX's test data: whole inputs in the model's own types.

use std::fs;
use std::path::Path;

use onnx_model::graph::node;
use onnx_model::proto::GraphProto;
use onnx_model::{DataType, Dim, Model, Tensor, TensorData, ValueInfo};
use tempfile::TempDir;

use crate::support::{json, refuse};

fn value(name: &str, element_type: DataType, shape: &[usize]) -> ValueInfo {
    let dims = shape.iter().map(|&size| Dim::Fixed(size)).collect();
    ValueInfo { name: name.to_owned(), element_type, shape: Some(dims) }
}

/// A model that dequantizes values of this type, and its inputs.
fn dequantizer(directory: &Path, element_type: DataType) {
    let graph = GraphProto {
        name: Some("test".to_owned()),
        input: vec![(&value("x", element_type, &[3])).into(), (&value("scale", DataType::Float, &[])).into()],
        output: vec![(&value("y", DataType::Float, &[3])).into()],
        node: vec![node("DequantizeLinear", "d", &["x", "scale"], &["y"])],
        ..GraphProto::default()
    };
    Model::new(graph, 28).save(directory.join("model.onnx")).unwrap();
    let inputs = directory.join("inputs");
    fs::create_dir(&inputs).unwrap();
    // Files are told apart by their numbers; the names inside need not be those of the model.
    let x = Tensor::new("", &[3], TensorData::I4(vec![-8, 0, 7])).unwrap();
    fs::write(inputs.join("input_0.pb"), x.to_bytes()).unwrap();
    fs::write(inputs.join("input_1.pb"), Tensor::f32("s", &[], vec![0.5]).unwrap().to_bytes()).unwrap();
}

#[test]
fn inputs_and_outputs_are_tensors_of_the_models_own_types() {
    let directory = TempDir::new().unwrap();
    dequantizer(directory.path(), DataType::Int4);
    let path = |name: &str| directory.path().join(name).into_os_string();
    let [model, inputs, outputs] = ["model.onnx", "inputs", "outputs"].map(path);
    let arguments = ["run".into(), model.clone(), "--data".into(), inputs.clone(), "-o".into(), outputs.clone()];
    let report = json(&arguments);
    assert_eq!(report["tensors"][0]["type"], "FLOAT");
    assert!(report.get("samples").is_none(), "{report}");
    let y = fs::read(Path::new(&outputs).join("output_0.pb")).unwrap();
    assert_eq!(Tensor::from_bytes(&y).unwrap(), Tensor::f32("y", &[3], vec![-4.0, 0.0, 3.5]).unwrap());

    let with = |more: [&str; 2]| arguments.iter().cloned().chain(more.map(Into::into)).collect::<Vec<_>>();
    for flag in [
        ["--label-column", "y"],
        ["--scale", "1/255"],
        ["--samples", "2"],
        ["--part", "test"],
        ["--resize", "8"],
        ["--crop", "8"],
        ["--layout", "nhwc"],
        ["--color", "grey"],
        ["--skip-bad", "1"],
    ] {
        let says = format!("{} says how samples are read", flag[0]);
        refuse(with(flag), &[says.as_str(), "the model's inputs as they are"]);
    }
    refuse(with(["--mean=0.5", "--std=0.5"]), &["--mean says how samples are read"]);
    refuse(with(["--batch", "2"]), &["--batch 2 says how many samples run together", "the model's inputs as they are"]);
    refuse(
        ["run".into(), model, "--data".into(), inputs.clone(), "-o".into(), inputs.clone()],
        &["give another directory"],
    );
    fs::write(Path::new(&inputs).join("input_0.pb"), [0xff; 5]).unwrap();
    refuse(&arguments, &["input_0.pb", "not an ONNX model"]);
    fs::copy(Path::new(&inputs).join("input_1.pb"), Path::new(&inputs).join("input_0.pb")).unwrap();
    refuse(&arguments, &["input \"x\": the model takes INT4, the tensor is of FLOAT"]);
    fs::write(Path::new(&inputs).join("input_2.pb"), []).unwrap();
    refuse(&arguments, &["more input files than the model has inputs, 2"]);
    fs::remove_file(Path::new(&inputs).join("input_2.pb")).unwrap();
    fs::remove_file(Path::new(&inputs).join("input_1.pb")).unwrap();
    refuse(&arguments, &["cannot read", "input_1.pb"]);
}

#[test]
fn number_types_without_arithmetic_are_refused_by_name() {
    let directory = TempDir::new().unwrap();
    dequantizer(directory.path(), DataType::Float8e4m3fn);
    let path = |name: &str| directory.path().join(name).into_os_string();
    let [model, inputs, outputs] = ["model.onnx", "inputs", "outputs"].map(path);
    let arguments = ["run".into(), model, "--data".into(), inputs, "-o".into(), outputs];
    refuse(arguments, &["DequantizeLinear node \"d\": its input \"x\" is of type FLOAT8E4M3FN"]);
}

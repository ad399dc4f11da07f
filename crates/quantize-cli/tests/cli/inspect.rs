//! The table of layers that `quantize inspect` shows.

use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, TensorProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};
use serde_json::{Value, json as value};

use crate::support::{args, file, json, succeed};

/// A convolution with batch normalization in front of a dense layer, on normalized images; then an operator that nobody knows.
fn model() -> Model {
    let float = |name: &str, shape: &[usize]| -> TensorProto {
        Tensor::f32(name, shape, vec![1.0; shape.iter().product()]).unwrap().to_proto()
    };
    let sizes = [8, 6, 6].map(Dim::Fixed).to_vec();
    let images = |name: &str, shape: Vec<Dim>| {
        let shape = [vec![Dim::Symbolic("N".to_owned())], shape].concat();
        ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape: Some(shape) }
    };
    let graph = GraphProto {
        name: Some("small".to_owned()),
        input: vec![(&images("x", sizes)).into()],
        output: vec![(&ValueInfo { name: "z".to_owned(), element_type: DataType::Float, shape: None }).into()],
        initializer: vec![
            float("mean", &[]),
            float("conv.w", &[16, 4, 3, 3]),
            float("gamma", &[16]),
            float("beta", &[16]),
            float("running_mean", &[16]),
            float("running_var", &[16]),
            float("fc.w", &[144, 10]),
            float("fc.b", &[10]),
        ],
        node: vec![
            node("Sub", "center", &["x", "mean"], &["centered"]),
            node("Conv", "conv", &["centered", "conv.w"], &["features"])
                .with_int("group", 2)
                .with_ints("pads", &[1; 4]),
            node(
                "BatchNormalization",
                "bn",
                &["features", "gamma", "beta", "running_mean", "running_var"],
                &["normal"],
            ),
            node("Relu", "", &["normal"], &["positive"]),
            node("MaxPool", "pool", &["positive"], &["pooled"])
                .with_ints("kernel_shape", &[2; 2])
                .with_ints("strides", &[2; 2]),
            node("Flatten", "flatten", &["pooled"], &["flat"]),
            node("MatMul", "fc", &["flat", "fc.w"], &["product"]),
            node("Add", "bias", &["product", "fc.b"], &["y"]),
            node("Sparkle", "magic", &["y"], &["z"]),
        ],
        ..GraphProto::default()
    };
    Model::new(graph, 21)
}

#[test]
fn a_row_for_each_layer() {
    let (_directory, path) = file("small.onnx", &model().to_bytes());
    let text = succeed(args!["inspect", path]);
    let expected = "
 Layer      Operator             Output          Trainable   Fixed     MACs   Bytes   Precision
------------------------------------------------------------------------------------------------
 center     Sub                  [N, 8, 6, 6]                    1                4   float
 conv       Conv                 [N, 16, 6, 6]         576           20,736   2,304   float
 bn         BatchNormalization   [N, 16, 6, 6]          32      32              256   float
 positive   Relu                 [N, 16, 6, 6]
 pool       MaxPool              [N, 16, 3, 3]
 flatten    Flatten              [N, 144]
 fc         MatMul+Add           [N, 10]             1,450            1,440   5,800   float
 magic      Sparkle              ?
 total                                               2,058      33   22,176   8,364
";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("parameters  2,091, 2,058 trainable and 33 fixed"), "{text}");

    let report = json(args!["inspect", path]);
    let layer = |name: &str| report["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == name).unwrap();
    assert_eq!(
        layer("conv"),
        &value!({
            "name": "conv", "operator": "Conv", "output": ["N", 16, 6, 6], "shape": [16, 4, 3, 3], "precision": "float",
            "parameters": 576, "trainable": 576, "fixed": 0, "macs": 20736, "bytes": 2304
        })
    );
    assert_eq!((&layer("magic")["output"], &layer("magic")["precision"]), (&Value::Null, &Value::Null));
    assert_eq!((&report["macs"], &report["macs_incomplete"]), (&value!(22176), &value!(false)));
    assert!(report["plan_error"].as_str().unwrap().contains("Sparkle"), "{report}");
}

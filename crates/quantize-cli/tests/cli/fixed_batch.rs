//! Models that find ranges over each batch and were exported with a fixed one.

use std::fs;

use onnx_model::graph::node;
use onnx_model::proto::GraphProto;
use onnx_model::{DataType, Dim, Model, ValueInfo};

use crate::support::{args, json, refuse};

#[test]
fn a_dynamic_model_runs_in_its_own_batches_and_says_what_is_left_over() {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let value = |name: &str| ValueInfo {
        name: name.to_owned(),
        element_type: DataType::Float,
        shape: Some(vec![Dim::Fixed(6), Dim::Fixed(2)]),
    };
    let graph = GraphProto {
        name: Some("test".to_owned()),
        input: vec![(&value("x")).into()],
        output: vec![(&value("y")).into()],
        node: vec![
            node("DynamicQuantizeLinear", "", &["x"], &["q", "scale", "zero"]),
            node("DequantizeLinear", "", &["q", "scale", "zero"], &["y"]),
        ],
        ..GraphProto::default()
    };
    Model::new(graph, 21).save(out("m.onnx")).unwrap();
    let samples: String = (0..14).map(|i| format!("{i},{}\n", i * i)).collect();
    fs::write(out("x.csv"), format!("a,b\n{samples}")).unwrap();
    let run = |more: &[&str]| {
        let arguments = args!["run", out("m.onnx"), "--data", out("x.csv"), "--no-labels", "-o", out("y.npy")];
        arguments.into_iter().chain(more.iter().map(Into::into)).collect::<Vec<_>>()
    };
    refuse(run(&[]), &["m.onnx: the model finds ranges over whole batches of 6", "2 over", "--samples 12"]);
    refuse(run(&["--samples", "4"]), &["only 4 samples"]);
    refuse(run(&["--samples", "12", "--batch", "4"]), &["--batch 4 divides them; pass --batch 6"]);
    let mut results = Vec::new();
    for more in [&["--samples", "12"][..], &["--samples", "12", "--batch", "6"], &["--samples", "12", "--batch", "12"]]
    {
        assert_eq!(json(run(more))["samples"], 12);
        results.push(fs::read(out("y.npy")).unwrap());
    }
    assert!(results.iter().all(|result| *result == results[0]));
    assert_eq!(json(args!["bench", out("m.onnx"), "--seconds", "0.01"])[0]["batch"], 6);
    refuse(args!["bench", out("m.onnx"), "--seconds", "0.01", "--batch", "8"], &["whole batches of 6", "2 left over"]);
}

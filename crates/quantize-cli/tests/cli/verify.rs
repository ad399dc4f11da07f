//! The hash in an int8 model, and what becomes of it when the file is changed.

use std::path::Path;

use onnx_model::{Model, Tensor, TensorData};
use serde_json::Value;

use crate::support::{args, file, files, json, quantize, refuse, run, stdout, succeed};

const KEY: &str = "quantize.probe";

/// The int8 model with changes, in a file of its own.
fn changed(change: impl FnOnce(&mut Model)) -> (tempfile::TempDir, std::path::PathBuf) {
    let mut model = Model::open(&files().int8).unwrap();
    change(&mut model);
    file("changed.onnx", &model.to_bytes())
}

/// Runs `verify` to exit code 1 and returns both of its reports.
fn fail(path: &Path, more: &[&str]) -> (String, Value) {
    let text = run(args!["verify", path].iter().cloned().chain(more.iter().map(Into::into)));
    assert_eq!(text.status.code(), Some(1));
    let json = quantize().args(args!["--json", "verify", path]).args(more).output().unwrap();
    assert_eq!(json.status.code(), Some(1));
    (stdout(&text), serde_json::from_slice(&json.stdout).unwrap())
}

#[test]
fn an_emitted_model_is_verified_with_every_kernel() {
    let report = json(args!["verify", files().int8]);
    assert_eq!((&report["verdict"], &report["recorded"]), (&Value::from("pass"), &Value::Bool(true)));
    assert_eq!((&report["outputs"], &report["float_nodes"]), (&serde_json::json!(["logits"]), &Value::from(0)));
    let metadata = json(args!["inspect", files().int8])["metadata"][KEY].as_str().unwrap().to_owned();
    assert!(metadata.contains(report["expected"].as_str().unwrap()), "{metadata}");
    let kernels = report["kernels"].as_array().unwrap();
    let doctor = json(["doctor"]);
    assert_eq!(kernels.len(), doctor["kernels"].as_array().unwrap().len());
    for (kernel, known) in kernels.iter().zip(doctor["kernels"].as_array().unwrap()) {
        assert_eq!((&kernel["isa"], &kernel["available"]), (&known["isa"], &known["available"]));
        let runs = kernel["runs"].as_array().unwrap();
        assert_eq!(runs.is_empty(), known["available"] == false);
        assert!(runs.iter().all(|run| run["hash"] == report["expected"] && run["equal"] == true), "{kernel}");
        let ways = |field: &str| {
            runs.iter().map(|run| run[field].as_u64().unwrap()).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(runs.is_empty() || (ways("threads") >= 2 && ways("batch") == 4), "{kernel}");
    }
    let text = succeed(args!["verify", files().int8]);
    assert!(text.contains("as recorded") && text.contains("pass: all"), "{text}");
}

#[test]
fn one_changed_weight_fails() {
    let (_directory, path) = changed(|model| {
        let weights = model.graph_mut().initializer.iter_mut().find(|tensor| tensor.name() == "fc2.weight_quantized");
        let weights = weights.unwrap();
        let mut tensor = Tensor::from_proto(weights).unwrap();
        if let TensorData::I8(values) = &mut tensor.data {
            values[1000] ^= 0x40;
        }
        *weights = tensor.to_proto();
    });
    let (text, report) = fail(&path, &[]);
    assert!(text.contains("DIFFERENT") && text.contains("the file was changed afterwards"), "{text}");
    assert_eq!(report["verdict"], "fail");
    // The kernels are as good as ever.
    assert!(succeed(args!["verify", path, "--kernels-only"]).contains("as scalar"));
}

#[test]
fn one_changed_digit_of_the_hash_fails() {
    let (_directory, path) = changed(|model| {
        let entry = model.metadata(KEY).unwrap();
        let mut entry: Value = serde_json::from_str(entry).unwrap();
        let hash = entry["blake3"].as_str().unwrap();
        let other = if hash.starts_with('0') { '1' } else { '0' };
        entry["blake3"] = format!("{other}{}", &hash[1..]).into();
        model.set_metadata(KEY, &entry.to_string());
    });
    let (text, report) = fail(&path, &[]);
    assert!(text.contains("not with the hash recorded"), "{text}");
    assert!(report["kernels"][0]["runs"].as_array().unwrap().iter().all(|run| run["equal"] == false));
}

#[test]
fn a_file_without_a_hash_is_an_error_unless_none_is_asked_for() {
    let (_directory, stripped) = changed(|model| {
        let graph = model.graph().clone();
        *model = model.with_graph(graph);
    });
    for path in [&files().float, &stripped] {
        let name = path.file_name().unwrap().to_str().unwrap();
        refuse(args!["verify", path], &[name, "no hash", "`quantize emit`", "--kernels-only"]);
        let report = json(args!["verify", path, "--kernels-only"]);
        assert_eq!((&report["verdict"], &report["recorded"]), (&Value::from("pass"), &Value::Bool(false)));
        assert!(succeed(args!["verify", path, "--kernels-only"]).contains("no hash was compared"));
    }
}

#[test]
fn an_entry_that_is_no_hash_is_an_error() {
    let broken =
        ["", "yes", "{\"version\":9}", "{\"version\":1,\"blake3\":\"0\",\"samples\":1,\"outputs\":[\"logits\"]}"];
    for entry in broken {
        let (_directory, path) = changed(|model| model.set_metadata(KEY, entry));
        refuse(args!["verify", path], &["changed.onnx", KEY, "`quantize emit`"]);
    }
}

//! The fields of `--json` that other programs rely on.

use onnx_model::graph::node;
use onnx_model::proto::GraphProto;
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};
use serde_json::Value;

use crate::support::{args, digits, file, files, json, quantize, refuse, root, succeed};

/// Asserts that `value` is an object whose fields include these, of these types.
#[track_caller]
fn assert_fields(value: &Value, fields: &[(&str, &str)]) {
    for (name, expected) in fields {
        let found = value.get(name).unwrap_or_else(|| panic!("no field {name} in {value}"));
        let matches = match *expected {
            "string" => found.is_string(),
            "count" => found.is_u64(),
            "number" => found.is_number(),
            "array" => found.as_array().is_some_and(|array| !array.is_empty()),
            "object" => found.is_object(),
            "null" => found.is_null(),
            other => panic!("unknown type {other}"),
        };
        assert!(matches, "{name} is {found}, expected {expected}");
    }
}

fn assert_calibration(report: &Value) {
    assert_fields(
        report,
        &[
            ("samples", "count"),
            ("seconds", "number"),
            ("samples_per_second", "number"),
            ("state_bytes", "count"),
            ("tensors", "array"),
        ],
    );
    for tensor in report["tensors"].as_array().unwrap() {
        assert_fields(
            tensor,
            &[
                ("name", "string"),
                ("layer", "string"),
                ("network_layer", "string"),
                ("count", "count"),
                ("min", "number"),
                ("max", "number"),
                ("mean", "number"),
                ("zeros", "count"),
                ("nans", "count"),
                ("infs", "count"),
            ],
        );
        assert!(["weight", "bias", "activation"].contains(&tensor["kind"].as_str().unwrap()), "{tensor}");
    }
}

fn assert_emission(report: &Value) {
    assert_fields(report, &[("layers", "array"), ("bytes_float", "count"), ("bytes_int8", "count")]);
    for layer in report["layers"].as_array().unwrap() {
        assert_fields(
            layer,
            &[
                ("name", "string"),
                ("kind", "string"),
                ("precision", "string"),
                ("weight_scales", "array"),
                ("input", "object"),
            ],
        );
        assert_fields(&layer["input"], &[("scale", "number"), ("zero_point", "count"), ("type", "string")]);
    }
    let last = report["layers"].as_array().unwrap().last().unwrap();
    assert_fields(last, &[("output", "null")]);
    assert_eq!(report["layers"][0]["output"]["type"], "u8");
}

fn assert_validation(report: &Value) {
    assert_fields(
        report,
        &[
            ("metric", "string"),
            ("samples", "count"),
            ("float", "number"),
            ("int8", "number"),
            ("drop", "number"),
            ("agreement", "number"),
            ("max_drop", "number"),
            ("tensors", "array"),
        ],
    );
    assert_eq!(report["verdict"], "pass");
    for tensor in report["tensors"].as_array().unwrap() {
        assert_fields(tensor, &[("name", "string"), ("sqnr_db", "number")]);
    }
}

fn assert_timings(report: &Value, rows: usize) {
    let report = report.as_array().unwrap();
    assert_eq!(report.len(), rows);
    for row in report {
        assert_fields(
            row,
            &[
                ("batch", "count"),
                ("threads", "count"),
                ("isa", "string"),
                ("median_us", "number"),
                ("min_us", "number"),
                ("gops", "number"),
                ("samples_per_second", "number"),
            ],
        );
        let [median, min] = ["median_us", "min_us"].map(|field| row[field].as_f64().unwrap());
        assert!(0.0 < min && min <= median, "{row}");
        assert_eq!(row["percent_of_peak"].as_f64().is_some_and(|percent| percent > 0.0), has_peak(), "{row}");
    }
}

/// Whether this machine has a kernel whose limit is known.
fn has_peak() -> bool {
    kernels::available().any(|kernel| kernel.isa() != kernels::Isa::Scalar)
}

#[test]
fn train() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("short.toml");
    let text = std::fs::read_to_string(root().join("mlp.toml")).unwrap();
    std::fs::write(&config, text.replace("epochs = 40", "epochs = 2\nvalidation = 0.1")).unwrap();
    let report =
        json(args!["train", "--data", digits(), "--config", config, "-o", directory.path().join("short.onnx")]);
    assert_fields(
        &report,
        &[
            ("file", "string"),
            ("parameters", "count"),
            ("samples", "count"),
            ("epochs", "count"),
            ("seconds", "number"),
            ("losses", "array"),
            ("accuracies", "array"),
            ("validation_losses", "array"),
            ("train_accuracy", "number"),
            ("test_accuracy", "number"),
            ("test_samples", "count"),
        ],
    );
    assert_eq!(report["losses"].as_array().unwrap().len(), 2);
    // 64-256-128-10 with biases.
    assert_eq!(report["parameters"], 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
}

#[test]
fn train_of_values() {
    let directory = tempfile::tempdir().unwrap();
    let data = root().join("calibration-data/diabetes");
    let config = data.join("mean-and-variance.toml");
    let command = args!["train", "--data", data, "--config", config, "-o", directory.path().join("values.onnx")];
    let text = succeed(command.clone());
    let report = json(command);
    assert!(report["accuracies"].as_array().unwrap().is_empty() && report["test_accuracy"].is_null());
    assert_eq!(report["absolute_errors"].as_array().unwrap().len(), 120);
    assert_eq!(report["r_squareds"].as_array().unwrap().len(), 120);
    for part in ["train_errors", "test_errors"] {
        let errors = &report[part];
        assert_fields(errors, &[("mean_absolute", "number"), ("root_mean_squared", "number"), ("r_squared", "number")]);
        let r_squared = errors["r_squared"].as_f64().unwrap();
        assert!((0.3..0.9).contains(&r_squared), "{errors}");
        assert!(text.contains(&format!("R^2 {r_squared:.3}")), "{text}");
    }
    assert!(text.contains("Absolute Error") && !text.contains("Accuracy"), "{text}");
}

#[test]
fn prepare() {
    let directory = tempfile::tempdir().unwrap();
    let report = json(args!["prepare", files().float, "-o", directory.path().join("prepared.onnx")]);
    assert_fields(&report, &[("file", "string"), ("nodes_before", "count"), ("nodes_after", "count")]);
    let layers = report["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fc1", "fc2", "fc3"]);
    assert_fields(&layers[0], &[("network", "array"), ("kind", "string")]);
}

#[test]
fn calibrate() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let report = json(args!["calibrate", files().float, "--data", digits(), "--samples", "100", "-o", out]);
    assert_calibration(&report);
    assert_eq!(report["samples"], 100);
    let x = &report["tensors"][0];
    assert_eq!((x["name"].as_str(), x["count"].as_u64(), x["max"].as_f64()), (Some("x"), Some(6400), Some(16.0)));
}

#[test]
fn emit() {
    let directory = tempfile::tempdir().unwrap();
    let files = files();
    let out = directory.path().join("int8.onnx");
    let report = json(args!["emit", files.float, "--calibration", files.calibration, "-o", out]);
    assert_emission(&report);
    assert_eq!(report["bytes_float"], std::fs::metadata(&files.float).unwrap().len());
    assert_eq!(report["bytes_int8"], std::fs::metadata(&out).unwrap().len());
    assert_eq!(report["layers"][0]["weight_scales"].as_array().unwrap().len(), 256);
}

#[test]
fn validate() {
    let files = files();
    for metric in ["top1", "top5", "agreement"] {
        let report = json(args!["validate", files.float, files.int8, "--data", digits(), "--metric", metric]);
        assert_validation(&report);
        assert_eq!((report["metric"].as_str(), report["max_drop"].as_f64()), (Some(metric), Some(1.0)));
        assert_eq!(report["samples"], 597);
    }
}

#[test]
fn bench() {
    let files = files();
    let time = ["--seconds", "0.01", "--threads", "1"];
    let alone = json(args!["bench", files.int8, "--batch", "1,32", time[0], time[1], time[2], time[3]]);
    assert_timings(&alone, 2);
    let pair = json(args![
        "bench",
        files.int8,
        "--against",
        files.float,
        "--batch",
        "8",
        time[0],
        time[1],
        "--data",
        digits()
    ]);
    assert_timings(&pair, 2);
    assert_fields(&pair[0], &[("speedup", "number")]);
    assert_eq!(pair[1]["isa"], "float");
    let [int8, float] = [&pair[0], &pair[1]].map(|row| row["median_us"].as_f64().unwrap());
    assert!((pair[0]["speedup"].as_f64().unwrap() - float / int8).abs() < 1e-9);
}

#[test]
fn bench_of_several_inputs_and_outputs() {
    let input = |name: &str, element_type, width| {
        let shape = Some(vec![Dim::Symbolic("n".to_owned()), Dim::Fixed(width)]);
        (&ValueInfo { name: name.to_owned(), element_type, shape }).into()
    };
    let output = |name: &str| (&ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape: None }).into();
    let graph = GraphProto {
        input: vec![input("x", DataType::Float, 4), input("ids", DataType::Int64, 3)],
        output: vec![output("y"), output("z")],
        initializer: vec![Tensor::f32("embedding", &[2, 5], (0..10_u8).map(f32::from).collect()).unwrap().to_proto()],
        node: vec![node("Relu", "relu", &["x"], &["y"]), node("Gather", "gather", &["embedding", "ids"], &["z"])],
        ..GraphProto::default()
    };
    let (_directory, path) = file("two.onnx", &Model::new(graph, 21).to_bytes());
    for more in [&[][..], &["--per-layer"]] {
        let bench = args!["--json", "bench", path, "--batch", "1,5", "--seconds", "0.01", "--threads", "1"];
        let output = quantize().args(bench).args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn bench_per_layer() {
    let int8 = &files().int8;
    let report = json(args!["bench", int8, "--per-layer", "--batch", "1,200", "--seconds", "0.01"]);
    let kind = if has_peak() { "object" } else { "null" };
    assert_fields(&report, &[("isa", "string"), ("peak", kind), ("weights_in", kind), ("weight_bytes", "count")]);
    let peak = report["peak"]["int8_gops"].as_f64();
    let batches = report["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 2);
    let plan = json(args!["inspect", int8])["plan"]["steps"].as_array().unwrap().clone();
    for report in batches {
        let batch = report["batch"].as_u64().unwrap();
        assert_fields(report, &[("median_us", "number"), ("min_us", "number")]);
        let steps = report["steps"].as_array().unwrap();
        assert_eq!(steps.len(), plan.len());
        let mut shares = 0.0;
        for (step, planned) in steps.iter().zip(&plan) {
            assert_eq!((&step["tensor"], &step["work"]), (&planned["tensor"], &planned["work"]));
            let number = |name: &str| step[name].as_f64();
            let (median, min) = (number("median_us").unwrap(), number("min_us").unwrap());
            assert!(0.0 <= min && min <= median, "{step}");
            shares += number("share").unwrap();
            let dense = step["work"].as_str().unwrap().starts_with("dense");
            assert_eq!(number("gops").is_some(), dense, "{step}");
            assert_eq!(number("percent_of_peak").is_some(), dense && has_peak(), "{step}");
            assert_eq!(number("gb_per_s").is_some(), dense && batch == 1, "{step}");
            assert_eq!(number("percent_of_read").is_some(), dense && batch == 1 && has_peak(), "{step}");
            if step["tensor"] == "fc2.relu.output_quantized" {
                let gops = 2.0 * 256.0 * 128.0 * batch as f64 / (median * 1e3);
                assert!((number("gops").unwrap() / gops - 1.0).abs() < 1e-6, "{step}");
                if let (Some(percent), Some(peak)) = (number("percent_of_peak"), peak) {
                    assert!((percent / (100.0 * gops / peak) - 1.0).abs() < 1e-6, "{step}");
                }
            }
        }
        assert!((shares - 100.0).abs() < 1e-6, "{shares}");
    }
    refuse(args!["bench", int8, "--per-layer", "--threads", "2"], &["--per-layer", "one thread"]);
}

#[test]
fn inspect() {
    let files = files();
    for (file, precision) in [(&files.float, "float"), (&files.int8, "int8")] {
        let report = json(args!["inspect", file]);
        assert_fields(
            &report,
            &[
                ("bytes", "count"),
                ("ir_version", "count"),
                ("opset", "count"),
                ("inputs", "array"),
                ("outputs", "array"),
                ("layers", "array"),
                ("parameters", "count"),
                ("trainable", "count"),
                ("fixed", "count"),
                ("macs", "count"),
                ("constant_bytes", "count"),
                ("metadata", "object"),
                ("plan", "object"),
                ("plan_error", "null"),
            ],
        );
        assert_eq!(report["inputs"][0]["shape"], serde_json::json!(["N", 64]));
        let layers = report["layers"].as_array().unwrap();
        let layer = layers.iter().find(|layer| layer["name"] == "fc1").unwrap();
        assert_fields(
            layer,
            &[("parameters", "count"), ("trainable", "count"), ("fixed", "count"), ("bytes", "count")],
        );
        assert_eq!(layer["precision"], precision);
        assert_eq!(layer["parameters"], 64 * 256 + 256);
        assert_eq!((&layer["output"], &layer["macs"]), (&serde_json::json!(["N", 256]), &Value::from(64 * 256)));
        assert_eq!(report["macs"], 64 * 256 + 256 * 128 + 128 * 10);
        let sum = |field: &str| layers.iter().map(|layer| layer[field].as_u64().unwrap()).sum::<u64>();
        assert_eq!(report["trainable"], 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10);
        assert_eq!(
            (sum("trainable"), sum("fixed")),
            (report["trainable"].as_u64().unwrap(), report["fixed"].as_u64().unwrap())
        );
        assert_fields(&report["plan"], &[("isa", "string"), ("steps", "array")]);
        let proven = report["plan"]["certificates"].as_array().unwrap();
        assert_eq!(proven.len(), if precision == "int8" { 3 } else { 0 });
    }
    let report = json(args!["inspect", files.int8]);
    assert_fields(&report["metadata"], &[("quantize.recipe", "string"), ("quantize.calibration", "string")]);
}

#[test]
fn doctor() {
    let report = json(["doctor"]);
    assert_fields(
        &report,
        &[
            ("version", "string"),
            ("target", "string"),
            ("threads", "count"),
            ("kernels", "array"),
            ("isa", "string"),
            ("reason", "string"),
        ],
    );
    let picked = report["kernels"].as_array().unwrap().iter().find(|kernel| kernel["isa"] == report["isa"]).unwrap();
    assert_eq!((&picked["available"], &picked["identical"]), (&Value::Bool(true), &Value::Bool(true)));
    assert!(report["reason"].as_str().unwrap().contains("fastest"));
    for kernel in report["kernels"].as_array().unwrap() {
        if kernel["available"] == true && kernel["isa"] != "scalar" {
            assert_fields(
                &kernel["peak"],
                &[("int8_gops", "number"), ("int8_proven_gops", "number"), ("float_gflops", "number")],
            );
            let [int8, float] = ["int8_gops", "float_gflops"].map(|name| kernel["peak"][name].as_f64().unwrap());
            assert!(float > 0.1 && int8 > float / 2.0 && int8 < 1e6, "{kernel}");
        } else {
            assert_eq!(kernel["peak"], Value::Null);
        }
    }
    assert_eq!(report["memory"].as_array().unwrap().is_empty(), !has_peak());
    for level in report["memory"].as_array().unwrap() {
        assert_fields(level, &[("name", "string"), ("bytes", "count"), ("read_gb_per_s", "number")]);
        assert!(level["read_gb_per_s"].as_f64().unwrap() > 0.1, "{level}");
    }
}

#[test]
fn demo() {
    let directory = tempfile::tempdir().unwrap();
    let report = json(args!["demo", "-o", directory.path().join("demo")]);
    assert_fields(&report, &[("train", "object"), ("files", "object")]);
    assert_calibration(&report["calibrate"]);
    assert_emission(&report["emit"]);
    assert_validation(&report["validate"]);
    assert_timings(&report["bench"], 4);
    for file in report["files"].as_object().unwrap().values() {
        assert!(std::path::Path::new(file.as_str().unwrap()).exists(), "{file}");
    }
}

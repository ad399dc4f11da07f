//! The same bytes, however the work is divided and whatever executes it.

use std::fs;

use crate::support::{args, digits, files, json, quantize, stderr};

#[test]
fn a_calibration_does_not_depend_on_batches_or_threads() {
    let files = files();
    let expected = fs::read(&files.calibration).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    for batch in ["1", "7", "32", "1000"] {
        for threads in ["1", "2"] {
            let work = ["--batch", batch, "--threads", threads];
            json(
                args!["calibrate", files.float, "--data", digits(), "-o", out].into_iter().chain(work.map(Into::into)),
            );
            assert!(fs::read(&out).unwrap() == expected, "batch {batch}, {threads} threads");
        }
    }
}

#[test]
fn a_calibration_of_dense_layers_does_not_depend_on_the_instruction_set() {
    let files = files();
    let expected = fs::read(&files.calibration).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    for isa in available() {
        let calibrate = args!["calibrate", files.float, "--data", digits(), "-o", out];
        let output = quantize().env("QUANTIZE_ISA", &isa).args(calibrate).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(fs::read(&out).unwrap() == expected, "{isa}");
    }
}

/// The instruction sets that this machine has kernels for.
fn available() -> Vec<String> {
    let report = json(["doctor"]);
    let kernels = report["kernels"].as_array().unwrap().iter();
    kernels
        .filter(|kernel| kernel["available"] == true)
        .map(|kernel| kernel["isa"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn int8_results_do_not_depend_on_kernel_batch_or_threads() {
    let files = files();
    let kernels = available();
    assert!(kernels.iter().any(|isa| isa == "scalar"));
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("tensors.npz");
    let mut expected: Option<Vec<u8>> = None;
    for isa in kernels {
        for (batch, threads) in [("1", "1"), ("7", "2"), ("256", "1"), ("597", "2")] {
            let output = quantize()
                .env("QUANTIZE_ISA", &isa)
                .args(args!["run", files.int8, "--data", digits(), "-o", out])
                .args(["--tap", "fc2.relu.output_quantized", "--batch", batch, "--threads", threads])
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let bytes = fs::read(&out).unwrap();
            let expected = expected.get_or_insert_with(|| bytes.clone());
            assert!(bytes == *expected, "{isa}, batch {batch}, {threads} threads");
        }
    }
}

#[test]
fn training_again_gives_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("mlp.toml");
    let text = fs::read_to_string(crate::support::root().join("mlp.toml")).unwrap();
    fs::write(&config, text.replace("epochs = 40", "epochs = 1")).unwrap();
    let train = |name: &str| {
        let out = directory.path().join(name);
        json(args!["train", "--data", digits(), "--config", config, "-o", out]);
        fs::read(out).unwrap()
    };
    assert!(train("a.onnx") == train("b.onnx"));
}

#[test]
fn a_forced_kernel_is_used_or_refused() {
    let run = |isa: &str| quantize().env("QUANTIZE_ISA", isa).args(["doctor", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&run("scalar").stdout).unwrap();
    assert_eq!(report["isa"], "scalar");
    assert!(report["reason"].as_str().unwrap().contains("forced by QUANTIZE_ISA"));
    let output = run("sse9");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("QUANTIZE_ISA=sse9"), "{}", stderr(&output));
}

//! Int8 inference: the same network and samples, quantized by each side, both running our file on one thread.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Deserialize;

use crate::python::Python;
use crate::quantize::Quantize;
use crate::workspace::Workspace;

const BATCHES: [&str; 3] = ["1", "32", "256"];

/// Times each side is measured; the fastest median counts, since other work on the machine only ever adds time.
const TURNS: usize = 3;

#[derive(Deserialize)]
struct Timing {
    batch: usize,
    median_us: f64,
}

#[derive(Deserialize)]
struct Validation {
    float: f64,
    int8: f64,
    agreement: f64,
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let files = workspace.target.join("peers");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let python = Python::installed(&workspace, "xtask/python")?;
    let quantize = Quantize::built(&workspace)?;
    let data = workspace.root.join("calibration-data/fashion-mnist");
    let (float, test) = (data.join("mlp.onnx"), data.join("test-images-idx3-ubyte.gz"));
    let calibration = data.join("calibration-images-idx3-ubyte.gz");

    let state = files.join("calibration.json");
    let ours = files.join("ours.int8.onnx");
    quantize.run([Path::new("calibrate"), &float, "--data".as_ref(), &calibration, "-o".as_ref(), &state])?;
    quantize.emit(&float, &state, None, &ours)?;
    let theirs = files.join("onnxruntime.int8.onnx");
    let options = ["u8", "per-channel", "asymmetric"].map(AsRef::as_ref);
    let call = [float.as_path(), &calibration, &theirs];
    python.run("quantize_static.py", call.into_iter().chain(options))?;

    let validate = |int8: &Path| -> Result<Validation> {
        let arguments = ["--json", "validate", "--max-drop", "100", "--data"].map(Path::new);
        let answer = quantize.run(arguments.into_iter().chain([&test, &float, int8]))?;
        Ok(serde_json::from_slice(&answer)?)
    };
    let (our_accuracy, their_accuracy) = (validate(&ours)?, validate(&theirs)?);
    let mut fastest = [[f64::INFINITY; BATCHES.len()]; 2];
    for _ in 0..TURNS {
        let batches = BATCHES.join(",");
        let bench = ["--json", "bench", "--threads", "1", "--batch", &batches, "--data"].map(Path::new);
        let answer = quantize.run(bench.into_iter().chain([test.as_path(), &ours]))?;
        keep_fastest(&mut fastest[0], serde_json::from_slice(&answer)?);
        let call = [ours.as_path(), &test, "1".as_ref()].into_iter().chain(BATCHES.map(Path::new));
        keep_fastest(&mut fastest[1], python.ask("time_onnxruntime.py", call)?);
    }

    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["Fashion-MNIST MLP 784-512-256-10", "quantize", "ONNX Runtime"]);
    let accuracy = |accuracy: &Validation| format!("{:.2} %", accuracy.int8);
    let float_row = format!("top-1 after quantization (float {:.2} %)", our_accuracy.float);
    table.add_row([float_row, accuracy(&our_accuracy), accuracy(&their_accuracy)]);
    let agreement = |accuracy: &Validation| format!("{:.2} %", accuracy.agreement);
    table.add_row(["same class as float".to_owned(), agreement(&our_accuracy), agreement(&their_accuracy)]);
    let size = |path: &Path| Ok::<_, anyhow::Error>(format!("{} bytes", fs::metadata(path)?.len()));
    table.add_row(["int8 file".to_owned(), size(&ours)?, size(&theirs)?]);
    for (column, batch) in BATCHES.iter().enumerate() {
        let time = |side: usize| format!("{:.1} us", fastest[side][column]);
        table.add_row([format!("our int8 file, batch {batch}, one thread"), time(0), time(1)]);
    }
    println!("{table}\n\nmedians, the fastest of {TURNS} turns; {}", python.packages().join(", "));
    Ok(())
}

fn keep_fastest(fastest: &mut [f64], turn: Vec<Timing>) {
    for (fastest, timing) in fastest.iter_mut().zip(&turn) {
        debug_assert!(BATCHES.iter().any(|batch| *batch == timing.batch.to_string()));
        *fastest = fastest.min(timing.median_us);
    }
}

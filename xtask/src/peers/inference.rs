//! Int8 inference: accuracy after quantization by each side, and times of every side on the same int8 files.

mod cells;
mod ours;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use ndarray::ArrayD;
use serde::Deserialize;
use serde_json::json;

use self::cells::{Cell, Summary, Times};
use self::ours::{BareLayer, Subject};
use super::side::Side;
use crate::python::Python;
use crate::quantize::Quantize;
use crate::workspace::Workspace;

const MLP: &str = "MLP 784-512-256-10";
const MLP_BATCHES: [usize; 3] = [1, 32, 256];

/// Inputs and outputs of the single layers.
const DENSE: [(usize, usize); 4] = [(784, 256), (1024, 1024), (4096, 4096), (9216, 4096)];
const DENSE_BATCHES: [usize; 4] = [1, 8, 64, 256];

/// Samples in the files.
const SAMPLES: usize = 256;

/// Turns that each side has on each cell.
const ROUNDS: usize = 10;

/// Between two turns, so that threads of a side that wait for more work have gone to sleep.
const PAUSE: Duration = Duration::from_millis(5);

/// What the pinned package of 2023.2.0 has inside.
const ONEDNN: &str = "oneDNN 3.2";

/// How long, and on how many threads.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Numbers of threads, a table for each; the bare layers run on one.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u8).range(1..))]
    threads: Vec<u8>,
    /// Time of each side for each cell; cells of long runs take ten runs.
    #[arg(long, value_name = "S", default_value = "0.4", value_parser = seconds)]
    seconds: f64,
}

#[derive(Deserialize)]
struct Validation {
    float: f64,
    int8: f64,
    agreement: f64,
}

/// A model and the file of its samples.
struct ModelFile {
    title: String,
    model: PathBuf,
    samples: PathBuf,
    batches: &'static [usize],
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find()?;
    let files = workspace.target.join("peers");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let python = Python::installed(&workspace, "benches/peers")?;
    let mlp = files.join("ours.int8.onnx");
    println!("{}\n", accuracy(&workspace, &files, &mlp)?);

    let shapes = DENSE.map(|(k, n)| format!("{k}x{n}"));
    let names = shapes.iter().map(PathBuf::from).chain([mlp.clone()]);
    python.run("dense_models.py", std::iter::once(files.clone()).chain(names))?;
    let dense = shapes.iter().map(|shape| ModelFile {
        title: format!("dense {shape}"),
        model: files.join(format!("dense-{shape}.onnx")),
        samples: files.join(format!("dense-{shape}.npy")),
        batches: &DENSE_BATCHES,
    });
    let title = MLP.to_owned();
    let first = ModelFile { title, samples: mlp.with_extension("npy"), model: mlp, batches: &MLP_BATCHES };
    let models: Vec<ModelFile> = std::iter::once(first).chain(dense).collect();

    let burst = args.seconds / ROUNDS as f64;
    let mut others = [Side::start(&python, "serve_onnxruntime.py")?, Side::start(&python, "serve_openvino.py")?];
    for &threads in &args.threads {
        let mut cells = Vec::new();
        for model in &models {
            time_model(model, usize::from(threads), &mut others, burst, &mut cells)?;
        }
        let title = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        println!("{}", time_table(&cells, &["ONNX Runtime", "OpenVINO"], &title));
    }
    drop(others);
    println!("{}", bare_layers(&python, burst)?);
    println!(
        "microseconds, the least and in brackets the median of {ROUNDS} turns or more; {}",
        python.packages().join(", ")
    );
    Ok(())
}

/// A number of seconds, above 0 and at most an hour.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("not a number of seconds above 0 and up to 3600".to_owned()),
    }
}

/// Accuracy of the network quantized by us, into `ours`, and by ONNX Runtime.
fn accuracy(workspace: &Workspace, files: &Path, ours: &Path) -> Result<Table> {
    let python = Python::installed(workspace, "xtask/python")?;
    let quantize = Quantize::built(workspace)?;
    let data = workspace.root.join("calibration-data/fashion-mnist");
    let (float, test) = (data.join("mlp.onnx"), data.join("test-images-idx3-ubyte.gz"));
    let calibration = data.join("calibration-images-idx3-ubyte.gz");
    let state = files.join("calibration.json");
    quantize.run([Path::new("calibrate"), &float, "--data".as_ref(), &calibration, "-o".as_ref(), &state])?;
    quantize.emit(&float, &state, None, ours)?;
    let theirs = files.join("onnxruntime.int8.onnx");
    let options = ["u8", "per-channel", "asymmetric", "s8", "qdq"].map(AsRef::as_ref);
    let call = [float.as_path(), &calibration, &theirs];
    python.run("quantize_static.py", call.into_iter().chain(options))?;

    let validate = |int8: &Path| -> Result<Validation> {
        let arguments = ["--json", "validate", "--max-drop", "100", "--data"].map(Path::new);
        let answer = quantize.run(arguments.into_iter().chain([&test, &float, int8]))?;
        Ok(serde_json::from_slice(&answer)?)
    };
    let (our_accuracy, their_accuracy) = (validate(ours)?, validate(&theirs)?);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["Fashion-MNIST MLP 784-512-256-10", "quantize", "ONNX Runtime"]);
    let row = |accuracy: &Validation| format!("{:.2} %", accuracy.int8);
    let float_row = format!("top-1 after quantization (float {:.2} %)", our_accuracy.float);
    table.add_row([float_row, row(&our_accuracy), row(&their_accuracy)]);
    let agreement = |accuracy: &Validation| format!("{:.2} %", accuracy.agreement);
    table.add_row(["same class as float".to_owned(), agreement(&our_accuracy), agreement(&their_accuracy)]);
    let size = |path: &Path| Ok::<_, anyhow::Error>(format!("{} bytes", fs::metadata(path)?.len()));
    table.add_row(["int8 file".to_owned(), size(ours)?, size(&theirs)?]);
    Ok(table)
}

/// Times every side on a model, turn by turn for each batch size.
fn time_model(
    file: &ModelFile,
    threads: usize,
    others: &mut [Side],
    seconds: f64,
    cells: &mut Vec<Cell>,
) -> Result<()> {
    let samples: ArrayD<f32> =
        ndarray_npy::read_npy(&file.samples).with_context(|| file.samples.display().to_string())?;
    let mut ours = Subject::open(&file.model, samples, threads)?;
    for &batch in file.batches {
        let what = json!({ "model": file.model, "samples": file.samples, "batch": batch, "threads": threads });
        for side in others.iter_mut() {
            side.load(&what)?;
        }
        let (ours, others) = in_turns(|| ours.burst(batch, seconds), others, seconds)?;
        cells.push(Cell { model: file.title.clone(), batch, ours, others });
    }
    Ok(())
}

/// Times of ours and of the others.
fn in_turns(
    mut ours: impl FnMut() -> Result<Vec<f64>>,
    others: &mut [Side],
    seconds: f64,
) -> Result<(Times, Vec<Times>)> {
    let mut our_runs = Vec::new();
    let mut their_runs = vec![Vec::new(); others.len()];
    for _ in 0..ROUNDS {
        for (side, runs) in others.iter_mut().zip(&mut their_runs) {
            runs.extend(side.burst(seconds)?);
            sleep(PAUSE);
        }
        our_runs.extend(ours()?);
        sleep(PAUSE);
    }
    Ok((Times::of(our_runs), their_runs.into_iter().map(Times::of).collect()))
}

/// Our kernel and oneDNN's on layers without anything around them.
fn bare_layers(python: &Python, seconds: f64) -> Result<String> {
    let mut onednn = [Side::start(python, "serve_onednn.py")?];
    let mut cells = Vec::new();
    let mut isa = String::new();
    for (k, n) in DENSE {
        let mut layer = BareLayer::new(k, n, SAMPLES)?;
        isa = layer.isa();
        for batch in DENSE_BATCHES {
            onednn[0].load(&json!({ "k": k, "n": n, "batch": batch }))?;
            let (ours, others) = in_turns(|| layer.burst(batch, seconds), &mut onednn, seconds)?;
            cells.push(Cell { model: format!("{k}x{n}"), batch, ours, others });
        }
    }
    Ok(time_table(&cells, &[ONEDNN], &format!("bare layer, u8 to u8, 1 thread, {isa}")))
}

fn time_table(cells: &[Cell], others: &[&str], title: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let columns = [title, "batch"].into_iter().chain(others.iter().copied());
    table.set_header(columns.chain(["quantize", "ratio", "ratio of medians"]));
    for cell in cells {
        let mut row = vec![cell.model.clone(), cell.batch.to_string()];
        row.extend(cell.others.iter().chain([&cell.ours]).map(Times::show));
        let ratios = [cell.ratio(|times| times.min), cell.ratio(|times| times.median)];
        row.extend(ratios.map(|ratio| format!("{ratio:.2}")));
        table.add_row(row);
    }
    let mut text = format!("{table}\n\n");
    for (name, time) in [("least times", (|times| times.min) as fn(&Times) -> f64), ("medians", |times| times.median)] {
        if let Some(Summary { geometric_mean, worst, worst_cell, slower }) = Summary::of(cells, time) {
            text += &format!(
                "by {name}: geometric mean {geometric_mean:.2}, worst {worst:.2} ({worst_cell}), {slower} of {} below 1\n",
                cells.len()
            );
        }
    }
    text
}

//! Calibration speed and memory: every side in a process of its own, on one thread and on the same samples.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Deserialize;

use crate::python::Python;
use crate::quantize::Quantize;
use crate::workspace::Workspace;

const SAMPLES: usize = 10_000;

/// The batch of every side that has one; ours changes nothing but speed.
const BATCH: &str = "64";

/// Times each side is measured; the least counts of time and CPU time, since other work on the machine only ever adds to both.
const TURNS: usize = 3;

/// What a recipe may choose ranges by.
const RANGES: [&str; 6] = ["minmax", "percentile", "entropy", "mse", "power-of-two-minmax", "power-of-two-histogram"];

/// A float model and its samples.
struct Subject {
    title: &'static str,
    model: PathBuf,
    samples: PathBuf,
}

/// One side of the comparison.
struct Side {
    name: &'static str,
    by: By,
    best: Option<Measured>,
}

enum By {
    Us { threads: &'static str },
    OnnxRuntime { method: &'static str },
    Nncf,
}

#[derive(Deserialize)]
struct Measured {
    samples: usize,
    seconds: f64,
    /// Of all threads; ours with what starting the program and writing its file take.
    cpu_seconds: f64,
    peak_bytes: u64,
}

impl Measured {
    fn or_better(self, turn: Self) -> Self {
        Self {
            samples: self.samples,
            seconds: self.seconds.min(turn.seconds),
            cpu_seconds: self.cpu_seconds.min(turn.cpu_seconds),
            peak_bytes: self.peak_bytes.max(turn.peak_bytes),
        }
    }
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    let files = workspace.target.join("peers");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let python = Python::installed(&workspace, "benches/peers")?;
    let quantize = Quantize::built(&workspace)?;
    let data = workspace.root.join("calibration-data/fashion-mnist");
    let images = ["calibration-images-idx3-ubyte.gz", "test-images-idx3-ubyte.gz"].map(|name| data.join(name));
    python.run("inputs.py", [Path::new(&SAMPLES.to_string()), &files, &images[0], &images[1]])?;

    let bench = Bench { python: &python, quantize: &quantize, files: &files };
    for subject in [
        Subject { title: "MLP 784-512-256-10", model: data.join("mlp.onnx"), samples: files.join("mlp.npy") },
        Subject {
            title: "CNN conv3x3x32-pool-conv3x3x64-pool-fc128-fc10 on 28x28",
            model: files.join("cnn.onnx"),
            samples: files.join("cnn.npy"),
        },
    ] {
        println!("{}\n", bench.table(&subject)?);
    }
    println!("the fastest of {TURNS} turns; {}", python.packages().join(", "));
    Ok(())
}

struct Bench<'a> {
    python: &'a Python,
    quantize: &'a Quantize,
    files: &'a Path,
}

impl Bench<'_> {
    fn table(&self, subject: &Subject) -> Result<Table> {
        let state = self.files.join("calibration");
        let side = |name, by| Side { name, by, best: None };
        let onnx_runtime = |method| By::OnnxRuntime { method };
        let mut sides = [
            side("quantize, every method, one thread", By::Us { threads: "1" }),
            side("quantize, every method, two threads", By::Us { threads: "2" }),
            side("ONNX Runtime, MinMax", onnx_runtime("MinMax")),
            side("ONNX Runtime, Percentile", onnx_runtime("Percentile")),
            side("ONNX Runtime, Entropy", onnx_runtime("Entropy")),
            side("NNCF, its default ranges", By::Nncf),
        ];
        let mut forward: f64 = 0.0;
        for _ in 0..TURNS {
            forward = forward.max(self.forward(subject)?);
            for side in &mut sides {
                let turn = self.measure(subject, &side.by, &state)?;
                side.best = Some(match side.best.take() {
                    Some(best) => best.or_better(turn),
                    None => turn,
                });
            }
        }

        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([subject.title, "samples", "samples/s", "samples/s of CPU", "peak memory"]);
        let in_time = |best: &Measured| best.samples as f64 / best.seconds;
        for Side { name, best, .. } in &sides {
            if let Some(best) = best {
                let in_cpu = best.samples as f64 / best.cpu_seconds;
                let speeds = [in_time(best), in_cpu].map(|speed| format!("{speed:.0}"));
                table.add_row([*name, &best.samples.to_string(), &speeds[0], &speeds[1], &megabytes(best.peak_bytes)]);
            }
        }
        table.add_row(["quantize, float forward alone, one thread", "", &format!("{forward:.0}"), "", ""]);
        if let Some(ours) = &sides[0].best {
            let cost = 100.0 * (forward / in_time(ours) - 1.0);
            table.add_row(["quantize, what observing and reading add to that", "", &format!("{cost:.0} %"), "", ""]);
        }
        let size = fs::metadata(&state).with_context(|| state.display().to_string())?.len();
        table.add_row(["quantize, calibration file", "", &format!("{size} bytes"), "", ""]);
        let all = self.emit_all(subject, &state)?;
        table.add_row(["quantize, emitting by all six methods from it", "", &format!("{all:.2} s"), "", ""]);
        let busy = |best: &Measured| best.cpu_seconds < 0.9 * best.seconds;
        if sides.iter().filter_map(|side| side.best.as_ref()).any(busy) {
            println!("the machine was busy with something else; measure again");
        }
        Ok(table)
    }

    fn measure(&self, subject: &Subject, by: &By, state: &Path) -> Result<Measured> {
        let (model, samples) = (subject.model.as_path(), subject.samples.as_path());
        match by {
            By::Us { threads } => {
                #[derive(Deserialize)]
                struct Calibrated {
                    samples: usize,
                    seconds: f64,
                }
                #[derive(Deserialize)]
                struct Run {
                    answer: Calibrated,
                    cpu_seconds: f64,
                    peak_bytes: u64,
                }
                let options = ["--batch", BATCH, "--threads", threads, "--data"].map(OsStr::new);
                let command = [self.quantize.path().as_os_str(), "--json".as_ref(), "calibrate".as_ref()];
                let paths = [samples.as_os_str(), "-o".as_ref(), state.as_os_str(), model.as_os_str()];
                let run: Run = self.python.ask("run.py", command.into_iter().chain(options).chain(paths))?;
                let Run { answer: Calibrated { samples, seconds }, cpu_seconds, peak_bytes } = run;
                Ok(Measured { samples, seconds, cpu_seconds, peak_bytes })
            }
            By::OnnxRuntime { method } => {
                let (count, batch, method) = (SAMPLES.to_string(), Path::new(BATCH), Path::new(method));
                self.python.ask("calibrate_onnxruntime.py", [model, samples, count.as_ref(), batch, method])
            }
            By::Nncf => {
                let count = SAMPLES.to_string();
                self.python.ask("calibrate_nncf.py", [model, samples, count.as_ref(), BATCH.as_ref()])
            }
        }
    }

    /// Samples per second of our float session on one thread with nothing observed.
    fn forward(&self, subject: &Subject) -> Result<f64> {
        #[derive(Deserialize)]
        struct Timing {
            samples_per_second: f64,
        }
        let bench = ["--json", "bench", "--threads", "1", "--batch", BATCH, "--data"].map(Path::new);
        let answer = self.quantize.run(bench.into_iter().chain([subject.samples.as_path(), &subject.model]))?;
        let timings: [Timing; 1] = serde_json::from_slice(&answer)?;
        Ok(timings[0].samples_per_second)
    }

    /// Seconds for emitting an int8 model by each method in turn, with everything that starting the program takes.
    fn emit_all(&self, subject: &Subject, state: &Path) -> Result<f64> {
        let (recipe, int8) = (self.files.join("recipe.toml"), self.files.join("calibrated.int8.onnx"));
        let mut seconds = 0.0;
        for range in RANGES {
            fs::write(&recipe, format!("range = \"{range}\"\n")).with_context(|| recipe.display().to_string())?;
            let start = Instant::now();
            self.quantize.emit(&subject.model, state, Some(&recipe), &int8)?;
            seconds += start.elapsed().as_secs_f64();
        }
        Ok(seconds)
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

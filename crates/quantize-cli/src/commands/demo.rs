//! `quantize demo`: the whole way on built-in data.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use dataset::{Dataset, OpenOptions, Part, Stream};
use dlquantizer::{Calibration, Metric, Recipe};
use int8_inference::SessionOptions;
use serde::Serialize;
use trainer::TrainConfig;

use super::bench::{BenchReport, Subject, bench};
use super::calibrate::{CalibrateReport, Job, WorkArgs, calibrate};
use super::emit::{EmitReport, emit};
use super::train::{TrainReport, train};
use super::validate::{ValidateReport, validate};
use super::verify::{VerifyReport, verify};
use crate::console::{Console, Report};
use crate::data::Pieces;
use crate::files::{open_float, open_session};
use crate::format::{self, Column};

const TRAIN: &[u8] = include_bytes!("../../../../calibration-data/digits/train.npz");
const TEST: &[u8] = include_bytes!("../../../../calibration-data/digits/test.npz");
const CONFIG: &str = include_str!("../../../../mlp.toml");

/// Points of accuracy that the int8 model may lose.
const MAX_DROP: f64 = 0.5;
const BATCHES: [usize; 2] = [1, 256];
const TIME_PER_MODEL: Duration = Duration::from_millis(500);

/// Trains, calibrates, quantizes, validates and times a small network on built-in handwritten digits.
///
/// All files go to one directory. Exit code 1 means that the int8 model lost more than half a point of accuracy, or that two kernels of this
/// machine differ on it.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize demo")]
pub(crate) struct Args {
    /// Directory to write to.
    #[arg(short, long, value_name = "DIRECTORY", default_value = "quantize-demo")]
    output: PathBuf,
}

/// The reports of all steps.
#[derive(Serialize)]
pub(crate) struct DemoReport {
    train: TrainReport,
    calibrate: CalibrateReport,
    emit: EmitReport,
    validate: ValidateReport,
    verify: VerifyReport,
    bench: BenchReport,
    files: Files,
}

/// Where everything is.
#[derive(Serialize)]
struct Files {
    data: PathBuf,
    config: PathBuf,
    float: PathBuf,
    calibration: PathBuf,
    int8: PathBuf,
}

pub(crate) fn run(args: &Args, console: &Console) -> Result<DemoReport> {
    let files = Files::create(&args.output)?;
    let training = Dataset::from_npz("digits/train.npz", TRAIN)?;
    let held_out = Dataset::from_npz("digits/test.npz", TEST)?;

    console.show("Training a network of dense layers on handwritten digits\n\n")?;
    let train = train(TrainConfig::from_toml(CONFIG)?, &training, Some(&held_out), &files.float)?;
    console.show(&train.text())?;

    console.show("\nCalibrating: the ranges of weights, biases and activations over the training samples\n\n")?;
    let model = open_float(&files.float)?;
    let held_out = model.adapt(held_out)?;
    let mut samples = Pieces::new(Stream::open(&files.data, &OpenOptions::new(Part::Calibration))?, None);
    let calibrate = calibrate(&Job::new(&model, &WorkArgs::default(), &files.calibration), &mut samples)?;
    console.show(&calibrate.text())?;

    console.show("\nEmitting the int8 model\n\n")?;
    let emit = emit(&model, Some(&Calibration::load(&files.calibration)?), &Recipe::default(), &files.int8)?;
    console.show(&emit.text())?;

    console.show("\nValidating float against int8 on samples that neither training nor calibration saw\n\n")?;
    let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    let (int8_model, int8) = open_session(&files.int8, &options)?;
    let validate = validate(&model, &int8, &held_out, Metric::Top1, None, MAX_DROP)?;
    console.show(&validate.text())?;

    console.show("\nVerifying that every kernel of this machine gives the same bits\n\n")?;
    let verify = verify(&files.int8, &int8_model, &int8, false)?;
    console.show(&verify.text())?;

    console.show("\nTiming both in turns on one thread\n\n")?;
    let float = model.session(&options)?;
    let subjects = [
        Subject { path: &files.int8, model: &int8_model, session: &int8 },
        Subject { path: &files.float, model: model.network(), session: &float },
    ];
    let bench = bench(&subjects, held_out.inputs(), &BATCHES, TIME_PER_MODEL)?;
    console.show(&bench.text())?;
    console.show("\n")?;
    Ok(DemoReport { train, calibrate, emit, validate, verify, bench, files })
}

impl Files {
    /// Writes the built-in data and configuration to `directory`, so that every step can be repeated on them.
    fn create(directory: &Path) -> Result<Self> {
        let files = Self {
            data: directory.join("digits"),
            config: directory.join("mlp.toml"),
            float: directory.join("digits.onnx"),
            calibration: directory.join("digits.calibration.json"),
            int8: directory.join("digits.int8.onnx"),
        };
        fs::create_dir_all(&files.data)
            .with_context(|| format!("cannot create {}; choose another directory with -o", files.data.display()))?;
        onnx_model::write_atomic(files.data.join("train.npz"), TRAIN)?;
        onnx_model::write_atomic(files.data.join("test.npz"), TEST)?;
        onnx_model::write_atomic(&files.config, CONFIG.as_bytes())?;
        Ok(files)
    }
}

impl Report for DemoReport {
    /// The summary; the steps have shown themselves before.
    fn text(&self) -> String {
        let validation = &self.validate.validation;
        let mut rows = vec![
            [
                "accuracy (held out)".to_owned(),
                format::percent(validation.float),
                format::percent(validation.int8),
                format!("{:.2} points lost", validation.drop),
            ],
            [
                "file size".to_owned(),
                format::bytes(self.emit.bytes_float),
                format::bytes(self.emit.bytes_int8),
                format!("{:.2} times smaller", self.emit.bytes_float as f64 / self.emit.bytes_int8 as f64),
            ],
        ];
        for pair in self.bench.0.chunks_exact(2) {
            let [int8, float] = pair else { continue };
            rows.push([
                format!("latency, batch {}", int8.batch),
                format!("{:.1} us", float.median_us),
                format!("{:.1} us", int8.median_us),
                int8.speedup.map_or_else(String::new, |speedup| format!("{speedup:.2} times faster")),
            ]);
        }
        let columns = [Column::Text("Summary"), Column::Number("Float"), Column::Number("Int8"), Column::Text("")];
        format!("{}\n{}", format::table(columns, rows), self.next_commands())
    }

    fn passed(&self) -> bool {
        self.validate.passed() && self.verify.passed()
    }
}

impl DemoReport {
    /// The same steps as single commands, as this program was called, on the files just written.
    fn next_commands(&self) -> String {
        let program = std::env::args_os().next().unwrap_or_else(|| "quantize".into());
        let program = quoted(Path::new(&program));
        let Files { data, config, float, calibration, int8 } = &self.files;
        let [data, config, float, calibration, int8] =
            [data, config, float, calibration, int8].map(|path| quoted(path));
        format!(
            "The same with your own model and data, step by step:
  {program} train     --data {data} --config {config} -o {float}
  {program} calibrate {float} --data {data} -o {calibration}
  {program} emit      {float} --calibration {calibration} -o {int8}
  {program} validate  {float} {int8} --data {data} --max-drop {MAX_DROP}
  {program} verify    {int8}
  {program} bench     {int8} --against {float} --threads 1
  {program} inspect   {int8}
"
        )
    }
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c)) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

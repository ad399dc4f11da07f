//! Runs the program, and a trained, calibrated and quantized model for every test to share.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use onnx_model::Model;
use onnx_model::proto::GraphProto;
use serde_json::Value;
use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The digits as a data directory.
pub(crate) fn digits() -> PathBuf {
    root().join("calibration-data/digits")
}

/// The program, in an environment that forces nothing.
pub(crate) fn quantize() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quantize"));
    command.env_remove("QUANTIZE_ISA").env("NO_COLOR", "1");
    command
}

pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    quantize().args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs to exit code 0 and returns what was printed.
pub(crate) fn succeed<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// Runs with `--json` to exit code 0 and returns the one document on standard output.
pub(crate) fn json<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Value {
    let output = quantize().arg("--json").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs to exit code 2 with an error on standard error that holds all of `texts`, and nothing on standard output.
pub(crate) fn refuse<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, texts: &[&str]) {
    let output = run(arguments);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(stdout(&output), "", "{error}");
    assert!(error.starts_with("error: ") && error.lines().count() >= 1, "{error}");
    assert!(!error.contains("panicked"), "{error}");
    for text in texts {
        assert!(error.contains(text), "no \"{text}\" in: {error}");
    }
}

/// Files that the program made of the digits.
pub(crate) struct Files {
    pub(crate) float: PathBuf,
    pub(crate) calibration: PathBuf,
    pub(crate) int8: PathBuf,
}

/// Trains, calibrates and quantizes once for all tests.
pub(crate) fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-tests");
        fs::create_dir_all(&directory).unwrap();
        let files = Files {
            float: directory.join("digits.onnx"),
            calibration: directory.join("digits.calibration.json"),
            int8: directory.join("digits.int8.onnx"),
        };
        let (data, config) = (digits(), root().join("mlp.toml"));
        let Files { float, calibration, int8 } = &files;
        succeed(args!["train", "--data", data, "--config", config, "-o", float]);
        succeed(args!["calibrate", float, "--data", data, "-o", calibration]);
        succeed(args!["emit", float, "--calibration", calibration, "-o", int8]);
        files
    })
}

/// The float model with an edited graph, unchecked, in a file of its own.
pub(crate) fn edited(model: &Path, edit: impl FnOnce(&mut GraphProto)) -> (TempDir, PathBuf) {
    let mut model = Model::open(model).unwrap();
    edit(model.graph_mut());
    file("edited.onnx", &model.to_bytes())
}

/// A new directory with one file in it.
pub(crate) fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// Names of the files in a directory.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Arguments of any kind of string or path.
macro_rules! args {
    ($($argument:expr),* $(,)?) => {
        [$(std::ffi::OsString::from(&$argument)),*]
    };
}
pub(crate) use args;

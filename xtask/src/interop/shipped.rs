//! The two shipped data sets: a network trained here and the one in the repository, quantized by us and by ONNX Runtime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::judge::{Expected, Judge, QGEMM, QLINEAR_MATMUL};
use crate::workspace::Workspace;

/// How ONNX Runtime's quantize_static is called: a name, whether Gemm becomes MatMul + Add first, and its arguments.
const VARIANTS: [(&str, bool, [&str; 5]); 17] = [
    ("u8-per-channel", false, ["u8", "per-channel", "asymmetric", "s8", "qdq"]),
    ("u8-per-tensor", false, ["u8", "per-tensor", "asymmetric", "s8", "qdq"]),
    ("s8-per-channel", false, ["s8", "per-channel", "asymmetric", "s8", "qdq"]),
    // What quantize_static does when only told the model.
    ("s8-per-tensor", false, ["s8", "per-tensor", "asymmetric", "s8", "qdq"]),
    ("s8-symmetric", false, ["s8", "per-channel", "symmetric", "s8", "qdq"]),
    ("u8-weights-per-channel", false, ["u8", "per-channel", "asymmetric", "u8", "qdq"]),
    ("u8-weights-per-tensor", false, ["u8", "per-tensor", "asymmetric", "u8", "qdq"]),
    ("matmul-u8-per-channel", true, ["u8", "per-channel", "asymmetric", "s8", "qdq"]),
    ("matmul-s8-per-channel", true, ["s8", "per-channel", "asymmetric", "s8", "qdq"]),
    ("matmul-s8-symmetric", true, ["s8", "per-channel", "symmetric", "s8", "qdq"]),
    ("pairs-u8-per-channel", false, ["u8", "per-channel", "asymmetric", "s8", "pairs"]),
    ("pairs-s8-per-tensor", false, ["s8", "per-tensor", "asymmetric", "s8", "pairs"]),
    ("qoperator-u8-per-channel", false, ["u8", "per-channel", "asymmetric", "s8", "qoperator"]),
    ("qoperator-s8-per-tensor", false, ["s8", "per-tensor", "asymmetric", "s8", "qoperator"]),
    ("qoperator-u8-weights-per-tensor", false, ["u8", "per-tensor", "asymmetric", "u8", "qoperator"]),
    ("qoperator-matmul-u8-per-channel", true, ["u8", "per-channel", "asymmetric", "s8", "qoperator"]),
    ("qoperator-matmul-s8-symmetric", true, ["s8", "per-channel", "symmetric", "s8", "qoperator"]),
];

/// Ranges that cut values off, besides the default that does not; the models of single operators have the others.
const RANGES: [&str; 3] = ["percentile", "entropy", "mse"];

/// Precisions whose results are those of float activations or of ranges found in the run.
const UNCALIBRATED: [&str; 3] = ["dynamic", "int8-weights", "int4-weights"];

/// A float model with samples to calibrate and to test it.
struct Shipped {
    name: &'static str,
    model: PathBuf,
    calibration: PathBuf,
    test: PathBuf,
    /// Per cent of test samples that get the same class in both runtimes.
    same_class: f64,
}

pub(crate) fn check(judge: &mut Judge<'_>, workspace: &Workspace) -> Result<()> {
    let data = workspace.root.join("calibration-data");
    let digits = Shipped {
        name: "digits",
        model: judge.file("digits.onnx"),
        calibration: data.join("digits/train.npz"),
        test: data.join("digits/test.npz"),
        same_class: 100.0,
    };
    let fashion = data.join("fashion-mnist");
    let fashion = Shipped {
        name: "fashion-mnist",
        model: fashion.join("mlp.onnx"),
        calibration: fashion.join("calibration-images-idx3-ubyte.gz"),
        test: fashion.join("test-images-idx3-ubyte.gz"),
        same_class: 99.9,
    };
    let config = workspace.root.join("mlp.toml");
    let training = [Path::new("train"), "--data".as_ref(), &digits.calibration, "--config".as_ref(), &config];
    judge.quantize.run(training.into_iter().chain(["-o".as_ref(), digits.model.as_path()]))?;
    for shipped in [digits, fashion] {
        let mut layers = 0;
        judge.subject(shipped.name, |judge| {
            layers = ours(judge, &shipped)?;
            Ok(())
        });
        for (variant, matmul, arguments) in VARIANTS {
            let name = format!("{}.{variant}", shipped.name);
            judge.subject(&name, |judge| theirs(judge, &shipped, &name, matmul, arguments, layers));
        }
        let name = format!("{}.nncf", shipped.name);
        judge.subject(&name, |judge| nncf(judge, &shipped, &name, layers));
        let name = format!("{}.quantize-dynamic", shipped.name);
        judge.subject(&name, |judge| dynamic(judge, &shipped, &name));
    }
    Ok(())
}

/// Judges the float model and what we make of it; returns the number of its dense layers.
fn ours(judge: &mut Judge<'_>, shipped: &Shipped) -> Result<usize> {
    let Shipped { name, model, calibration, test, same_class } = shipped;
    let (state, int8) = (judge.file(&format!("{name}.calibration.json")), judge.file(&format!("{name}.int8.onnx")));
    let calibrate = [Path::new("calibrate"), model, "--data".as_ref(), calibration, "-o".as_ref(), &state];
    judge.quantize.run(calibrate)?;
    let layers = judge.quantize.emit(model, &state, None, &int8)?;
    judge.valid(name, &[model, &int8])?;
    judge.float(name, model, test)?;
    let expected = Expected { layers, kernels: &[QGEMM], same_class: *same_class };
    judge.int8(name, &int8, test, &expected)?;
    for range in RANGES {
        let name = format!("{name}.{range}");
        let (recipe, int8) = (judge.file(&format!("{name}.toml")), judge.file(&format!("{name}.int8.onnx")));
        fs::write(&recipe, format!("range = \"{range}\"\n")).with_context(|| recipe.display().to_string())?;
        judge.quantize.emit(model, &state, Some(&recipe), &int8)?;
        judge.valid(&name, &[&int8])?;
        judge.int8(&name, &int8, test, &expected)?;
    }
    for precision in UNCALIBRATED {
        let name = format!("{name}.{precision}");
        let emitted = judge.file(&format!("{name}.onnx"));
        let emit = ["emit", "--precision", precision].map(Path::new);
        judge.quantize.run(emit.into_iter().chain([model.as_path(), "-o".as_ref(), &emitted]))?;
        judge.valid(&name, &[&emitted])?;
        judge.float(&name, &emitted, test)?;
    }
    Ok(layers)
}

/// Judges what NNCF makes of the float model. With the biases in float, as it writes them, ONNX Runtime adds them in float and both runtimes
/// have other roundings, so that only the classes are compared; rounded to the steps that integer layers add them in, every integer is.
fn nncf(judge: &mut Judge<'_>, shipped: &Shipped, name: &str, layers: usize) -> Result<()> {
    let Shipped { model, calibration, test, same_class, .. } = shipped;
    for biases in ["float", "int32"] {
        let int8 = judge.file(&format!("{name}.{biases}.int8.onnx"));
        let files = [model.as_os_str(), calibration.as_os_str(), int8.as_os_str(), biases.as_ref()];
        judge.python.run("quantize_nncf.py", files)?;
        if biases == "int32" {
            judge.int8(name, &int8, test, &Expected { layers, kernels: &[QGEMM], same_class: *same_class })?;
        } else {
            judge.integer_layers(name, &int8, layers)?;
            judge.same_class(name, &int8, test, 99.5)?;
        }
    }
    Ok(())
}

/// Judges what ONNX Runtime's quantize_dynamic makes of the float model: ranges are those of whatever runs together.
fn dynamic(judge: &mut Judge<'_>, shipped: &Shipped, name: &str) -> Result<()> {
    let int8 = judge.file(&format!("{name}.int8.onnx"));
    judge.python.run("quantize_dynamic.py", [&shipped.model, &int8])?;
    judge.float(name, &int8, &shipped.test)
}

/// Judges what ONNX Runtime makes of the float model.
fn theirs(
    judge: &mut Judge<'_>,
    shipped: &Shipped,
    name: &str,
    matmul: bool,
    arguments: [&str; 5],
    layers: usize,
) -> Result<()> {
    let mut model = shipped.model.clone();
    if matmul {
        let rewritten = judge.file(&format!("{}.matmul.onnx", shipped.name));
        judge.python.run("gemm_to_matmul.py", [&model, &rewritten])?;
        model = rewritten;
    }
    let int8 = judge.file(&format!("{name}.int8.onnx"));
    let files = [model.as_os_str(), shipped.calibration.as_os_str(), int8.as_os_str()];
    judge.python.run("quantize_static.py", files.into_iter().chain(arguments.map(AsRef::as_ref)))?;
    let expected = Expected { layers, kernels: &[QGEMM, QLINEAR_MATMUL], same_class: shipped.same_class };
    judge.int8(name, &int8, &shipped.test, &expected)
}

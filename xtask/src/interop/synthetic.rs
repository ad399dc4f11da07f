//! Small models, one for each thing a dense network may contain, through every stage and recipe.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::judge::{Expected, Judge, QGEMM, QLINEAR_MATMUL, write};

/// A way to quantize all models but some.
struct Way {
    name: &'static str,
    recipe: &'static str,
    /// Models whose layers ONNX Runtime does not run in integers when they are quantized this way.
    except: &'static [&'static str],
}

const WAYS: [Way; 3] = [
    Way { name: "default", recipe: "", except: &[] },
    Way {
        name: "i8",
        recipe: "activations = \"i8\"\n",
        // On x86-64, ONNX Runtime turns int8 activations into uint8 ones, but not those that several nodes read.
        except: &["gelu_erf", "silu", "residual", "residual_of_layers"],
    },
    Way {
        name: "power-of-two-minmax",
        recipe: "range = \"power-of-two-minmax\"\nweights = \"per-tensor\"\n",
        // The range ends at a power of two beyond the bounds of the Clip, so ONNX Runtime keeps the Clip, in float.
        except: &["clip", "relu6"],
    },
];

/// Models for which ONNX Runtime's quantizer has operators on integers besides the dense layers'. `gelu_erf` is left out: its sum `erf(x) + 1`
/// lies halfway between two integers for every input, so that the order of f32 operations decides, and ONNX Runtime's is not that of
/// the definition.
const QOPERATOR: [&str; 9] = [
    "sigmoid",
    "leaky_relu",
    "softmax",
    "softmax_output",
    "silu",
    "residual",
    "residual_of_layers",
    "scale_and_shift",
    "matmul_add",
];

/// A model of `synthetic_models.py`.
#[derive(Deserialize)]
struct Synthetic {
    name: String,
    opset: i64,
    layers: usize,
}

pub(crate) fn check(judge: &mut Judge<'_>) -> Result<()> {
    let directory = judge.files;
    let models: Vec<Synthetic> = judge.python.ask("synthetic_models.py", [directory])?;
    for way in WAYS.iter().filter(|way| !way.recipe.is_empty()) {
        write(&judge.file(&format!("{}.toml", way.name)), way.recipe)?;
    }
    for model in &models {
        judge.subject(&format!("{} (opset {})", model.name, model.opset), |judge| one(judge, model));
    }
    Ok(())
}

fn one(judge: &mut Judge<'_>, model: &Synthetic) -> Result<()> {
    let name = &model.name;
    let file = |ending: &str| judge.file(&format!("{name}.{ending}"));
    let (float, prepared, state) = (file("onnx"), file("prepared.onnx"), file("calibration.json"));
    let (calibration, test) = (file("calibration.npz"), file("test.npz"));
    judge.quantize.run([Path::new("prepare"), &float, "-o".as_ref(), &prepared])?;
    judge.quantize.run([Path::new("calibrate"), &float, "--data".as_ref(), &calibration, "-o".as_ref(), &state])?;
    judge.float(name, &float, &test)?;
    judge.prepared(name, &float, &prepared, &test)?;
    let mut written = vec![prepared];
    for way in WAYS.iter().filter(|way| !way.except.contains(&name.as_str())) {
        let subject = format!("{name}.{}", way.name);
        let int8 = judge.file(&format!("{subject}.int8.onnx"));
        let recipe = (!way.recipe.is_empty()).then(|| judge.file(&format!("{}.toml", way.name)));
        let layers = judge.quantize.emit(&float, &state, recipe.as_deref(), &int8)?;
        anyhow::ensure!(layers == model.layers, "{layers} of {} dense layers became int8", model.layers);
        judge.int8(&subject, &int8, &test, &Expected { layers, kernels: &[QGEMM], same_class: 99.9 })?;
        written.push(int8);
    }
    if QOPERATOR.contains(&name.as_str()) {
        let subject = format!("{name}.qoperator");
        let int8 = judge.file(&format!("{subject}.int8.onnx"));
        let files = [float.as_os_str(), calibration.as_os_str(), int8.as_os_str()];
        let how = ["u8", "per-channel", "asymmetric", "s8", "qoperator"].map(AsRef::as_ref);
        judge.python.run("quantize_static.py", files.into_iter().chain(how))?;
        let expected = Expected { layers: model.layers, kernels: &[QGEMM, QLINEAR_MATMUL], same_class: 99.9 };
        judge.int8(&subject, &int8, &test, &expected)?;
    }
    let written: Vec<&Path> = written.iter().map(AsRef::as_ref).collect();
    judge.valid(name, &written)
}

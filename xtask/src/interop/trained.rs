//! Networks of every kind of layer, trained here: their models compute the same in ONNX Runtime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::judge::{Expected, Judge, QGEMM, write};
use crate::workspace::Workspace;

/// Enough for weights that have left their first values and for statistics of batches; how well a network answers is no matter here.
const EPOCHS: usize = 2;

/// Data sets and configurations, both below the root of the workspace.
const TRAININGS: [(&str, &str); 8] = [
    ("digits", "mlp.toml"),
    ("digits", "calibration-data/digits/selu.toml"),
    ("digits", "calibration-data/digits/deep-cnn.toml"),
    ("breast-cancer", "calibration-data/breast-cancer/sigmoid.toml"),
    ("diabetes", "calibration-data/diabetes/mean-and-variance.toml"),
    ("word-tags", "calibration-data/word-tags/lstm.toml"),
    ("brackets", "calibration-data/brackets/gru.toml"),
    ("digits", "xtask/src/interop/every_layer.toml"),
];

/// The classifier that is trained in the arithmetic of the integer engine.
const INTEGERS: &str = "digits.trained.qat";

pub(crate) fn check(judge: &mut Judge<'_>, workspace: &Workspace) -> Result<()> {
    for (data, config) in TRAININGS {
        let config = workspace.root.join(config);
        let stem = config.file_stem().context("a configuration without a name")?.to_string_lossy();
        let name = format!("{data}.trained.{stem}");
        let data = workspace.root.join("calibration-data").join(data);
        judge.subject(&name, |judge| {
            let model = train(judge, &name, &data, &config, &[])?;
            judge.valid(&name, &[&model])?;
            judge.each_value(&name, &model, &data.join("test.npz"))
        });
    }
    judge.subject(INTEGERS, |judge| in_integers(judge, &workspace.root.join("calibration-data/digits")));
    Ok(())
}

/// Trains the classifier of `mlp.toml` further in integers, with scales that are learnt.
fn in_integers(judge: &mut Judge<'_>, data: &Path) -> Result<()> {
    let float = judge.file("digits.trained.mlp.onnx");
    let arguments = ["--from".as_ref(), float.as_path(), "--qat".as_ref()];
    let int8 = train(judge, INTEGERS, data, &data.join("further.toml"), &arguments)?;
    judge.valid(INTEGERS, &[&int8])?;
    judge.int8(INTEGERS, &int8, &data.join("test.npz"), &Expected { layers: 3, kernels: &[QGEMM], same_class: 100.0 })
}

/// Trains for a few epochs; gives the model's file.
fn train(judge: &Judge<'_>, name: &str, data: &Path, config: &Path, arguments: &[&Path]) -> Result<PathBuf> {
    let [shortened, model] = ["toml", "onnx"].map(|ending| judge.file(&format!("{name}.{ending}")));
    let text = fs::read_to_string(config).with_context(|| config.display().to_string())?;
    let is_epochs = |line: &&str| line.starts_with("epochs = ");
    ensure!(text.lines().filter(is_epochs).count() == 1, "{} has no one line of epochs", config.display());
    let lines =
        text.lines().map(|line| if is_epochs(&line) { format!("epochs = {EPOCHS}\n") } else { format!("{line}\n") });
    write(&shortened, &lines.collect::<String>())?;
    let files = ["--data".as_ref(), data, "--config".as_ref(), &shortened, "-o".as_ref(), &model];
    judge.quantize.run([Path::new("train")].into_iter().chain(files).chain(arguments.iter().copied()))?;
    Ok(model)
}

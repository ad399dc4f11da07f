//! Metrics of a training in TensorBoard, of one that was gone on with: each scalar of each epoch once, with the value of the JSON lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::judge::{Answer, Judge, write};
use crate::workspace::Workspace;

/// Epochs before the training is stopped, and in the end.
const EPOCHS: [usize; 2] = [2, 4];

/// Steps with their values.
type Points = Vec<(u64, f64)>;

pub(crate) fn check(judge: &mut Judge<'_>, workspace: &Workspace) {
    judge.subject("TensorBoard", |judge| read_back(judge, &workspace.root));
}

fn read_back(judge: &mut Judge<'_>, root: &Path) -> Result<()> {
    let run = judge.file("run");
    if run.exists() {
        fs::remove_dir_all(&run).with_context(|| run.display().to_string())?;
    }
    let [path, output, data] = [judge.file("run.toml"), judge.file("run.onnx"), root.join("calibration-data/digits")];
    let config = fs::read_to_string(root.join("mlp.toml"))?;
    for epochs in EPOCHS {
        write(&path, &config.replace("epochs = 40", &format!("epochs = {epochs}\nvalidation = 0.1")))?;
        let mut arguments =
            vec!["train".as_ref(), "--data".as_ref(), data.as_os_str(), "--config".as_ref(), path.as_os_str()];
        arguments.extend(["--run-dir".as_ref(), run.as_os_str(), "-o".as_ref(), output.as_os_str()]);
        if run.exists() {
            arguments.push("--resume".as_ref());
        }
        judge.quantize.run(arguments)?;
    }

    let theirs: BTreeMap<String, Points> = judge.python.ask("tensorboard_scalars.py", [&run])?;
    let ours = json_lines(&fs::read_to_string(run.join("metrics.jsonl"))?)?;
    let wanted: usize = ours.values().map(Vec::len).sum();
    let found: usize = theirs.values().map(Vec::len).sum();
    let equal_of = |(tag, points): (&String, &Points)| {
        theirs.get(tag).map_or(0, |read| points.iter().filter(|point| read.contains(point)).count())
    };
    let equal: usize = ours.iter().map(equal_of).sum();
    let answer = Answer {
        measured: format!("{equal} of {wanted}, {found} read"),
        note: format!("{} tags over {} epochs", ours.len(), EPOCHS[1]),
        shortfall: (wanted - equal + found.abs_diff(wanted)) as f64,
        details: json!(theirs),
    };
    let passed = wanted > 0 && equal == wanted && found == wanted;
    judge.add("TensorBoard", "scalars read", "every one, once".to_owned(), answer, passed);
    Ok(())
}

/// The scalars of all records, rounded to f32, as TensorBoard keeps them.
fn json_lines(text: &str) -> Result<BTreeMap<String, Points>> {
    let mut scalars: BTreeMap<String, Points> = BTreeMap::new();
    for line in text.lines() {
        let record: BTreeMap<String, Value> = serde_json::from_str(line)?;
        let step = record.get("step").and_then(Value::as_u64).context("a record without a step")?;
        for (name, value) in record.iter().filter(|(name, _)| !["epoch", "step", "seconds"].contains(&name.as_str())) {
            let value = value.as_f64().with_context(|| format!("{name} is no number"))? as f32;
            scalars.entry(name.clone()).or_default().push((step, f64::from(value)));
        }
    }
    Ok(scalars)
}

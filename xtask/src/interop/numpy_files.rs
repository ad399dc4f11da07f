//! Files that NumPy writes, read by our `dataset` through the binary: a model that returns its input gives the values back.

use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::judge::Judge;

/// A file of `numpy_files.py`.
#[derive(Deserialize)]
struct NumpyFile {
    /// What it holds, for people.
    name: String,
    samples: String,
    /// The same values as float32, named like the model's output.
    expected: String,
}

pub(crate) fn check(judge: &mut Judge<'_>) -> Result<()> {
    let model = judge.file("identity.onnx");
    let files: Vec<NumpyFile> = judge.python.ask("numpy_files.py", [judge.files, &model])?;
    for file in &files {
        judge.subject(&file.name, |judge| {
            let read = judge.file(&format!("{}.read.npz", file.samples));
            let samples = judge.file(&file.samples);
            judge.quantize.run([Path::new("run"), &model, "--data".as_ref(), &samples, "-o".as_ref(), &read])?;
            judge.exact(&file.name, &read, &judge.file(&file.expected), "y")
        });
    }
    Ok(())
}

//! Do other runtimes agree with us? Judged from outside: every file comes from the `quantize` binary or from ONNX Runtime, every
//! figure from Python.

mod judge;
mod node_tests;
mod numpy_files;
mod report;
mod shipped;
mod synthetic;
mod tensorboard;
mod trained;

use std::fs;

use anyhow::{Context, Result};

use crate::python::Python;
use crate::quantize::Quantize;
use crate::workspace::Workspace;
use judge::Judge;
use report::Report;

/// Runs all checks, prints them with a table of the worst, and writes them to `target/interop/report.json`; `false` when one failed.
pub(crate) fn run() -> Result<bool> {
    let workspace = Workspace::find()?;
    let files = workspace.target.join("interop");
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let python = Python::installed(&workspace, "xtask/python")?;
    let quantize = Quantize::built(&workspace)?;
    let mut report = Report::default();
    let mut judge = Judge { python: &python, quantize: &quantize, files: &files, report: &mut report };
    shipped::check(&mut judge, &workspace)?;
    trained::check(&mut judge, &workspace)?;
    synthetic::check(&mut judge)?;
    numpy_files::check(&mut judge)?;
    tensorboard::check(&mut judge, &workspace);
    node_tests::check(&mut judge)?;

    println!("\n{}", report.table());
    let path = files.join("report.json");
    report.save(&path, python.packages())?;
    let failed = report.failed();
    for check in &failed {
        println!("FAILED {}: {check}", check.subject);
    }
    println!("{} of {} checks passed; details in {}", report.total() - failed.len(), report.total(), path.display());
    Ok(failed.is_empty())
}

//! ONNX's backend node tests of its quantization operators, run by us and compared bit by bit.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use super::judge::{Answer, Judge};

/// Number types that are out of scope: a model with one has to be refused by name.
const REFUSED: [&str; 3] = ["FLOAT8", "FLOAT6", "FLOAT4"];

/// Tests that the pinned ONNX package has of these operators, the refused ones included.
const TESTS: usize = 42;

/// A test of `node_tests.py`.
#[derive(Deserialize)]
struct NodeTest {
    name: String,
    /// ONNX's names for the types of its inputs, outputs and attributes.
    types: Vec<String>,
}

pub(crate) fn check(judge: &mut Judge<'_>) -> Result<()> {
    let directory = judge.file("node-tests");
    let tests: Vec<NodeTest> = judge.python.ask("node_tests.py", [&directory])?;
    ensure!(
        tests.len() >= TESTS,
        "ONNX's package has {} node tests of these operators, {TESTS} are known",
        tests.len()
    );
    for test in &tests {
        judge.subject(&test.name, |judge| one(judge, test));
    }
    Ok(())
}

fn one(judge: &mut Judge<'_>, test: &NodeTest) -> Result<()> {
    let directory = judge.file("node-tests").join(&test.name);
    let (model, inputs) = (directory.join("model.onnx"), directory.join("inputs"));
    let (ours, expected) = (directory.join("ours"), directory.join("expected"));
    if ours.exists() {
        fs::remove_dir_all(&ours).with_context(|| ours.display().to_string())?;
    }
    let arguments = ["run".as_ref(), model.as_os_str(), "--data".as_ref(), inputs.as_os_str(), "-o".as_ref()];
    let output = judge.quantize.output(arguments.into_iter().chain([ours.as_os_str()]))?;
    let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    let out_of_scope = test.types.iter().find(|name| REFUSED.iter().any(|refused| name.starts_with(refused)));
    let (asked, measured, passed) = match (out_of_scope, output.status.code()) {
        (Some(refused), code) => {
            let passed = code == Some(2) && message.contains(refused.as_str());
            ("refused by its number type, with exit code 2", format!("exit code {code:?}"), passed)
        }
        (None, Some(0)) => {
            let differences: Vec<String> = judge.python.ask("same_tensors.py", [&ours, &expected])?;
            let passed = differences.is_empty();
            ("the outputs, bit by bit", if passed { "the same".to_owned() } else { differences.join("; ") }, passed)
        }
        (None, code) => ("the outputs, bit by bit", format!("exit code {code:?}"), false),
    };
    let shortfall = if passed { 0.0 } else { 1.0 };
    let answer = Answer { measured, note: message, shortfall, details: json!(test.types) };
    judge.add(&test.name, "ONNX node test", asked.to_owned(), answer, passed);
    Ok(())
}

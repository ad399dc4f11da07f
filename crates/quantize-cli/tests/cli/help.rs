//! Help that can be believed.

use std::fs;

use crate::support::{digits, quantize, root, run, stderr, stdout, succeed};

/// In the order in which each finds the files it reads.
const COMMANDS: [&str; 15] = [
    "train",
    "runs",
    "prepare",
    "calibrate",
    "merge",
    "calibration show",
    "calibration diff",
    "emit",
    "validate",
    "verify",
    "run",
    "bench",
    "inspect",
    "doctor",
    "demo",
];

#[test]
fn every_example_runs_as_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("calibration-data/digits");
    fs::create_dir_all(&data).unwrap();
    for part in ["train.npz", "test.npz", "further.toml"] {
        fs::copy(digits().join(part), data.join(part)).unwrap();
    }
    fs::copy(root().join("mlp.toml"), directory.path().join("mlp.toml")).unwrap();
    for command in COMMANDS {
        let help = succeed(command.split(' ').chain(["--help"]));
        let (_, examples) = help.split_once("\nExample").unwrap_or_else(|| panic!("{help}"));
        let examples: Vec<&str> = examples.lines().filter_map(|line| line.trim().strip_prefix("quantize ")).collect();
        assert!(!examples.is_empty(), "{help}");
        for example in examples {
            let mut arguments: Vec<&str> = example.split_whitespace().collect();
            assert!(arguments.starts_with(&command.split(' ').collect::<Vec<_>>()), "{example}");
            if command == "bench" {
                arguments.extend(["--seconds", "0.01"]);
            }
            let output = quantize().args(arguments).current_dir(directory.path()).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{example}: {}", stderr(&output));
        }
    }
}

#[test]
fn the_list_of_commands_is_complete() {
    let help = succeed(["--help"]);
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let listed: Vec<&str> =
        list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    let mut commands: Vec<&str> = COMMANDS.iter().filter_map(|command| command.split(' ').next()).collect();
    commands.dedup();
    assert_eq!(listed[..commands.len()], commands);
    assert_eq!(listed[commands.len()..], ["help"]);
    assert_eq!(succeed(["--version"]), format!("quantize {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn misuse_is_exit_code_2() {
    let cases: [&[&str]; 9] = [
        &[],
        &["quantise"],
        &["inspect"],
        &["inspect", "a.onnx", "b.onnx"],
        &["demo", "--fast"],
        &["calibrate", "a.onnx", "--data", "d", "-o", "c.json", "--batch", "0"],
        &["validate", "a.onnx", "b.onnx", "--data", "d", "--metric", "top2"],
        &["validate", "a.onnx", "b.onnx", "--data", "d", "--max-drop", "nan"],
        &["bench", "a.onnx", "--batch", "1,,2"],
    ];
    for arguments in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

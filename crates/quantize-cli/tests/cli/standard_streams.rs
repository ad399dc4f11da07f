//! What goes to standard output and what to standard error.

use std::fs::OpenOptions;

use crate::support::{args, digits, files, quantize, run, stderr, stdout};

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for json in [false, true] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = quantize();
        command.arg("inspect").arg(&files().int8).stdout(writer).stderr(std::process::Stdio::piped());
        if json {
            command.arg("--json");
        }
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = quantize().arg("doctor").stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: cannot write to standard output"), "{}", stderr(&output));
}

#[test]
fn with_json_errors_stay_on_standard_error() {
    let output = run(["inspect", "no-such.onnx", "--json"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()));
    assert!(stderr(&output).starts_with("error: cannot read no-such.onnx"), "{}", stderr(&output));
}

#[test]
fn nothing_but_the_result_reaches_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let output = run(args!["calibrate", files().float, "--data", digits(), "-o", out]);
    assert_eq!(stderr(&output), "");
    assert!(!stdout(&output).contains('\u{1b}'));
}

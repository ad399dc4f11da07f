//! Calibrations that are killed or stopped, and go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{args, digits, files, names_in, quantize, refuse, run, stderr};

/// `calibrate` of the digits, slowed down by a checkpoint after every sample.
fn slow(out: &Path) -> Command {
    let mut command = quantize();
    command
        .args(args!["calibrate", files().float, "--data", digits(), "-o", out])
        .args(["--batch", "1", "--threads", "1", "--checkpoint-every", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn checkpoint(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// Starts the calibration and sends it `signal` once it has written a checkpoint other than the one before.
#[cfg(unix)]
fn interrupted(out: &Path, signal: &str, later: Duration) -> std::process::Output {
    let before = fs::read(checkpoint(out)).ok();
    let child = slow(out).spawn().unwrap();
    while fs::read(checkpoint(out)).ok() == before && !out.exists() {
        sleep(Duration::from_millis(1));
    }
    sleep(later);
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_killed_calibration_goes_on_and_ends_in_the_same_bytes() {
    let expected = fs::read(&files().calibration).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    for later in [0, 3, 17] {
        let output = interrupted(&out, "-KILL", Duration::from_millis(later));
        assert_eq!(output.status.code(), None, "it was not killed: {}", stderr(&output));
        assert!(!out.exists());
    }
    // The rest at full speed, in other batches and on more threads.
    let output = run(args!["calibrate", files().float, "--data", digits(), "-o", out, "--threads", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("going on after"), "{}", stderr(&output));
    assert!(fs::read(&out).unwrap() == expected);
    assert!(!checkpoint(&out).exists(), "nobody needs it any more");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let output = interrupted(&out, "-INT", Duration::ZERO);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("the same command goes on from"), "{}", stderr(&output));
    assert_eq!(names_in(directory.path()), ["c.json.checkpoint"]);
    let output = run(args!["calibrate", files().float, "--data", digits(), "-o", out]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::read(&out).unwrap() == fs::read(&files().calibration).unwrap());
}

#[cfg(unix)]
#[test]
fn a_checkpoint_of_another_run_or_a_damaged_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let again = || args!["calibrate", files().float, "--data", digits(), "-o", out].to_vec();
    interrupted(&out, "-KILL", Duration::ZERO);
    let whole = fs::read(checkpoint(&out)).unwrap();
    for more in [["--samples", "1000"], ["--shard", "1/2"], ["--scale", "1/16"], ["--until-stable", "3"]] {
        let arguments = again().into_iter().chain(more.map(Into::into));
        refuse(
            arguments,
            &["c.json.checkpoint cannot be continued", "other samples or options", "remove the checkpoint"],
        );
    }
    let prepared = directory.path().join("other.onnx");
    let (_directory, other) = crate::support::edited(&files().float, |graph| {
        graph.name = Some("other".to_owned());
    });
    fs::rename(other, &prepared).unwrap();
    refuse(args!["calibrate", prepared, "--data", digits(), "-o", out], &["another model"]);
    for bytes in [&whole[..whole.len() / 2], b"", b"{}"] {
        fs::write(checkpoint(&out), bytes).unwrap();
        refuse(again(), &["c.json.checkpoint", "not a valid checkpoint", "remove it"]);
        assert!(!out.exists());
    }
}

#[cfg(unix)]
#[test]
fn a_checkpoint_is_of_the_data_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("x.npy");
    let write = |first: f32| {
        let samples = ndarray::ArrayD::from_shape_fn(vec![3000, 64], |index| (index[0] * 64 + index[1]) as f32 % 17.0);
        let mut samples = samples;
        samples[[0, 0]] = first;
        fs::write(&data, dataset::write_npy(&samples.view())).unwrap();
    };
    write(1.0);
    let out = directory.path().join("c.json");
    let command = || args!["calibrate", files().float, "--data", directory.path().join("x.npy"), "-o", out];
    let mut child = quantize()
        .args(command())
        .args(["--batch", "1", "--threads", "1", "--checkpoint-every", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !checkpoint(&out).exists() && !out.exists() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists(), "it was done before it was killed");
    write(2.0);
    refuse(command(), &["c.json.checkpoint cannot be continued", "--data", "x.npy", "remove the checkpoint"]);
    write(1.0);
    let output = run(command());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("going on after"), "{}", stderr(&output));
}

/// A limit on the size of files stands for a disk that becomes full.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_while_a_checkpoint_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let limited = |blocks: &str, arguments: &[&str]| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let output = Command::new("bash")
            .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_quantize")])
            .args(args!["calibrate", files().float, "--data", digits(), "-o", out])
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), stderr(&output))
    };
    for arguments in [&["--checkpoint-every", "100"][..], &[]] {
        let (code, error) = limited("4", arguments);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("cannot write") && error.contains("c.json"), "{error}");
        assert!(names_in(directory.path()).is_empty(), "{:?}", names_in(directory.path()));
    }
}

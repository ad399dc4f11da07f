//! Trainings with a run directory: what they leave, and how they go on after whatever stopped them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use dataset::write_npy;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::support::{args, digits, json, names_in, quantize, refuse, root, run, stderr, succeed};

/// The configuration of the digits with these replacements, as a file in `directory`.
fn config(directory: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = fs::read_to_string(root().join("mlp.toml")).unwrap();
    for (from, to) in [("epochs = 40", "epochs = 4\nvalidation = 0.1")].iter().chain(changes) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = directory.join("net.toml");
    fs::write(&path, text).unwrap();
    path
}

fn records(run_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_leaves_its_configuration_its_metrics_and_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let [run_dir, out] = ["runs/one", "m.onnx"].map(|name| directory.path().join(name));
    let config = config(directory.path(), &[]);
    let report = json(args!["train", "--data", digits(), "--config", config, "--run-dir", run_dir, "-o", out]);
    let names = names_in(&run_dir);
    let expected = ["checkpoint.safetensors", "config.toml", "events", "metrics.csv", "metrics.jsonl", "run.json"];
    assert!(names.iter().zip(expected).all(|(name, expected)| name.starts_with(expected)), "{names:?}");
    assert_eq!(names.len(), expected.len());

    let records = records(&run_dir);
    assert_eq!(records.len(), 4);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["epoch"], index + 1);
        assert_eq!(record["loss"], report["losses"][index]);
        assert_eq!(record["validation_accuracy"], report["validation_accuracies"][index]);
        assert!(record["gradient_norm/fc3"].as_f64().unwrap() > 0.0 && record["learning_rate"].is_f64());
    }
    assert_eq!(fs::read_to_string(run_dir.join("metrics.csv")).unwrap().lines().count(), 5);
    let classes = report["classes"].as_array().unwrap();
    let counted: u64 = classes.iter().map(|class| class["samples"].as_u64().unwrap()).sum();
    assert_eq!((classes.len(), Some(counted)), (10, report["samples"].as_u64()));

    // What was used is what was given, with everything that was left out.
    let again = directory.path().join("again.onnx");
    succeed(args!["train", "--data", digits(), "--config", run_dir.join("config.toml"), "-o", again, "--threads", "1"]);
    assert!(fs::read(&again).unwrap() == fs::read(&out).unwrap());

    let compared = json(args!["runs", directory.path().join("runs")]);
    assert_eq!(compared["runs"][0]["test_accuracy"], report["test_accuracy"]);
    assert_eq!(compared["runs"][0]["parameters"], report["parameters"]);
    let used = args!["train", "--data", digits(), "--config", config, "--run-dir", run_dir, "-o", out];
    refuse(used, &["runs/one already holds a run", "--resume"]);
}

/// Starts a training of the digits and sends it `signal` as soon as its checkpoint is another one than before.
#[cfg(unix)]
fn interrupted(arguments: &[std::ffi::OsString], checkpoint: &Path, signal: &str, later: Duration) -> Output {
    let before = fs::read(checkpoint).ok();
    let child = quantize().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while fs::read(checkpoint).ok() == before {
        sleep(Duration::from_millis(1));
    }
    sleep(later);
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_killed_training_goes_on_and_ends_in_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let [run_dir, out, unbroken] = ["run", "m.onnx", "unbroken.onnx"].map(|name| directory.path().join(name));
    // Small batches make the epochs long enough to be killed in.
    let config = config(directory.path(), &[("epochs = 4", "epochs = 12"), ("batch_size = 16", "batch_size = 1")]);
    succeed(args!["train", "--data", digits(), "--config", config, "-o", unbroken]);
    let mut arguments =
        args!["train", "--data", digits(), "--config", config, "--run-dir", run_dir, "-o", out].to_vec();
    for later in [0, 3, 17] {
        let output =
            interrupted(&arguments, &run_dir.join("checkpoint.safetensors"), "-KILL", Duration::from_millis(later));
        assert_eq!(output.status.code(), None, "it was not killed: {}", stderr(&output));
        assert!(!out.exists());
        let last = records(&run_dir).len();
        let compared = json(args!["runs", run_dir]);
        assert_eq!(
            (compared["runs"][0]["finished"].as_bool(), compared["runs"][0]["epochs"].as_u64()),
            (Some(false), Some(last as u64))
        );
        if !arguments.contains(&"--resume".into()) {
            arguments.push("--resume".into());
        }
    }
    let output = interrupted(&arguments, &run_dir.join("checkpoint.safetensors"), "-INT", Duration::ZERO);
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("the same command with --resume goes on from"), "{}", stderr(&output));
    arguments.extend(["--threads".into(), "1".into()]);
    succeed(&arguments);
    assert!(fs::read(&out).unwrap() == fs::read(&unbroken).unwrap());
    let epochs: Vec<u64> = records(&run_dir).iter().map(|record| record["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (1..=12).collect::<Vec<_>>());
    let steps: Vec<Value> = records(&run_dir).iter().map(|record| record["step"].clone()).collect();
    assert_eq!(steps[11], 12 * 1080);
}

#[test]
fn a_finished_training_can_be_given_more_epochs_and_no_other_settings() {
    let directory = tempfile::tempdir().unwrap();
    let [run_dir, out] = ["run", "m.onnx"].map(|name| directory.path().join(name));
    let train = |config: &Path, more: &[&str]| {
        let arguments = args!["train", "--data", digits(), "--config", config, "--run-dir", run_dir, "-o", out];
        arguments.into_iter().chain(more.iter().map(Into::into)).collect::<Vec<_>>()
    };
    let four = config(directory.path(), &[]);
    succeed(train(&four, &[]));
    let whole = fs::read(&out).unwrap();
    // Nothing is left to do, and the configuration is the one that is kept.
    fs::remove_file(&out).unwrap();
    succeed(args!["train", "--data", digits(), "--run-dir", run_dir, "--resume", "-o", out]);
    assert!(fs::read(&out).unwrap() == whole);
    let report = json(train(&config(directory.path(), &[("epochs = 4", "epochs = 6")]), &["--resume"]));
    assert_eq!((report["epochs"].as_u64(), report["losses"].as_array().unwrap().len()), (Some(6), 6));

    let before = fs::read(run_dir.join("checkpoint.safetensors")).unwrap();
    let refused = |changes: &[(&str, &str)], texts: &[&str]| {
        let path = config(directory.path(), changes);
        refuse(
            train(&path, &["--resume"]),
            &[&["checkpoint.safetensors is the checkpoint of another training"], texts].concat(),
        );
    };
    refused(&[("units = 128", "units = 127")], &["`layer.fc2.units` to 128, this one to 127"]);
    refused(&[("3e-3", "4e-3")], &["`optimizer.learning_rate` to 0.003, this one to 0.004"]);
    let other_data = args!["train", "--data", digits(), "--scale", "1/2", "--run-dir", run_dir, "--resume", "-o", out];
    refuse(other_data, &["other samples"]);
    assert!(fs::read(run_dir.join("checkpoint.safetensors")).unwrap() == before);
    assert_eq!(records(&run_dir).len(), 6);

    for bytes in [&before[..before.len() / 2], b"", b"{}"] {
        fs::write(run_dir.join("checkpoint.safetensors"), bytes).unwrap();
        refuse(
            args!["train", "--data", digits(), "--run-dir", run_dir, "--resume", "-o", out],
            &["checkpoint.safetensors", "not a valid checkpoint", "remove it"],
        );
    }
    // Without a checkpoint there is nothing to go on from.
    fs::remove_file(run_dir.join("checkpoint.safetensors")).unwrap();
    let output = run(train(&config(directory.path(), &[]), &["--resume"]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("training starts anew"), "{}", stderr(&output));
    assert_eq!(records(&run_dir).len(), 4);
    assert!(fs::read(&out).unwrap() == whole);
}
/// A limit on the size of files stands for a disk that becomes full.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_while_the_state_is_written_keeps_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let [checkpoint, out] = ["c.safetensors", "m.onnx"].map(|name| directory.path().join(name));
    let arguments = |config: &Path| {
        args!["train", "--data", digits(), "--config", config, "--checkpoint", checkpoint, "-o", out].to_vec()
    };
    succeed(arguments(&config(directory.path(), &[("epochs = 4", "epochs = 2")])));
    let before = fs::read(&checkpoint).unwrap();
    fs::remove_file(&out).unwrap();
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let output = Command::new("bash")
        .args(["-c", script, "bash", env!("CARGO_BIN_EXE_quantize")])
        .args(arguments(&config(directory.path(), &[])))
        .arg("--resume")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("cannot write") && stderr(&output).contains("c.safetensors"),
        "{}",
        stderr(&output)
    );
    assert!(fs::read(&checkpoint).unwrap() == before);
    assert_eq!(names_in(directory.path()), ["c.safetensors", "net.toml"]);
}

/// Numbers whose training doubles its error with every step.
fn diverging(directory: &Path, epochs: usize) -> [PathBuf; 2] {
    use std::io::Write;
    let column = |value: fn(usize) -> f32| ArrayD::from_shape_fn(IxDyn(&[8, 1]), |index| value(index[0]));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, values) in [("x", column(|i| if i % 2 == 0 { 1.0 } else { -1.0 })), ("t", column(|i| i as f32))] {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&write_npy(&values.view())).unwrap();
    }
    let [data, config] = ["x.npz", "net.toml"].map(|name| directory.join(name));
    fs::write(&data, archive.finish().unwrap().into_inner()).unwrap();
    let text = format!(
        "epochs = {epochs}\nbatch_size = 8\nnormalize = \"none\"\nloss = \"mean-squared-error\"\ntarget = \"t\"\n\
         optimizer = {{ kind = \"sgd\", learning_rate = 1.5 }}\nlayer = [{{ kind = \"dense\", name = \"out\" }}]\n"
    );
    fs::write(&config, text).unwrap();
    [data, config]
}

#[test]
fn a_training_that_diverges_says_where_and_keeps_the_best_network() {
    let directory = tempfile::tempdir().unwrap();
    let [run_dir, out] = ["run", "m.onnx"].map(|name| directory.path().join(name));
    let [data, config] = diverging(directory.path(), 400);
    refuse(
        args!["train", "--data", data, "--config", config, "--run-dir", run_dir, "-o", out],
        &["net.toml", "diverged in epoch", "layer `out`", "run/best.onnx", "checkpoint.safetensors"],
    );
    assert!(!out.exists());
    // Every epoch was worse than the one before.
    let losses: Vec<f64> = records(&run_dir).iter().map(|record| record["loss"].as_f64().unwrap()).collect();
    assert!(losses.len() > 10 && losses.windows(2).all(|pair| pair[0] < pair[1]), "{losses:?}");
    let [data, config] = diverging(directory.path(), 1);
    succeed(args!["train", "--data", data, "--config", config, "-o", out]);
    let weights = |path: &Path| onnx_model::Model::open(path).unwrap().to_bytes();
    assert!(weights(&run_dir.join("best.onnx")) == weights(&out));
}

#[test]
fn a_learning_rate_is_found_and_its_curve_written() {
    let directory = tempfile::tempdir().unwrap();
    let [csv, svg] = ["rates.csv", "rates.svg"].map(|name| directory.path().join(name));
    let config = root().join("mlp.toml");
    let find = |out: &Path| args!["train", "--data", digits(), "--config", config, "--find-rate", out];
    let report = json(find(&csv));
    let [proposal, diverged] = ["proposal", "diverged"].map(|name| report[name].as_f64().unwrap());
    assert_eq!(proposal, diverged / 2.0);
    // The rate of the configuration, which learns well, is no larger.
    assert!((3e-3..1.0).contains(&proposal), "{proposal}");
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), report["points"].as_array().unwrap().len() + 1);
    assert!(succeed(find(&svg)).contains("proposed: learning_rate = "));
    assert!(fs::read_to_string(&svg).unwrap().starts_with("<svg"));
    refuse(find(&directory.path().join("missing/rates.csv")), &["cannot write"]);
    let both = run(find(&csv).into_iter().chain(["-o".into(), "m.onnx".into()]));
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn arguments_that_do_not_go_together() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("m.onnx");
    let config = root().join("mlp.toml");
    refuse(
        args!["train", "--data", digits(), "--config", config, "--resume", "-o", out],
        &["--run-dir or --checkpoint"],
    );
    let missing = directory.path().join("missing");
    refuse(
        args!["train", "--data", digits(), "--run-dir", missing, "--resume", "-o", out],
        &["missing", "config.toml"],
    );
    let checkpoint = missing.join("c");
    refuse(
        args!["train", "--data", digits(), "--config", config, "--checkpoint", checkpoint, "-o", out],
        &["cannot write"],
    );
    let output = run(args!["train", "--data", digits(), "-o", out]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--config"), "{}", stderr(&output));
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn classes_with_few_samples_are_pointed_out() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("x.csv");
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", i % 7, usize::from(i % 10 == 0))).collect();
    fs::write(&data, format!("a,b,label\n{rows}")).unwrap();
    let [config, out] = ["net.toml", "m.onnx"].map(|name| directory.path().join(name));
    let text = "epochs = 1\nbatch_size = 8\noptimizer = { kind = \"sgd\", learning_rate = 0.1 }\n\
                layer = [{ kind = \"dense\", name = \"out\" }]\n";
    fs::write(&config, text).unwrap();
    let output = run(args!["train", "--data", data, "--config", config, "-o", out]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warning = "warning: class 0 has 36 samples, class 1 only 4; to count them alike set \
                   loss = { kind = \"cross-entropy\", class_weights = \"balanced\" }";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    // The advice is one that can be followed.
    fs::write(&config, format!("loss = {{ kind = \"cross-entropy\", class_weights = \"balanced\" }}\n{text}")).unwrap();
    succeed(args!["train", "--data", data, "--config", config, "-o", out]);
}

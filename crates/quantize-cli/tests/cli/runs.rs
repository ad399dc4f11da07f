//! Comparing trainings by what they left in their directories.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{args, json, names_in, quantize, refuse, stderr, succeed};

/// A run directory as `train --run-dir` leaves it, with the given rate and losses.
fn run_directory(parent: &Path, name: &str, rate: &str, losses: &[f64]) -> PathBuf {
    let directory = parent.join(name);
    fs::create_dir_all(&directory).unwrap();
    let config = format!(
        "seed = 1\nepochs = 3\n[optimizer]\nkind = \"sgd\"\nlearning_rate = {rate}\n\
         [[layer]]\nkind = \"dense\"\nname = \"fc1\"\nunits = 4\n"
    );
    fs::write(directory.join("config.toml"), config).unwrap();
    let lines: String = (1..)
        .zip(losses)
        .map(|(epoch, loss)| {
            format!(
                "{{\"epoch\":{epoch},\"step\":{},\"seconds\":{},\"loss\":{loss},\"validation_loss\":{},\
                 \"validation_accuracy\":{},\"learning_rate\":{rate},\"gradient_norm/fc1\":{loss}}}\n",
                10 * epoch,
                0.5 * epoch as f64,
                2.0 * loss,
                100.0 - 10.0 * loss
            )
        })
        .collect();
    fs::write(directory.join("metrics.jsonl"), lines).unwrap();
    if losses.len() == 3 {
        let info = "{\"version\": \"0.1.0\", \"data\": \"d\", \"samples\": 100, \"parameters\": 1234, \"finished\": true, \
                    \"test_loss\": 0.5, \"test_accuracy\": 97.5}";
        fs::write(directory.join("run.json"), info).unwrap();
    }
    directory
}

fn two_runs() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    run_directory(directory.path(), "slow", "0.01", &[1.5, 0.75, 1.0]);
    run_directory(directory.path(), "fast <&>", "0.1", &[0.5, 0.25]);
    directory
}

#[test]
fn figures_and_differing_settings_side_by_side() {
    let directory = two_runs();
    let text = succeed(args!["runs", directory.path()]);
    assert_eq!(
        text,
        " Run        Epochs   Seconds   Parameters     Loss   Accuracy   Best val. loss   Best val. accuracy      Test
--------------------------------------------------------------------------------------------------------------
 fast <&>   2 of 3       1.0            -   0.2500          -        0.5000 @2           97.50 % @2         -
 slow            3       1.5        1,234    1.000          -         1.500 @2           92.50 % @2   97.50 %

Settings that differ
 Setting                   Value   Runs
--------------------------------------------
 optimizer.learning_rate   0.1     fast <&>
                           0.01    slow
"
    );
}

#[test]
fn json_has_the_course_of_every_metric() {
    let directory = two_runs();
    let report = json(args!["runs", directory.path().join("slow"), directory.path().join("fast <&>")]);
    let [slow, fast] = [&report["runs"][0], &report["runs"][1]];
    assert_eq!((slow["name"].as_str(), slow["finished"].as_bool()), (Some("slow"), Some(true)));
    assert_eq!((fast["finished"].as_bool(), fast["epochs_planned"].as_u64()), (Some(false), Some(3)));
    let metric = |run: &serde_json::Value, name: &str| {
        let found = run["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name).unwrap().clone();
        (found["last"].as_f64().unwrap(), found["best"].as_f64().unwrap(), found["best_epoch"].as_u64().unwrap())
    };
    assert_eq!(metric(slow, "loss"), (1.0, 0.75, 2));
    assert_eq!(metric(slow, "validation_accuracy"), (90.0, 92.5, 2));
    assert_eq!(metric(fast, "gradient_norm/fc1"), (0.25, 0.25, 2));
    assert_eq!(report["differences"][0]["setting"], "optimizer.learning_rate");
    assert_eq!(report["differences"][0]["values"], serde_json::json!(["0.01", "0.1"]));
}

#[test]
fn one_picture_and_one_page_that_need_no_other_file() {
    let directory = two_runs();
    let [html, svg] = ["o.html", "o.svg"].map(|name| directory.path().join(name));
    succeed(args!["runs", directory.path(), "--html", html, "--svg", svg]);
    let [page, picture] = [&html, &svg].map(|path| fs::read_to_string(path).unwrap());
    for text in [&page, &picture] {
        assert!(!text.contains("<script") && !text.contains("href") && !text.contains("src="));
        assert!(text.contains("fast &lt;&amp;&gt;") && !text.contains("fast <&>"));
        assert!(text.contains("prefers-color-scheme:dark"));
    }
    // Loss of both runs with their validation; the rates, which have none; no accuracy of the training samples was written.
    assert_eq!(picture.matches("<path").count(), 2 * 2 + 2 + 2);
    assert!(picture.contains(">loss</text>") && picture.contains(">validation</text>"));
    assert!(!picture.contains("gradient_norm"));
    assert!(page.contains("<svg") && page.contains("optimizer.learning_rate"));

    succeed(args!["runs", directory.path(), "--svg", svg, "--metric", "gradient_norm"]);
    let picture = fs::read_to_string(&svg).unwrap();
    assert!(picture.contains(">gradient_norm/fc1</text>") && !picture.contains(">loss</text>"));
    assert_eq!(picture.matches("<path").count(), 2);
    let texts = ["--metric", "`gradient`", "loss, accuracy, learning_rate, gradient_norm/fc1"];
    refuse(args!["runs", directory.path(), "--metric", "gradient"], &texts);
}

#[test]
fn directories_that_hold_no_run_are_named() {
    let directory = two_runs();
    let slow = directory.path().join("slow");
    let path = |name: &str| slow.join(name);
    refuse(args!["runs", directory.path().join("none")], &["none"]);
    let empty = tempfile::tempdir().unwrap();
    refuse(args!["runs", empty.path()], &["holds no run", "--run-dir"]);
    let metrics = fs::read_to_string(path("metrics.jsonl")).unwrap();
    for (text, reason) in
        [("", "empty"), (&metrics[..20], "cut off"), ("{\"epoch\":1}\n", "line 1"), ("\0\u{ff}\n", "line 1")]
    {
        fs::write(path("metrics.jsonl"), text).unwrap();
        refuse(args!["runs", slow], &["slow/metrics.jsonl", reason]);
    }
    fs::remove_file(path("metrics.jsonl")).unwrap();
    refuse(args!["runs", slow], &["cannot read", "slow/metrics.jsonl"]);
    fs::write(path("metrics.jsonl"), &metrics).unwrap();
    for (name, texts) in [("run.json", ["{}", "{\"version\"", "[]"]), ("config.toml", ["a = ", "\"", "a = 1\na = 2"])] {
        let before = fs::read(path(name)).unwrap();
        for text in texts {
            fs::write(path(name), text).unwrap();
            refuse(args!["runs", slow], &[name]);
        }
        fs::write(path(name), before).unwrap();
    }
    fs::remove_file(path("config.toml")).unwrap();
    refuse(args!["runs", slow], &["slow", "no config.toml"]);
    let out = directory.path().join("missing/o.svg");
    refuse(args!["runs", directory.path().join("fast <&>"), "--svg", out], &["cannot write", "missing/o.svg"]);
    let out = directory.path().join("o.svg");
    refuse(args!["runs", directory.path().join("fast <&>"), "--svg", out, "--html", out], &["same file"]);
    assert_eq!(names_in(directory.path()), ["fast <&>", "slow"]);
}

#[test]
fn a_last_line_that_was_not_finished_is_left_out_with_a_warning() {
    let directory = two_runs();
    let slow = directory.path().join("slow");
    let metrics = fs::read_to_string(slow.join("metrics.jsonl")).unwrap();
    fs::write(slow.join("metrics.jsonl"), &metrics[..metrics.len() - 5]).unwrap();
    let output = quantize().args(args!["--json", "runs", slow]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("metrics.jsonl: the last line is cut off"), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["runs"][0]["epochs"], 2);
}

#[test]
fn values_without_a_place_leave_gaps() {
    let directory = tempfile::tempdir().unwrap();
    let slow = run_directory(directory.path(), "slow", "0.01", &[1.5, 0.75, 1.0]);
    let lines: String = ["1.0", "null", "2.0", "1e999", "1e308"]
        .iter()
        .enumerate()
        .filter(|(_, value)| **value != "1e999")
        .map(|(index, value)| format!("{{\"epoch\":{},\"step\":1,\"seconds\":0,\"loss\":{value}}}\n", index + 1))
        .collect();
    fs::write(slow.join("metrics.jsonl"), lines).unwrap();
    let svg = directory.path().join("o.svg");
    succeed(args!["runs", slow, "--svg", svg]);
    let picture = fs::read_to_string(&svg).unwrap();
    let (_, path) = picture.split_once("<path d=\"").unwrap();
    let (path, _) = path.split_once('"').unwrap();
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 0), "{path}");
}

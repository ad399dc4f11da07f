//! Calibrations over parts of the samples, and what they merge to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{args, digits, file, files, json, names_in, refuse, root, run, stderr, succeed};

/// Calibrates on one shard of the digits.
fn shard(directory: &Path, shard: &str) -> PathBuf {
    let out = directory.join(format!("part-{}.json", shard.replace('/', "-of-")));
    json(args!["calibrate", files().float, "--data", digits(), "--shard", shard, "-o", out]);
    out
}

#[test]
fn all_shards_are_the_whole_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("all.json");
    let parts = ["1/3", "2/3", "3/3"].map(|part| shard(directory.path(), part));
    let whole = fs::read(&files().calibration).unwrap();
    for order in [[0, 1, 2], [2, 0, 1]] {
        let [a, b, c] = order.map(|part| &parts[part]);
        let report = json(args!["merge", a, b, c, "-o", out]);
        assert_eq!((&report["samples"], &report["shards"]), (&1200.into(), &serde_json::Value::Null));
        assert!(fs::read(&out).unwrap() == whole, "{order:?}");
    }
    // Two merged first are still a part.
    let text = succeed(args!["merge", parts[2], parts[0], "-o", out]);
    assert!(text.contains("shards 1, 3 of 3; merge the others too"), "{text}");
    let int8 = directory.path().join("int8.onnx");
    let output = run(args!["emit", files().float, "--calibration", out, "-o", int8]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("has seen shards 1, 3 of 3 only"), "{}", stderr(&output));
    let rest = directory.path().join("rest.json");
    json(args!["merge", out, parts[1], "-o", rest]);
    assert!(fs::read(rest).unwrap() == whole);
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("all.json");
    let [first, second, half] = ["1/3", "2/3", "1/2"].map(|part| shard(directory.path(), part));
    let fashion = directory.path().join("fashion.json");
    let data = root().join("calibration-data/fashion-mnist");
    json(args!["calibrate", data.join("mlp.onnx"), "--data", data, "--samples", "50", "-o", fashion]);
    let text = fs::read_to_string(&second).unwrap();
    let (_older_directory, older) =
        file("older.json", text.replacen("\"format_version\":2", "\"format_version\":1", 1).as_bytes());
    let before = names_in(directory.path());
    for (other, texts) in [
        (&first, ["part-1-of-3.json", "both have seen shard 1 of 3"]),
        (&half, ["part-1-of-2.json", "one is of 3 shards, the other of 2"]),
        (&fashion, ["fashion.json", "another model"]),
        (&older, ["older.json", "format version 1, this build reads version 2"]),
        (&files().calibration, ["digits.calibration.json", "whole data set"]),
    ] {
        refuse(args!["merge", first, other, "-o", out], &texts);
    }
    let whole = &files().calibration;
    refuse(args!["merge", whole, whole, "-o", out], &["the same 1200 samples"]);
    refuse(args!["merge", first, second, "-o", first], &["part-1-of-3.json", "this is the input file"]);
    assert_eq!(names_in(directory.path()), before);
    let nothing = run(args!["merge", "-o", out]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("<JSON>..."), "{}", stderr(&nothing));
}

#[test]
fn shards_are_numbered_from_1_to_their_count() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    for shard in ["0/3", "4/3", "1/0", "1", "x"] {
        let output = run(args!["calibrate", files().float, "--data", digits(), "--shard", shard, "-o", out]);
        assert_eq!(output.status.code(), Some(2), "{shard}");
        assert!(stderr(&output).contains("shard"), "{}", stderr(&output));
    }
    let few = args!["calibrate", files().float, "--data", digits(), "--shard", "1201/1300", "-o", out];
    refuse(few, &["no samples in shard 1201/1300", "fewer shards"]);
    assert!(names_in(directory.path()).is_empty());
}

//! Looking at calibration files.

use crate::support::{args, digits, files, json, refuse, root, run, stderr, succeed};

#[test]
fn a_file_is_shown_as_it_was_when_it_was_made() {
    let calibration = &files().calibration;
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let made = succeed(args!["calibrate", files().float, "--data", digits(), "-o", out]);
    let shown = succeed(args!["calibration", "show", calibration]);
    let table = |text: &str| text.split("\n\n").next().unwrap().to_owned();
    assert_eq!(table(&shown), table(&made));
    assert!(shown.contains("1,200 samples") && !shown.contains('\u{1b}'), "{shown}");
    assert!(shown.lines().any(|line| line.contains("fc1") && line.contains('█')), "{shown}");

    let report = json(args!["calibration", "show", calibration]);
    assert_eq!(report["samples"], 1200);
    let x = &report["tensors"][0];
    assert_eq!((&x["name"], &x["kind"], &x["max"]), (&"x".into(), &"activation".into(), &16.0.into()));
    let counted: u64 = x["histogram"]
        .as_array()
        .unwrap()
        .iter()
        .map(|octave| octave["in_range"].as_u64().unwrap() + octave["underflow"].as_u64().unwrap())
        .sum();
    assert_eq!(counted + x["zeros"].as_u64().unwrap(), 1200 * 64);
    assert_eq!(report["tensors"][1]["channels"].as_array().unwrap().len(), 256);
}

#[test]
fn csv_has_the_columns_of_the_table_and_all_digits() {
    let text = succeed(args!["calibration", "show", files().calibration, "--csv"]);
    let mut lines = text.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("Optimized Layer Name,Network Layer Name,Learnables / Activations,MinValue,MaxValue,Tensor,")
    );
    assert!(lines.next().unwrap().starts_with("x,x,Activations,0,16,x,"), "{text}");
    assert_eq!(text.lines().count(), 11);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let made = succeed(args!["calibrate", files().float, "--data", digits(), "-o", out, "--csv"]);
    assert_eq!(made, text);
    let both = run(args!["calibration", "show", files().calibration, "--csv", "--json"]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
}

#[test]
fn one_tensor_is_shown_with_the_ranges_of_all_methods() {
    let calibration = &files().calibration;
    let text = succeed(args!["calibration", "show", calibration, "fc1.relu.output"]);
    for part in ["minmax", "percentile 99.99", "entropy", "mse", "power-of-two-histogram", "256 channels", "2^0"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let narrow = succeed(args!["calibration", "show", calibration, "fc1.relu.output", "--range", "percentile=90"]);
    assert!(narrow.contains("percentile 90") && narrow.contains("% clipped"), "{narrow}");
    let report = json(args!["calibration", "show", calibration, "fc1.relu.output"]);
    assert_eq!(report["ranges"].as_array().unwrap().len(), 6);
    refuse(args!["calibration", "show", calibration, "fc9"], &["no tensor \"fc9\"", "\"fc1.weight\""]);
    let unknown = run(args!["calibration", "show", calibration, "--range", "median"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("`entropy`"), "{}", stderr(&unknown));
}

#[test]
fn differences_are_told_tensor_by_tensor() {
    let directory = tempfile::tempdir().unwrap();
    let few = directory.path().join("few.json");
    json(args!["calibrate", files().float, "--data", digits(), "--samples", "100", "-o", few]);
    let text = succeed(args!["calibration", "diff", files().calibration, few]);
    assert!(text.contains("A has 1,200 samples, B 100") && text.contains("of one model and differ"), "{text}");
    assert!(text.lines().any(|line| line.contains("fc1.weight") && line.ends_with("same")), "{text}");
    let report = json(args!["calibration", "diff", files().calibration, few]);
    assert!(report["tensors"].as_array().unwrap().iter().any(|tensor| tensor["percent"].as_f64().unwrap() > 1.0));
    let same = succeed(args!["calibration", "diff", few, few]);
    assert!(same.contains("the calibrations are equal"), "{same}");
    let csv = succeed(args!["calibration", "diff", files().calibration, few, "--csv"]);
    assert!(csv.starts_with("Tensor,Layer,MinValue A,"), "{csv}");

    let fashion = directory.path().join("fashion.json");
    let data = root().join("calibration-data/fashion-mnist");
    json(args!["calibrate", data.join("mlp.onnx"), "--data", data, "--samples", "50", "-o", fashion]);
    let text = succeed(args!["calibration", "diff", few, fashion]);
    assert!(text.contains("different models"), "{text}");
}

/// A tensor of one value is as wide as that value is far from 0.
#[test]
fn constants_that_differ_do_so_by_a_number() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = [3.0, 4.0].map(|value| {
        let samples = ndarray::ArrayD::from_elem(vec![20, 64], value);
        let (_directory, path) = crate::support::file("x.npy", &dataset::write_npy(&samples.view()));
        let out = directory.path().join(format!("{value}.json"));
        json(args!["calibrate", files().float, "--data", path, "-o", out]);
        out
    });
    let report = json(args!["calibration", "diff", a, b]);
    assert_eq!(report["tensors"][0]["percent"], serde_json::json!(25.0), "{report}");
}

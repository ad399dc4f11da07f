//! Calibrations, recipes and training configurations that are none, or belong elsewhere.

use std::fs;

use crate::support::{args, digits, file, files, names_in, refuse, root};

#[test]
fn bytes_that_are_no_calibration() {
    let whole = fs::read(&files().calibration).unwrap();
    let newer = String::from_utf8(whole.clone()).unwrap().replacen("\"format_version\":2", "\"format_version\":3", 1);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("int8.onnx");
    for bytes in [&[][..], &whole[..whole.len() / 2], b"\xff\x00\x17", b"{}", newer.as_bytes()] {
        let (_directory, path) = file("broken.json", bytes);
        refuse(args!["emit", files().float, "--calibration", path, "-o", out], &["broken.json"]);
    }
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_calibration_of_another_model() {
    let fashion = root().join("calibration-data/fashion-mnist/mlp.onnx");
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("int8.onnx");
    let texts = ["mlp.onnx", "digits.calibration.json", "another model"];
    refuse(args!["emit", fashion, "--calibration", files().calibration, "-o", out], &texts);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn recipes_that_mean_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("int8.onnx");
    let cases: [(&[u8], &[&str]); 7] = [
        (b"[[layer]]\nmatch = \"fc9*\"\nprecision = \"float\"\n", &["\"fc9*\"", "\"fc1\", \"fc2\", \"fc3\""]),
        (b"range = \"minmax\"\nactivation = \"u8\"\n", &["line 2", "`activation`", "`activations`"]),
        (b"range = \"median\"\n", &["median"]),
        (b"range = \n", &["line 1"]),
        (b"[[layer]]\nmatch = \"fc[\"\n", &["line 2", "pattern"]),
        (b"\x00\xfe\xff", &[]),
        (b"[[layer]]\nmatch = \"*\"\nprecision = \"float\"\n", &["nothing to quantize"]),
    ];
    for (bytes, texts) in cases {
        let (_directory, path) = file("recipe.toml", bytes);
        let texts: Vec<&str> = [&["recipe.toml"], texts].concat();
        refuse(args!["emit", files().float, "--calibration", files().calibration, "--recipe", path, "-o", out], &texts);
    }
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn training_configurations_that_mean_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("m.onnx");
    let good = fs::read_to_string(root().join("mlp.toml")).unwrap();
    let cases = [
        (String::new(), "missing"),
        (good.replace("epochs = 40", "epochs = 0"), "epochs"),
        (good.replace("epochs = 40", "epoch = 40"), "epoch"),
        (
            good.replace("learning_rate = 3e-3", "learning_rate = 1e30")
                .replace("weight_decay = 0.2", "weight_decay = 0.0"),
            "diverged",
        ),
        (good.replace("name = \"fc3\"", "name = \"fc1\""), "two layers are named `fc1`"),
        (good.replace("name = \"fc3\"", "name = \"fc3\"\nunits = 4"), "layer `fc3` has 4 units"),
    ];
    for (text, expected) in cases {
        let (_directory, path) = file("net.toml", text.as_bytes());
        refuse(args!["train", "--data", digits(), "--config", path, "-o", out], &["net.toml", expected]);
    }
    assert!(names_in(directory.path()).is_empty());
}

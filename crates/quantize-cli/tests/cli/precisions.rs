//! Models that are emitted without a calibration.

use serde_json::Value;

use crate::support::{args, digits, files, json, refuse, succeed};

#[test]
fn each_precision_is_emitted_validated_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    for (precision, step, largest_share) in [
        ("dynamic", "f32 quantized by its range, u8 x s8 -> f32", 0.31),
        ("int8-weights", "f32 x s8", 0.31),
        ("int4-weights", "f32 x s4 in blocks of 32", 0.21),
    ] {
        let out = directory.path().join(format!("{precision}.onnx"));
        let report = json(args!["emit", files().float, "--precision", precision, "-o", &out]);
        let layers = report["layers"].as_array().unwrap();
        assert!(layers.iter().all(|layer| layer["precision"] == precision), "{report}");
        let share = report["bytes_int8"].as_f64().unwrap() / report["bytes_float"].as_f64().unwrap();
        assert!(share < largest_share, "{precision}: {share}");
        let text = succeed(args!["inspect", &out]);
        assert_eq!(text.matches(step).count(), layers.len(), "{text}");
        assert!(!text.contains("float runtime"), "{text}");
        succeed(args!["validate", files().float, &out, "--data", digits(), "--max-drop", "0.6"]);
        let report = json(args!["verify", &out]);
        assert_eq!((&report["verdict"], &report["recorded"]), (&Value::from("pass"), &Value::Bool(true)), "{report}");
    }
}

#[test]
fn int8_without_a_calibration_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("int8.onnx");
    let asked = args!["emit", files().float, "-o", &out];
    refuse(asked, &["\"fc1\"", "quantize calibrate", "--precision"]);
    assert!(!out.exists());
    refuse(args!["emit", files().float, "--precision", "int3", "-o", &out], &["int4-weights"]);
}

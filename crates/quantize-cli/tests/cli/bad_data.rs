//! Files that are no samples, and samples that do not fit.

use std::fs;
use std::path::Path;

use dataset::write_npy;
use ndarray::{Array, ArrayD, IxDyn};

use crate::support::{args, digits, file, files, json, names_in, quantize, refuse, root, stderr};

/// The commands that read samples refuse `data` with `texts` and write nothing.
#[track_caller]
fn refused(data: &Path, texts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let files = files();
    let config = root().join("mlp.toml");
    refuse(args!["train", "--data", data, "--config", config, "-o", out("m.onnx")], texts);
    refuse(args!["calibrate", files.float, "--data", data, "-o", out("c.json")], texts);
    refuse(args!["validate", files.float, files.int8, "--data", data], texts);
    refuse(args!["run", files.int8, "--data", data, "-o", out("y.npy")], texts);
    refuse(args!["bench", files.int8, "--data", data, "--seconds", "0.01"], texts);
    assert!(names_in(directory.path()).is_empty());
}

fn npy(shape: &[usize], value: impl Fn(usize) -> f32) -> Vec<u8> {
    let count = shape.iter().product();
    let array: ArrayD<f32> = Array::from_shape_vec(IxDyn(shape), (0..count).map(value).collect()).unwrap();
    write_npy(&array.view())
}

#[test]
fn bytes_that_are_no_samples() {
    let fashion = root().join("calibration-data/fashion-mnist/test-images-idx3-ubyte.gz");
    let whole = [
        ("x.npz", fs::read(digits().join("test.npz")).unwrap()),
        ("x.npy", npy(&[9, 64], |i| i as f32)),
        ("x-images-idx3-ubyte.gz", fs::read(fashion).unwrap()),
        ("x.csv", b"a,b,label\n1,2,0\n3".to_vec()),
    ];
    for (name, bytes) in &whole {
        let noise: Vec<u8> = (0..2048_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let truncated = if *name == "x.csv" { bytes.clone() } else { bytes[..bytes.len() / 2].to_vec() };
        for broken in [Vec::new(), truncated, noise] {
            let (_directory, path) = file(name, &broken);
            refused(&path, &[path.to_str().unwrap()]);
        }
    }
    refused(Path::new("no-such.npz"), &["no-such.npz"]);
    let (_directory, path) = file("x.txt", b"1 2 3");
    refused(&path, &["x.txt", "supported are"]);
    let empty = tempfile::tempdir().unwrap();
    refused(empty.path(), &["has no part"]);
}

#[test]
fn an_array_that_claims_more_than_its_file_holds() {
    let mut bytes = npy(&[100, 64], |_| 1.0);
    let position = bytes.windows(3).position(|text| text == b"100").unwrap();
    bytes[position..position + 3].copy_from_slice(b"999");
    let (_directory, path) = file("x.npy", &bytes);
    refused(&path, &["x.npy"]);
}

#[test]
fn no_samples_at_all() {
    let (_directory, path) = file("x.npy", &npy(&[0, 64], |_| 0.0));
    refused(&path, &["x.npy", "at least one sample"]);
    let (_directory, path) = file("x.csv", b"a,b,label\n");
    refused(&path, &["x.csv"]);
}

#[test]
fn samples_of_another_width() {
    let (_directory, path) = file("x.npy", &npy(&[3, 63], |_| 1.0));
    let directory = tempfile::tempdir().unwrap();
    let texts = ["x.npy", "digits", "samples of shape [63]", "[64]"];
    refuse(args!["calibrate", files().float, "--data", path, "-o", directory.path().join("c.json")], &texts);
    refuse(args!["run", files().int8, "--data", path, "-o", directory.path().join("y.npy")], &texts);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn an_input_that_the_data_lacks() {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("pixels.npy", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&npy(&[3, 64], |_| 1.0)).unwrap();
    let (_directory, path) = file("x.npz", &archive.finish().unwrap().into_inner());
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    refuse(args!["calibrate", files().float, "--data", path, "-o", out], &["x.npz", "input `x`", "`pixels`"]);
}

#[test]
fn numbers_that_are_not_finite_are_counted_and_poison_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let samples = npy(&[4, 64], |i| match i {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => f32::NEG_INFINITY,
        _ => (i % 17) as f32,
    });
    let (_directory, path) = file("x.npy", &samples);
    let arguments = args!["calibrate", files().float, "--data", path, "-o", out];
    let report = json(&arguments);
    let x = &report["tensors"][0];
    assert_eq!((x["nans"].as_u64(), x["infs"].as_u64()), (Some(1), Some(2)), "{x}");
    assert_eq!((x["min"].as_f64(), x["max"].as_f64()), (Some(0.0), Some(16.0)), "{x}");
    let output = quantize().args(&arguments).output().unwrap();
    assert!(stderr(&output).contains("warning: tensor \"x\": 1 NaN and 2 infinite of 256"), "{}", stderr(&output));
}

#[test]
fn a_tensor_without_a_finite_value() {
    let directory = tempfile::tempdir().unwrap();
    let (_directory, path) = file("x.npy", &npy(&[4, 64], |_| f32::NAN));
    let out = directory.path().join("c.json");
    refuse(args!["calibrate", files().float, "--data", path, "-o", out], &["x.npy", "tensor \"x\"", "none of its 256"]);
    let (_directory, path) = file("x.csv", b"a,b,label\nnan,1,0\n");
    let config = root().join("mlp.toml");
    let model = directory.path().join("m.onnx");
    refuse(args!["train", "--data", path, "--config", config, "-o", model], &["x.csv", "NaN"]);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn labels_that_are_no_classes_of_the_model() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("x.npy");
    fs::write(&data, npy(&[2, 64], |_| 1.0)).unwrap();
    let validate = args!["validate", files().float, files().int8, "--data", data];
    refuse(&validate, &["x.npy", "no labels", "agreement"]);
    fs::write(directory.path().join("x.labels.npy"), npy(&[2], |i| 3.0 + 7.0 * i as f32)).unwrap();
    refuse(&validate, &["x.npy", "sample 1 has the label 10", "10 classes"]);
    fs::write(directory.path().join("x.labels.npy"), npy(&[2], |_| 0.5)).unwrap();
    refuse(&validate, &["x.labels.npy", "0.5"]);
    fs::write(directory.path().join("x.labels.npy"), npy(&[3], |_| 0.0)).unwrap();
    refuse(&validate, &["x.npy", "3 labels for 2 samples"]);
}

#[test]
fn flags_that_make_no_sense() {
    let directory = tempfile::tempdir().unwrap();
    let calibrate = args!["calibrate", files().float, "--data", digits(), "-o", directory.path().join("c.json")];
    for (flags, text) in [
        (["--scale", "1/0"], "--scale"),
        (["--samples", "0"], "--samples"),
        (["--part", "validation"], "use train, calibration or test"),
        (["--label-column", "digit"], "`digit`"),
    ] {
        refuse(calibrate.iter().cloned().chain(flags.map(Into::into)), &[text]);
    }
    assert!(names_in(directory.path()).is_empty());
}

//! The data sets that ship with the project, and arrays written by NumPy.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use dataset::{Dataset, OpenOptions, Part};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../calibration-data").join(name)
}

fn open(name: &str, part: Part) -> Dataset {
    Dataset::open(shipped(name), &OpenOptions::new(part)).unwrap()
}

fn per_class(dataset: &Dataset) -> Vec<usize> {
    let mut counts = vec![0; dataset.class_count().unwrap()];
    dataset.labels().unwrap().iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

fn sum(dataset: &Dataset) -> f64 {
    dataset.inputs()[0].samples.iter().map(|&value| f64::from(value)).sum()
}

/// The counts and sums come from NumPy.
#[test]
fn digits() {
    let train = open("digits", Part::Train);
    assert_eq!(train.input("x").unwrap().samples.shape(), [1200, 64]);
    assert_eq!(per_class(&train), [123, 117, 115, 124, 109, 137, 118, 112, 124, 121]);
    assert_eq!(sum(&train), 375_742.0);
    assert_eq!(train.inputs()[0].samples.as_slice().unwrap()[..5], [0.0, 0.0, 11.0, 16.0, 15.0]);
    assert_eq!(train.labels().unwrap()[..10], [2, 8, 2, 6, 6, 7, 1, 9, 8, 5]);

    let test = open("digits", Part::Test);
    assert_eq!(test.input("x").unwrap().samples.shape(), [597, 64]);
    assert_eq!(per_class(&test), [55, 65, 62, 59, 72, 45, 63, 67, 50, 59]);
    assert_eq!(sum(&test), 185_976.0);

    assert_eq!(open("digits", Part::Calibration), train);
    let bytes = include_bytes!("../../../calibration-data/digits/train.npz");
    assert_eq!(Dataset::from_npz("digits/train.npz", bytes).unwrap(), train);
}

/// The counts and sums come from NumPy.
#[test]
fn fashion_mnist() {
    let calibration = open("fashion-mnist", Part::Calibration);
    assert_eq!(calibration.input("x").unwrap().samples.shape(), [1000, 28, 28]);
    assert_eq!(per_class(&calibration), [100; 10]);
    assert_eq!(sum(&calibration), 57_441_455.0);
    assert_eq!(calibration.labels().unwrap()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);

    let test = open("fashion-mnist", Part::Test);
    assert_eq!(test.input("x").unwrap().samples.shape(), [2000, 28, 28]);
    assert_eq!(per_class(&test), [200; 10]);
    assert_eq!(sum(&test), 114_072_606.0);

    let rows = test.shape_samples("image", &[784]).unwrap();
    assert_eq!(rows.inputs()[0].samples.shape(), [2000, 784]);

    let error = Dataset::open(shipped("fashion-mnist"), &OpenOptions::new(Part::Train)).unwrap_err();
    assert!(error.to_string().contains("no part `train`, only `calibration` and `test`"), "{error}");
}

#[test]
fn arrays_written_by_numpy() {
    let expected = [0, 1, 2, 3, 100, 127, 64, 65, 7, 9, 10, 11].map(|value| value as f32);
    for (file, arrays) in [("numpy.npz", 44), ("numpy-compressed.npz", 45)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
        let dataset = Dataset::open(path, &OpenOptions::new(Part::Test)).unwrap();
        assert_eq!(dataset.inputs().len(), arrays);
        assert_eq!(dataset.labels(), Some(&[3, 0, 65_536, 2][..]));
        for input in dataset.inputs() {
            let expected = if input.name == "b1" { expected.map(|value| value.min(1.0)) } else { expected };
            assert_eq!(input.samples.shape(), [4, 3], "{}", input.name);
            assert_eq!(input.samples.as_slice(), Some(&expected[..]), "{}", input.name);
        }
    }
}

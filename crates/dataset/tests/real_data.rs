//! The data sets that ship with the project, and arrays written by NumPy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

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

/// The sums come from NumPy.
#[test]
fn tables() {
    for (part, samples, of_x, of_target) in
        [(Part::Train, 342, 213_859.935_291_529, 51_845.0), (Part::Test, 100, 62_544.298_272_132_87, 15_398.0)]
    {
        let diabetes = open("diabetes", part);
        let [x, target] = diabetes.inputs() else { panic!("{:?}", diabetes.inputs()) };
        assert_eq!((x.name.as_str(), x.samples.shape()), ("x", &[samples, 10][..]));
        assert_eq!((target.name.as_str(), target.samples.shape()), ("progression", &[samples][..]));
        assert!((sum(&diabetes) / of_x - 1.0).abs() < 1e-12);
        assert_eq!(target.samples.sum(), of_target);
        assert!(diabetes.labels().is_none());
    }
    for (part, of_x, classes) in
        [(Part::Train, 730_004.233_557_926, [147, 253]), (Part::Test, 326_470.226_597_621_3, [65, 104])]
    {
        let cancer = open("breast-cancer", part);
        assert_eq!(cancer.input("x").unwrap().samples.shape()[1..], [30]);
        assert!((sum(&cancer) / of_x - 1.0).abs() < 1e-12);
        assert_eq!(per_class(&cancer), classes);
    }
}

#[test]
fn sentences_with_a_tag_for_each_word() {
    let lines =
        |file| std::fs::read_to_string(shipped("word-tags").join(file)).unwrap().lines().map(str::to_owned).collect();
    let (words, tags): (Vec<String>, Vec<String>) = (lines("words.txt"), lines("tags.txt"));
    assert_eq!((words.len(), tags.len()), (60, 10));
    let mut sentences = std::collections::BTreeSet::new();
    for (part, samples) in [(Part::Train, 2000), (Part::Test, 500)] {
        let dataset = open("word-tags", part);
        let [x, y] = [0, 1].map(|i| &dataset.inputs()[i].samples);
        assert_eq!((x.shape(), y.shape()), (&[samples, 14][..], &[samples, 14][..]));
        let rows = x.as_slice().unwrap().chunks(14).zip(y.as_slice().unwrap().chunks(14));
        for (sentence, tags_of) in rows {
            let end = sentence.iter().position(|&word| word == 0.0).unwrap_or(14);
            let pairs =
                sentence.iter().zip(tags_of).map(|(&word, &tag)| (&words[word as usize], tags[tag as usize].as_str()));
            let pairs: Vec<_> = pairs.collect();
            assert!(
                pairs[..end].iter().all(|(_, tag)| *tag != "none")
                    && pairs[end..].iter().all(|(_, tag)| *tag == "none")
            );
            assert!(pairs[..end].iter().any(|(_, tag)| *tag == "verb"), "{pairs:?}");
            // What the grammar says of the words before.
            for window in pairs[..end].windows(2) {
                let follows: &[&str] = match window[0].1 {
                    "determiner" | "adjective" => &["adjective", "noun"],
                    "auxiliary" => &["verb"],
                    "preposition" => &["determiner"],
                    "conjunction" => &["noun", "verb"],
                    _ => continue,
                };
                assert!(follows.contains(&window[1].1), "{pairs:?}");
            }
            assert!(sentences.insert(sentence.iter().map(|&word| word as u8).collect::<Vec<_>>()), "twice: {pairs:?}");
        }
    }
}

#[test]
fn brackets_are_labelled_as_counting_finds_them() {
    for (part, samples) in [(Part::Train, 4000), (Part::Test, 1000)] {
        let dataset = open("brackets", part);
        assert_eq!(per_class(&dataset), [samples / 2; 2]);
        let x = dataset.input("x").unwrap().samples.as_slice().unwrap();
        for (string, &label) in x.chunks(16).zip(dataset.labels().unwrap()) {
            // Pairs beside each other vanish until none is left.
            let mut left: Vec<u8> = string.iter().map(|&symbol| symbol as u8).filter(|&symbol| symbol > 0).collect();
            while let Some(pair) = left.windows(2).position(|pair| matches!(pair, [1, 3] | [2, 4])) {
                left.drain(pair..pair + 2);
            }
            assert_eq!(left.is_empty(), label == 1, "{string:?}");
        }
    }
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

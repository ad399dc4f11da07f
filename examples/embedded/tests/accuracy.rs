//! The built-in model against the samples that were held out from its training.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dataset::{Dataset, OpenOptions, Part};
use embedded_digits::Digits;

#[test]
fn held_out_digits_are_recognized() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/digits");
    let test = Dataset::open(path, &OpenOptions::new(Part::Test)).unwrap();
    let (images, labels) = (&test.inputs()[0].samples, test.labels().unwrap());
    let mut digits = Digits::new().unwrap();
    let right = images.outer_iter().zip(labels).filter(|(image, label)| {
        let image: Vec<f32> = image.iter().copied().collect();
        digits.recognize(image.as_slice().try_into().unwrap()).unwrap() == **label as usize
    });
    assert!(right.count() >= 580, "97 % of {}", labels.len());
}

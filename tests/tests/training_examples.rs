//! The worked examples of docs/training.md, each through training, calibration, quantization and validation.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibrator, FloatModel, Metric, Recipe, Validation};
use int8_inference::{Session, SessionOptions};
use trainer::{TrainConfig, Trainer};
use workspace_tests::shipped;

/// Trains by `config` on `data`, both below calibration-data, and compares float and int8 on the samples held out.
fn example(data: &str, config: &str, metric: Metric, target: Option<&str>) -> Validation {
    let data = shipped("calibration-data").join(data);
    let part = |part| Dataset::open(&data, &OpenOptions::new(part)).unwrap();
    let config = TrainConfig::open(shipped(config)).unwrap();
    let trained = Trainer::new(config).unwrap().threads(2).fit(&part(Part::Train), |_| ()).unwrap();
    let float = FloatModel::new(trained.to_model().unwrap()).unwrap();
    let samples = float.adapt(part(Part::Train)).unwrap();
    let calibration = Calibrator::new(&float).unwrap().run(samples.batches(64)).unwrap();
    let int8 = Recipe::default().emit(&float, &calibration).unwrap();
    let session = Session::new(int8.model(), &SessionOptions::default()).unwrap();
    Validation::compare_to(&float, &session, &float.adapt(part(Part::Test)).unwrap(), metric, target).unwrap()
}

#[track_caller]
fn assert_accuracy(validation: &Validation, at_least: f64) {
    let Validation { float, drop, .. } = validation;
    assert!(*float >= at_least && drop.abs() <= 1.0, "{float} %, {drop} points lost");
}

#[test]
fn digits() {
    assert_accuracy(&example("digits", "mlp.toml", Metric::Top1, None), 98.0);
}

#[test]
fn digits_by_a_self_normalizing_network() {
    assert_accuracy(&example("digits", "calibration-data/digits/selu.toml", Metric::Top1, None), 97.5);
}

#[test]
fn digits_by_seven_convolutions_and_three_dense_layers() {
    assert_accuracy(&example("digits", "calibration-data/digits/deep-cnn.toml", Metric::Top1, None), 97.5);
}

#[test]
fn a_table_of_two_classes_by_a_sigmoid() {
    assert_accuracy(
        &example("breast-cancer", "calibration-data/breast-cancer/sigmoid.toml", Metric::Binary, None),
        97.5,
    );
}

#[test]
fn a_regression_with_its_variance() {
    let config = "calibration-data/diabetes/mean-and-variance.toml";
    let validation = example("diabetes", config, Metric::RootMeanSquaredError, Some("progression"));
    // A linear regression comes to 51.5, the mean of the training part to about 81.
    assert!(validation.float < 54.0 && validation.drop < 2.0, "{} and {}", validation.float, validation.int8);
}

#[test]
fn a_tag_for_each_word_by_an_lstm() {
    assert_accuracy(&example("word-tags", "calibration-data/word-tags/lstm.toml", Metric::Top1, Some("tags")), 98.5);
}

#[test]
fn balanced_brackets_by_a_gru() {
    assert_accuracy(&example("brackets", "calibration-data/brackets/gru.toml", Metric::Top1, None), 97.5);
}

#[test]
fn the_exclusive_or_by_evolution_alone() {
    assert_accuracy(&example("xor/xor.csv", "calibration-data/xor/evolution.toml", Metric::Top1, None), 100.0);
}

//! The configuration and the data that the repository ships go together.

use std::path::Path;

use dataset::{Dataset, OpenOptions, Part};
use onnx_model::Model;
use trainer::{TrainConfig, Trainer};

#[test]
fn the_shipped_configuration_learns_the_shipped_digits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let digits = |part| Dataset::open(root.join("calibration-data/digits"), &OpenOptions::new(part)).unwrap();
    let config = TrainConfig::open(root.join("mlp.toml")).unwrap();
    let mut epochs = 0;
    let trained = Trainer::new(config.clone())
        .unwrap()
        .fit(&digits(Part::Train), |progress| epochs += usize::from(progress.epoch_done()))
        .unwrap();
    assert_eq!(epochs, config.epochs);

    let accuracy = trained.accuracy(&digits(Part::Test)).unwrap().unwrap();
    assert!(accuracy >= 97.0, "{accuracy} % of the held-out digits");

    let model = trained.to_model().unwrap();
    assert_eq!(Model::from_bytes(&model.to_bytes()).unwrap(), model);
}

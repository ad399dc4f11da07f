use proptest::prelude::*;

use super::*;
use crate::activation::Activation;
use crate::layers::{Dense, dense};

const COMPLETE: &str = r#"
seed = 7
epochs = 40
batch_size = 32
normalize = "feature"
validation = 0.1
schedule = "cosine"

[optimizer]
kind = "sgd"
learning_rate = 1
momentum = 0.9

[[layer]]
kind = "dense"
name = "fc1"
units = 64
activation = "relu"

[[layer]]
kind = "dense"
name = "fc2"
"#;

fn refusal(text: &str) -> String {
    TrainConfig::from_toml(text).unwrap_err().to_string()
}

/// [`COMPLETE`] with one piece of text changed.
fn changed(from: &str, to: &str) -> String {
    assert!(COMPLETE.contains(from));
    COMPLETE.replacen(from, to, 1)
}

#[test]
fn every_setting_arrives() {
    assert_eq!(
        TrainConfig::from_toml(COMPLETE).unwrap(),
        TrainConfig {
            seed: 7,
            epochs: 40,
            batch_size: 32,
            normalize: Normalize::Feature,
            validation: Some(0.1),
            schedule: Schedule::Cosine,
            monitor: Monitor::Loss,
            keep: Keep::Last,
            early_stopping: None,
            augment: None,
            optimizer: Optimizer::sgd(1.0, 0.9),
            loss: None,
            target: None,
            normalize_target: false,
            layers: vec![
                Layer::new("fc1", dense(64).activation(Activation::Relu)),
                Layer::new("fc2", Dense::default()),
            ],
            outputs: Vec::new(),
        }
    );
}

#[test]
fn writing_and_reading_back_changes_nothing() {
    let config = TrainConfig::from_toml(COMPLETE).unwrap();
    let text = toml::to_string(&config).unwrap();
    assert_eq!(TrainConfig::from_toml(&text).unwrap(), config);
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = TrainConfig::from_toml(
        r#"
        epochs = 1
        batch_size = 1
        optimizer = { kind = "adam", learning_rate = 0.01 }
        layer = [{ kind = "dense", name = "only" }]
        "#,
    )
    .unwrap();
    assert_eq!(config.seed, 0);
    assert_eq!(config.normalize, Normalize::Global);
    assert_eq!(config.schedule, Schedule::Constant);
    assert_eq!(config.validation, None);
    assert_eq!(config.optimizer, Optimizer::adam(0.01));
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_keys_there_are() {
    for (from, to, line, known) in [
        ("epochs", "epoch", 3, "`epochs`"),
        ("momentum", "momentun", 12, "`momentum`"),
        ("units", "unit", 17, "`units`"),
        ("\"cosine\"", "\"cosinus\"", 7, "`cosine`"),
        ("\"sgd\"", "\"sdg\"", 10, "`sgd`"),
        ("\"relu\"", "\"rellu\"", 18, "`relu`"),
    ] {
        let message = refusal(&changed(from, to));
        assert!(message.contains(known), "{message}");
        assert!(message.contains(&format!("line {line}")), "{message}");
    }
}

#[test]
fn unusable_values_are_named() {
    for (from, to, named) in [
        ("epochs = 40", "epochs = 0", "`epochs` to 0"),
        ("batch_size = 32", "batch_size = 0", "`batch_size` to 0"),
        ("validation = 0.1", "validation = 1.0", "`validation` to 1"),
        ("validation = 0.1", "validation = nan", "`validation` to NaN"),
        ("learning_rate = 1", "learning_rate = 0", "`optimizer.learning_rate` to 0"),
        ("learning_rate = 1", "learning_rate = -0.1", "`optimizer.learning_rate` to -0.1"),
        ("learning_rate = 1", "learning_rate = nan", "`optimizer.learning_rate` to NaN"),
        ("momentum = 0.9", "momentum = 1.5", "`optimizer.momentum` to 1.5"),
        ("units = 64", "units = 0", "`fc1.units` to 0"),
        ("name = \"fc2\"", "name = \"fc1\"", "two layers are named `fc1`"),
        ("name = \"fc2\"", "name = \"\"", "name of layer 2"),
    ] {
        let message = refusal(&changed(from, to));
        assert!(message.contains(named), "{message}");
    }
    let layers = COMPLETE.find("[[layer]]").unwrap();
    // A network to start from brings its own.
    assert!(TrainConfig::from_toml(&COMPLETE[..layers]).unwrap().layers.is_empty());
}

#[test]
fn a_file_is_named_in_what_is_wrong_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("train.toml");
    let message = || TrainConfig::open(&path).unwrap_err().to_string();
    assert!(message().contains("train.toml"));

    std::fs::write(&path, "epochs = ").unwrap();
    assert!(message().contains("train.toml") && message().contains("line 1"));

    std::fs::write(&path, "#".repeat((MAX_BYTES + 1) as usize)).unwrap();
    assert!(message().contains("larger than"));

    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(message().contains("train.toml"));

    std::fs::write(&path, COMPLETE).unwrap();
    assert_eq!(TrainConfig::open(&path).unwrap(), TrainConfig::from_toml(COMPLETE).unwrap());
}

/// Whatever is accepted can be trained with; whatever is not has a reason.
fn accepted_or_explained(text: &str) {
    match TrainConfig::from_toml(text) {
        Ok(config) => config.check().unwrap(),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn every_truncation_is_accepted_or_explained() {
    for end in 0..COMPLETE.len() {
        accepted_or_explained(&COMPLETE[..end]);
    }
}

proptest! {
    #[test]
    fn damaged_text_is_accepted_or_explained(at in 0..COMPLETE.len(), bit in 0..8_u32, insert: String) {
        let mut bytes = COMPLETE.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        accepted_or_explained(&String::from_utf8_lossy(&bytes));
        bytes.splice(at..at, insert.bytes());
        accepted_or_explained(&String::from_utf8_lossy(&bytes));
    }
}

//! Training with the arithmetic of the int8 engine: what the trainer computes is what the emitted model does, and accuracy that
//! quantization costs afterwards is won back.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibrator, FloatModel, Int8Model, Metric, QuantParams, QuantType, Recipe, Validation};
use int8_inference::{Session, SessionOptions};
use trainer::{InputRange, Quantization, TrainConfig, Trained, Trainer};
use workspace_tests::shipped;

fn open(name: &str, part: Part) -> Dataset {
    Dataset::open(shipped(&format!("calibration-data/{name}")), &OpenOptions::new(part)).unwrap()
}

/// A network and how the inputs of its layers are quantized after its training.
struct Quantized {
    float: FloatModel,
    ranges: BTreeMap<String, InputRange>,
}

fn after_training(network: &Trained, samples: &Dataset) -> Quantized {
    let float = FloatModel::new(network.to_model().unwrap()).unwrap();
    let calibration = Calibrator::new(&float).unwrap().run(samples.batches(64)).unwrap();
    let recipe = Recipe::default();
    let activations = recipe.activations(&float, &calibration).unwrap();
    let range = |layer: &dlquantizer::Layer| {
        let QuantParams { scale, zero_point, .. } = activations[&layer.input];
        (layer.name.clone(), InputRange { scale, zero_point: zero_point as u8 })
    };
    let ranges = float.layers().iter().map(range).collect();
    Quantized { float, ranges }
}

/// The int8 form of a network that was trained in integers.
fn emitted(network: &Trained) -> Int8Model {
    emitted_with(&FloatModel::new(network.to_model().unwrap()).unwrap(), &network.input_ranges())
}

fn emitted_with(float: &FloatModel, ranges: &BTreeMap<String, InputRange>) -> Int8Model {
    let params = |layer: &dlquantizer::Layer| {
        let InputRange { scale, zero_point } = ranges[&layer.name];
        (layer.input.clone(), QuantParams { scale, zero_point: zero_point.into(), quant_type: QuantType::U8 })
    };
    Recipe::default().emit_with(float, &float.layers().iter().map(params).collect()).unwrap()
}

fn session(int8: &Int8Model) -> Session {
    Session::new(int8.model(), &SessionOptions::default()).unwrap()
}

fn accuracy(float: &FloatModel, int8: &Int8Model, test: &Dataset) -> Validation {
    Validation::compare(float, &session(int8), test, Metric::Top1).unwrap()
}

fn float_network(data: &Dataset, text: &str) -> Trained {
    Trainer::new(TrainConfig::from_toml(text).unwrap()).unwrap().fit(data, |_| {}).unwrap()
}

/// The network in its prepared form: the normalization of the input is part of the first weights.
fn prepared(quantized: &Quantized) -> Trained {
    Trained::from_model(quantized.float.prepared()).unwrap()
}

const LAYERS: &str = r#"
[[layer]]
kind = "dense"
name = "fc1"
units = 32
activation = "relu"
[[layer]]
kind = "dense"
name = "fc2"
units = 16
activation = "relu"
[[layer]]
kind = "dense"
name = "fc3"
"#;

#[test]
fn the_emitted_model_computes_the_integers_of_the_training() {
    let (train, test) = (open("digits", Part::Train), open("digits", Part::Test));
    let settings = "epochs = 5\nbatch_size = 32\n[optimizer]\nkind = \"adam\"\nlearning_rate = 0.003\n";
    let float = float_network(&train, &format!("{settings}{LAYERS}"));
    let quantized = after_training(&float, &train);
    for learn in [false, true] {
        let quantization = Quantization { ranges: quantized.ranges.clone(), learn };
        let config = TrainConfig::from_toml(&settings.replace("epochs = 5", "epochs = 2")).unwrap();
        let trainer = Trainer::from_trained(config, prepared(&quantized)).unwrap().quantized(quantization);
        let trained = trainer.fit(&train, |_| {}).unwrap();
        assert_eq!(trained.input_ranges() == quantized.ranges, !learn);
        // Floats are the int32 sums times one scale each: equal bits come from equal integers.
        let expected = &trained.predict(&test).unwrap()[0];
        let found = session(&emitted(&trained)).run(&test.inputs()[0].samples.view()).unwrap();
        assert_eq!(found.shape(), expected.shape());
        assert!(found.iter().zip(expected).all(|(found, expected)| found.to_bits() == expected.to_bits()));
        // Any number of threads gives the same network.
        let again = trainer.clone().threads(2).fit(&train, |_| {}).unwrap();
        assert_eq!(again.to_model().unwrap().to_bytes(), trained.to_model().unwrap().to_bytes());
    }
}

/// Activations of 16 levels, as of 4 bits, and of 4 levels, as of 2 bits, among those of uint8.
#[test]
fn accuracy_that_quantization_costs_is_won_back() {
    let (train, test) = (open("digits", Part::Train), open("digits", Part::Test));
    let settings =
        "epochs = 20\nbatch_size = 32\nschedule = \"cosine\"\n[optimizer]\nkind = \"adam\"\nlearning_rate = 0.001\n";
    let float =
        float_network(&train, &format!("{}{LAYERS}", settings.replace("cosine", "constant").replace("0.001", "0.003")));
    let quantized = after_training(&float, &train);
    for (levels, learn, lost, left) in [(16.0, false, 0.8, 0.4), (4.0, true, 5.0, 3.0)] {
        let mut ranges = quantized.ranges.clone();
        ranges.values_mut().for_each(|range| range.scale *= 256.0 / levels);
        let before = accuracy(&quantized.float, &emitted_with(&quantized.float, &ranges), &test);
        assert!(before.float > 98.0 && before.drop > lost, "{levels} levels: {} {}", before.float, before.int8);

        let config = TrainConfig::from_toml(settings).unwrap();
        let quantization = Quantization { ranges, learn };
        let trainer = Trainer::from_trained(config, prepared(&quantized)).unwrap().quantized(quantization);
        let after = accuracy(&quantized.float, &emitted(&trainer.fit(&train, |_| {}).unwrap()), &test);
        assert!(after.drop < left, "{levels} levels: {} {} {}", before.float, before.int8, after.int8);
    }
}

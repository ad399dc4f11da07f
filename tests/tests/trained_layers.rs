//! Every kind of layer: the exported model, run by the engine, answers as the trainer's own forward pass does.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dataset::{Dataset, Input, Labels};
use int8_inference::{Session, SessionOptions};
use ndarray::{ArrayD, IxDyn};
use onnx_model::Model;
use trainer::{
    Activation, Dense, Layer, LayerKind, Loss, Normalize, Padding, Returns, TrainConfig, Trainer, activate,
    alpha_dropout, avg_pool, batch_norm, conv2d, dense, dropout, embedding, flatten, global_avg_pool, gru, layer_norm,
    lstm, max_pool,
};

const SAMPLES: usize = 24;
const WORDS: usize = 11;
const STEPS: usize = 7;

/// Values that look random and are the same in every run, uniform in `[0, 1)`.
fn noise(shape: &[usize]) -> ArrayD<f32> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    })
}

fn named(kinds: Vec<LayerKind>) -> Vec<Layer> {
    kinds.into_iter().enumerate().map(|(index, kind)| Layer::new(format!("layer{index}"), kind)).collect()
}

fn config(layers: Vec<LayerKind>) -> TrainConfig {
    let base = r#"
        epochs = 3
        batch_size = 5
        normalize = "none"
        optimizer = { kind = "adam", learning_rate = 0.02 }
        layer = [{ kind = "dense", name = "replaced" }]
    "#;
    TrainConfig { layers: named(layers), ..TrainConfig::from_toml(base).unwrap() }
}

fn input(name: &str, samples: ArrayD<f32>) -> Input {
    Input { name: name.to_owned(), samples }
}

/// Labels in three classes.
fn labelled(samples: ArrayD<f32>) -> Dataset {
    let labels = (0..SAMPLES as u32).map(|index| index * 7 % 3).collect();
    Dataset::new(vec![input("x", samples)], Some(Labels::new(labels))).unwrap()
}

fn words() -> ArrayD<f32> {
    noise(&[SAMPLES, STEPS]).mapv(|value| (value * WORDS as f32).floor())
}

/// Trains, exports, and compares the model's answers with the trainer's; gives the operators of the model.
fn assert_equal(config: TrainConfig, data: &Dataset) -> Vec<String> {
    let trained = Trainer::new(config).unwrap().fit(data, |_| ()).unwrap();
    let expected = trained.predict(data).unwrap().remove(0);
    let model = Model::from_bytes(&trained.to_model().unwrap().to_bytes()).unwrap();
    let session = Session::new(&model, &SessionOptions::default()).unwrap();
    let found = session.run(&data.inputs()[0].samples.view()).unwrap();
    assert_eq!(found.shape(), expected.shape());
    // Not all the same, which a layer that loses its input would pass with.
    assert!(expected.iter().any(|value| (value - expected.first().unwrap()).abs() > 1e-3));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{found} is not {expected}");
    }
    model.graph().node.iter().map(|node| node.op_type().to_owned()).collect()
}

#[test]
fn normalizers_and_dropout() {
    let data = labelled(noise(&[SAMPLES, 9]));
    let operators = assert_equal(
        config(vec![
            dense(16).bias(false).into(),
            batch_norm().into(),
            activate(Activation::Relu).into(),
            dropout(0.3).into(),
            dense(12).into(),
            layer_norm().into(),
            activate(Activation::Selu).into(),
            alpha_dropout(0.2).into(),
            Dense::default().into(),
        ]),
        &data,
    );
    assert_eq!(operators.iter().filter(|operator| operator.contains("Normalization")).count(), 2);
    assert!(operators.iter().all(|operator| operator != "Dropout"));
}

#[test]
fn images() {
    let data = labelled(noise(&[SAMPLES, 2, 9, 8]));
    let operators = assert_equal(
        config(vec![
            conv2d(6, 3).padding(Padding::Same).activation(Activation::Relu).into(),
            max_pool(3).stride([1, 2]).padding([1, 0, 0, 1]).into(),
            conv2d(8, [3, 2]).stride([2, 1]).dilation([1, 2]).groups(2).bias(false).into(),
            batch_norm().into(),
            avg_pool([2, 1]).padding([1, 0, 0, 0]).into(),
            conv2d(8, 1).activation(Activation::Relu).into(),
            flatten().into(),
            Dense::default().into(),
        ]),
        &data,
    );
    for operator in ["Conv", "MaxPool", "AveragePool"] {
        assert!(operators.contains(&operator.to_owned()), "{operators:?}");
    }
    let depthwise = vec![
        conv2d(4, 3).stride(2).padding(Padding::Same).into(),
        conv2d(4, 3).groups(4).padding([2, 0, 1, 2]).into(),
        global_avg_pool().into(),
        Dense::default().into(),
    ];
    assert!(assert_equal(config(depthwise), &data).contains(&"GlobalAveragePool".to_owned()));
}

#[test]
fn sequences_answer_with_their_last_state() {
    for kind in [LayerKind::from(lstm(10)), gru(10).into()] {
        let data = labelled(words());
        let operators = assert_equal(config(vec![embedding(WORDS, 6).into(), kind, Dense::default().into()]), &data);
        assert!(operators.contains(&"Gather".to_owned()));
    }
}

#[test]
fn sequences_answer_with_all_states() {
    let tags = words().mapv(|word| word % 4.0);
    let data = Dataset::new(vec![input("words", words()), input("tags", tags)], None).unwrap();
    for kinds in [
        vec![lstm(10).returns(Returns::All).into()],
        vec![gru(10).returns(Returns::All).into()],
        vec![lstm(8).returns(Returns::All).into(), layer_norm().into(), gru(8).returns(Returns::All).into()],
    ] {
        let layers = [vec![embedding(WORDS, 6).into()], kinds, vec![dense(4).into()]].concat();
        assert_equal(TrainConfig { target: Some("tags".to_owned()), ..config(layers) }, &data);
    }
}

#[test]
fn sequences_of_measurements() {
    let data = labelled(noise(&[SAMPLES, STEPS, 3]));
    let last = vec![lstm(6).returns(Returns::All).into(), lstm(5).into(), Dense::default().into()];
    assert_equal(TrainConfig { normalize: Normalize::Feature, ..config(last) }, &data);
}

#[test]
fn yes_and_no_from_a_sigmoid() {
    let labels = (0..SAMPLES as u32).map(|index| index % 2).collect();
    let data = Dataset::new(vec![input("x", noise(&[SAMPLES, 5]))], Some(Labels::new(labels))).unwrap();
    let layers =
        vec![dense(8).activation(Activation::Tanh).into(), Dense::default().activation(Activation::Sigmoid).into()];
    let config = TrainConfig { loss: Some(Loss::binary_cross_entropy()), ..config(layers) };
    assert_eq!(assert_equal(config, &data).last().unwrap(), "Sigmoid");
}

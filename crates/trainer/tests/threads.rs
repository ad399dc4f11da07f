//! The number of threads has no say in a trained network.

use dataset::{Dataset, Input, Labels};
use ndarray::ArrayD;
use trainer::{
    Activation, Dense, Layer, LayerKind, Returns, TrainConfig, Trainer, batch_norm, conv2d, dense, dropout, flatten,
    global_avg_pool, gru, layer_norm, lstm, max_pool,
};

const SAMPLES: usize = 192;

/// Values that look random and are the same in every run.
fn data(shape: &[usize]) -> Dataset {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let samples = ArrayD::from_shape_simple_fn([&[SAMPLES], shape].concat(), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    });
    let labels = (0..SAMPLES as u32).map(|index| index * 7 % 5).collect();
    Dataset::new(vec![Input { name: "x".into(), samples }], Some(Labels::new(labels))).unwrap()
}

/// Trains with batches so large that every layer is shared, by one thread and by several.
#[track_caller]
fn assert_same_bytes(kinds: Vec<LayerKind>, shape: &[usize]) {
    let base = r#"
        epochs = 2
        batch_size = 96
        validation = 0.25
        optimizer = { kind = "adam", learning_rate = 0.01, weight_decay = 0.1, clip = { global_norm = 1.0 } }
    "#;
    let layers = kinds.into_iter().enumerate().map(|(index, kind)| Layer::new(format!("layer{index}"), kind)).collect();
    let config = TrainConfig { layers, ..TrainConfig::from_toml(base).unwrap() };
    let data = data(shape);
    let bytes = |threads| {
        let trained = Trainer::new(config.clone()).unwrap().threads(threads).fit(&data, |_| ()).unwrap();
        trained.to_model().unwrap().to_bytes()
    };
    let one = bytes(1);
    for threads in [2, 3, 8] {
        assert!(bytes(threads) == one, "{threads} threads give another network than one");
    }
}

#[test]
fn images() {
    let layers = vec![
        conv2d(24, 3).padding(trainer::Padding::Same).bias(false).into(),
        batch_norm().activation(Activation::Relu).into(),
        max_pool(2).into(),
        conv2d(24, 3).groups(24).activation(Activation::HardSwish).into(),
        dropout(0.2).into(),
        conv2d(32, 1).activation(Activation::Silu).into(),
        global_avg_pool().into(),
        Dense::default().into(),
    ];
    assert_same_bytes(layers, &[3, 20, 20]);
}

#[test]
fn sequences() {
    let layers = vec![
        lstm(48).returns(Returns::All).into(),
        layer_norm().into(),
        gru(32).into(),
        dense(64).activation(Activation::Gelu).into(),
        Dense::default().into(),
    ];
    assert_same_bytes(layers, &[24, 12]);
}

#[test]
fn rows() {
    let layers = vec![
        flatten().into(),
        dense(512).bias(false).into(),
        batch_norm().activation(Activation::Relu).into(),
        dropout(0.3).into(),
        dense(256).activation(Activation::Selu).into(),
        Dense::default().activation(Activation::Softmax).into(),
    ];
    assert_same_bytes(layers, &[28, 28]);
}

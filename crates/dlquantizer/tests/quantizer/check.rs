//! What a calibration tells of its samples.

use dlquantizer::{Check, Finding, FloatModel};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{DataType, Dim, ValueInfo};

use crate::common::{Net, Random, array, calibrate, data, open, three_layers};

fn findings(model: &FloatModel, x: &ArrayD<f32>) -> Vec<Finding> {
    Check::of(model, &calibrate(model, &data(x)).unwrap()).unwrap().findings
}

fn unnormalized(findings: &[Finding]) -> Option<(f64, f64)> {
    findings.iter().find_map(|finding| match finding {
        Finding::Unnormalized { expected_mean, expected_std_dev, .. } => Some((*expected_mean, *expected_std_dev)),
        _ => None,
    })
}

/// `x` of 4 features normalized by `nodes` before a dense layer.
fn normalized(nodes: &[(&str, f32)]) -> FloatModel {
    let mut net = Net::new(&[4]);
    let mut tensor = "x".to_owned();
    for (position, (operator, value)) in nodes.iter().enumerate() {
        let [constant, output] = ["c", "t"].map(|name| format!("{name}{position}"));
        net.constant(&constant, &[1], vec![*value]);
        net.op(operator, &[&tensor, &constant], &output);
        tensor = output;
    }
    net.dense(&tensor, "y", 4, 3);
    open(&net, &["y"])
}

#[test]
fn inputs_are_held_to_the_normalization_in_the_graph() {
    let mut random = Random::new(2);
    let mut uniform = |low, high| array(&[100, 4], random.values(400, low, high));
    let pixels = normalized(&[("Sub", 127.0), ("Div", 64.0)]);
    assert_eq!(unnormalized(&findings(&pixels, &uniform(0.0, 255.0))), None);
    assert_eq!(unnormalized(&findings(&pixels, &uniform(0.0, 1.0))), Some((127.0, 64.0)));
    assert_eq!(unnormalized(&findings(&pixels, &uniform(-1.0, 1.0))), Some((127.0, 64.0)));
    let scaled = normalized(&[("Mul", 1.0 / 256.0)]);
    assert_eq!(unnormalized(&findings(&scaled, &uniform(0.0, 255.0))), None);
    assert_eq!(unnormalized(&findings(&scaled, &uniform(0.0, 1.0))), Some((0.0, 256.0)));
}

#[test]
fn batch_normalization_tells_what_it_was_trained_on() {
    let mut net = Net::new(&[4]);
    for (name, values) in [("scale", 1.0), ("shift", 0.0), ("mean", 50.0), ("var", 100.0)] {
        net.constant(name, &[4], vec![values; 4]);
    }
    net.op("BatchNormalization", &["x", "scale", "shift", "mean", "var"], "normal");
    net.dense("normal", "y", 4, 3);
    let model = open(&net, &["y"]);
    let mut random = Random::new(2);
    assert_eq!(unnormalized(&findings(&model, &array(&[100, 4], random.values(400, 30.0, 70.0)))), None);
    let far = findings(&model, &array(&[100, 4], random.values(400, 0.0, 1.0)));
    assert_eq!(unnormalized(&far), Some((50.0, 10.0)));
}

#[test]
fn metadata_of_the_training_counts_as_well() {
    let mut net = Net::new(&[4]);
    net.dense("x", "y", 4, 3);
    let mut network = net.model(&["y"]);
    network.set_metadata(dlquantizer::INPUT_MEAN_KEY, "127");
    network.set_metadata(dlquantizer::INPUT_STD_KEY, "64");
    let model = FloatModel::new(network).unwrap();
    // Observed is what the network takes, so normalized already.
    let x = array(&[100, 4], Random::new(2).values(400, 0.0, 255.0));
    let adapted = model.adapt(data(&x)).unwrap();
    let check = |samples| Check::of(&model, &calibrate(&model, samples).unwrap()).unwrap().findings;
    assert_eq!(unnormalized(&check(&adapted)), None);
    assert_eq!(unnormalized(&check(&data(&x))), Some((0.0, 1.0)));
}

#[test]
fn large_values_before_a_plain_layer_are_told() {
    let mut net = Net::new(&[4]);
    net.dense("x", "y", 4, 3);
    let model = open(&net, &["y"]);
    let mut random = Random::new(2);
    let found = findings(&model, &array(&[100, 4], random.values(400, 0.0, 255.0)));
    assert!(matches!(found[0], Finding::Unscaled { abs_max, .. } if abs_max > 200.0), "{found:?}");
    assert_eq!(findings(&model, &array(&[100, 4], random.values(400, 0.0, 1.0))), []);
}

#[test]
fn noise_is_told_from_smooth_samples() {
    let mut net = Net::new(&[100]);
    net.dense("x", "y", 100, 3);
    let model = open(&net, &["y"]);
    let mut random = Random::new(2);
    let is_noise = |found: &[Finding]| found.iter().any(|finding| matches!(finding, Finding::Noise { .. }));
    let uniform = array(&[200, 100], random.values(20_000, -1.0, 1.0));
    assert!(is_noise(&findings(&model, &uniform)));
    // The sum of twelve uniform values is close to a normal one.
    let normal = array(&[200, 100], (0..20_000).map(|_| random.values(12, -0.5, 0.5).iter().sum()).collect());
    assert!(is_noise(&findings(&model, &normal)));
    let smooth: Vec<f32> = (0..20_000).map(|i| ((i % 100) as f32 / 9.0 + (i / 100) as f32).sin()).collect();
    assert!(!is_noise(&findings(&model, &array(&[200, 100], smooth))));
    // Independent values of few sizes, as in a table.
    let table = array(&[200, 100], (0..20_000).map(|_| (random.unit() * 4.0).floor().powi(3)).collect());
    assert!(!is_noise(&findings(&model, &table)));
}

#[test]
fn dead_channels_and_layers_are_told() {
    let mut net = Net::new(&[2]);
    net.constant("w", &[2, 5], vec![1.0; 10]);
    net.constant("b", &[5], vec![0.0, -100.0, 0.0, -100.0, 0.0]);
    net.op("Gemm", &["x", "w", "b"], "fc");
    net.op("Relu", &["fc"], "relu");
    net.dense("relu", "y", 5, 2);
    let model = open(&net, &["y"]);
    let x = array(&[50, 2], Random::new(2).values(100, 0.0, 1.0));
    let dead = |found: Vec<Finding>| {
        found.into_iter().find_map(|finding| match finding {
            Finding::DeadChannels { tensor, dead, channels, .. } => Some((tensor, dead, channels)),
            _ => None,
        })
    };
    assert_eq!(dead(findings(&model, &x)), Some(("relu".to_owned(), 2, 5)));
    let negative = array(&[50, 2], Random::new(2).values(100, -1.0, -0.1));
    let found = findings(&model, &negative);
    assert!(found.iter().any(|finding| matches!(finding, Finding::Constant { tensor, .. } if tensor == "relu")));
}

#[test]
fn what_goes_wrong_is_told_where_it_begins() {
    let mut net = Net::new(&[2]);
    net.op("Neg", &["x"], "turned");
    net.dense("turned", "y", 2, 2);
    let model = open(&net, &["y"]);
    let mut values = Random::new(2).values(100, 0.0, 1.0);
    values[7] = f32::NAN;
    let found = findings(&model, &array(&[50, 2], values));
    assert!(matches!(found.as_slice(), [Finding::NotFinite { tensor, .. }, ..] if tensor == "x"), "{found:?}");
    assert!(found.iter().skip(1).all(|finding| !matches!(finding, Finding::NotFinite { .. })), "{found:?}");
    let found = findings(&model, &array(&[50, 2], vec![0.5; 100]));
    assert!(matches!(found.as_slice(), [Finding::Constant { tensor, .. }] if tensor == "x"), "{found:?}");
}

/// The mask of sequences without padding, and a factor computed from a shape, as transformers have them.
#[test]
fn masks_and_shapes_may_be_constant() {
    let mut net = Net::new(&[3]);
    net.graph.input[0] = (&ValueInfo {
        name: "x".to_owned(),
        element_type: DataType::Int64,
        shape: Some(vec![Dim::Symbolic("n".to_owned()), Dim::Fixed(3)]),
    })
        .into();
    net.constant("one", &[], vec![1.0]);
    net.random("table", &[10, 4]);
    net.op("Gather", &["table", "x"], "embedded");
    net.node(node("Cast", "real", &["x"], &["real"]).with_int("to", 1));
    net.op("Min", &["real", "one"], "mask");
    net.node(node("ReduceMin", "kept", &["mask"], &["kept"]).with_int("keepdims", 0));
    net.op("Shape", &["x"], "shape");
    net.node(node("Cast", "sizes", &["shape"], &["sizes"]).with_int("to", 1));
    net.op("ReduceMax", &["sizes"], "size");
    net.op("Div", &["embedded", "kept"], "scaled");
    net.random("w", &[4, 2]);
    net.op("MatMul", &["scaled", "w"], "y");
    let x = array(&[50, 3], (0..150).map(|position| (position % 9 + 1) as f32).collect());
    let found = findings(&open(&net, &["y", "size"]), &x);
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Constant { .. })), "{found:?}");
}

#[test]
fn channels_of_one_value_are_not_dead() {
    let model = open(&three_layers(1, [6, 9, 5, 3]), &["y"]);
    let found = findings(&model, &Random::new(2).array(&[1, 6]));
    assert!(!found.iter().any(|finding| matches!(finding, Finding::DeadChannels { .. })), "{found:?}");
}

#[test]
fn saturation_is_told_at_either_bound() {
    for (operator, factor, saturated) in
        [("Sigmoid", 100.0, true), ("Sigmoid", 1.0, false), ("Tanh", -100.0, true), ("Tanh", 0.5, false)]
    {
        let mut net = Net::new(&[3]);
        net.constant("factor", &[], vec![factor]);
        net.op("Mul", &["x", "factor"], "large");
        net.op(operator, &["large"], "gate");
        net.dense("gate", "y", 3, 2);
        let model = open(&net, &["y"]);
        let found = findings(&model, &Random::new(2).array(&[60, 3]));
        let told = found.iter().any(|finding| matches!(finding, Finding::Saturated { tensor, .. } if tensor == "gate"));
        assert_eq!(told, saturated, "{operator} {factor}: {found:?}");
    }
    // A ReLU6 is at its upper bound when it saturates; at 0 it does what it is for.
    for (low, high, saturated) in [(10.0, 20.0, true), (-20.0, -1.0, false)] {
        let mut net = Net::new(&[3]);
        net.constant("zero", &[], vec![0.0]);
        net.constant("six", &[], vec![6.0]);
        net.op("Clip", &["x", "zero", "six"], "gate");
        net.op("Neg", &["gate"], "turned");
        net.dense("turned", "y", 3, 2);
        let model = open(&net, &["y"]);
        let mut values = Random::new(2).values(180, low, high);
        values[0] = 3.0;
        let found = findings(&model, &array(&[60, 3], values));
        let told = found.iter().any(|finding| matches!(finding, Finding::Saturated { .. }));
        assert_eq!(told, saturated, "{low} {high}: {found:?}");
    }
}

#[test]
fn halves_that_disagree_are_told() {
    let mut net = Net::new(&[1]);
    net.dense("x", "y", 1, 1);
    let model = open(&net, &["y"]);
    let mut values = Random::new(2).values(100, 0.0, 1.0);
    values[7] = 10.0;
    let check = Check::of(&model, &calibrate(&model, &data(&array(&[100, 1], values))).unwrap()).unwrap();
    let x = &check.stability[0];
    assert!(x.minmax_percent > 85.0, "{x:?}");
    let told = |finding: &Finding| matches!(finding, Finding::Unstable { percent, tensors: 2, .. } if *percent > 85.0);
    assert!(check.findings.iter().any(told), "{:?}", check.findings);
    assert!(check.findings.iter().all(|finding| !finding.to_string().is_empty()));
}

#[test]
fn convolutions_have_channels_as_well() {
    let mut net = Net::new(&[2, 4, 4]);
    net.random("w", &[3, 2, 3, 3]);
    net.random("b", &[3]);
    net.op("Conv", &["x", "w", "b"], "conv");
    net.op("Relu", &["conv"], "relu");
    net.node(node("GlobalAveragePool", "pool", &["relu"], &["pool"]));
    net.op("Flatten", &["pool"], "flat");
    net.dense("flat", "y", 3, 2);
    let model = open(&net, &["y"]);
    let x = Random::new(2).array(&[70, 2, 4, 4]);
    let calibration = calibrate(&model, &data(&x)).unwrap();
    let names: Vec<(&str, &str)> =
        calibration.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor.network_layer.as_str())).collect();
    assert_eq!(names[1..4], [("w", "conv + relu"), ("b", "conv + relu"), ("relu", "conv + relu")]);
    let relu = &crate::common::tapped(model.prepared(), &["relu"], &x)[1];
    let channels = calibration.tensor("relu").unwrap().channels.clone().unwrap();
    let weights = calibration.tensor("w").unwrap().channels.clone().unwrap();
    let w = crate::common::floats(model.prepared(), "w");
    assert_eq!((channels.len(), weights.len(), weights.count(1)), (3, 3, 18));
    for channel in 0..3 {
        let values = relu.index_axis(ndarray::Axis(1), channel);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{a} {b}");
        close(f64::from(channels.max(channel).unwrap()), f64::from(values.iter().copied().fold(f32::MIN, f32::max)));
        close(f64::from(channels.min(channel).unwrap()), f64::from(values.iter().copied().fold(f32::MAX, f32::min)));
        close(channels.sum(channel), values.iter().map(|&value| f64::from(value)).sum());
        let own = &w[18 * channel..18 * (channel + 1)];
        assert_eq!(weights.max(channel), Some(own.iter().copied().fold(f32::MIN, f32::max)));
        close(weights.sum(channel), own.iter().map(|&value| f64::from(value)).sum());
    }
}

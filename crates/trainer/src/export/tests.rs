use dataset::{Dataset, Input, Labels};
use ndarray::ArrayD;
use onnx_model::graph::GraphIndex;

use crate::activation::Activation;
use crate::config::TrainConfig;
use crate::fit::Trainer;
use crate::layers::{Dense, Layer, dense, flatten, reshape};
use crate::normalize::Normalize;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::stopping::{Keep, Monitor};

use super::*;

fn data(input: &str, shape: &[usize]) -> Dataset {
    let shape = [&[9], shape].concat();
    let values = (0..shape.iter().product()).map(|i| (i * i % 11) as f32 - 4.0);
    let samples = ArrayD::from_shape_vec(shape.as_slice(), values.collect()).unwrap();
    let labels = Labels::new((0..9).map(|i| i % 3).collect());
    Dataset::new(vec![Input { name: input.into(), samples }], Some(labels)).unwrap()
}

fn train(first_layer: &str, normalize: Normalize, dataset: &Dataset) -> Result<Trained> {
    let mut layers =
        vec![Layer::new(first_layer, dense(5).activation(Activation::Relu)), Layer::new("out", Dense::default())];
    match dataset.inputs()[0].samples.ndim() {
        1 => layers.insert(0, Layer::new("row", reshape(&[1]))),
        2 => {}
        _ => layers.insert(0, Layer::new("flatten", flatten())),
    }
    let config = TrainConfig {
        seed: 3,
        epochs: 2,
        batch_size: 4,
        normalize,
        validation: None,
        schedule: Schedule::Constant,
        monitor: Monitor::Loss,
        keep: Keep::Last,
        early_stopping: None,
        augment: None,
        optimizer: Optimizer::adam(0.01),
        loss: None,
        target: None,
        normalize_target: false,
        layers,
        outputs: Vec::new(),
    };
    Trainer::new(config)?.fit(dataset, |_| ())
}

/// Runs the nodes a trained network may have, in plain loops over one sample at a time.
fn interpret(model: &Model, samples: &ArrayD<f32>) -> Vec<Vec<f32>> {
    let index = GraphIndex::new(model.graph()).unwrap();
    let constant = |name: &str| index.constant(name).unwrap().unwrap();
    let run = |mut signal: Vec<f32>| {
        for node in &model.graph().node {
            let broadcast = |operation: fn(f32, f32) -> f32, signal: &[f32]| {
                let values = constant(&node.input[1]).to_f32().unwrap();
                signal.iter().zip(values.iter().cycle()).map(|(&x, &c)| operation(x, c)).collect()
            };
            signal = match node.op_type() {
                "Flatten" | "Reshape" => signal,
                "Sub" => broadcast(|x, c| x - c, &signal),
                "Div" => broadcast(|x, c| x / c, &signal),
                "Relu" => signal.iter().map(|x| x.max(0.0)).collect(),
                "Gemm" => {
                    let weight = constant(&node.input[1]);
                    let (rows, columns) = (weight.shape[0], weight.shape[1]);
                    let (weight, bias) = (weight.to_f32().unwrap(), constant(&node.input[2]).to_f32().unwrap());
                    let unit =
                        |unit| (0..rows).map(|i| signal[i] * weight[i * columns + unit]).sum::<f32>() + bias[unit];
                    (0..columns).map(unit).collect()
                }
                other => panic!("unexpected {other}"),
            };
        }
        signal
    };
    samples.outer_iter().map(|sample| run(sample.iter().copied().collect())).collect()
}

#[test]
fn the_model_computes_what_the_network_does() {
    for normalize in [Normalize::None, Normalize::Global, Normalize::Feature] {
        for shape in [&[6][..], &[2, 3], &[]] {
            let dataset = data("x", shape);
            let trained = train("fc1", normalize, &dataset).unwrap();
            let model = trained.to_model().unwrap();
            let expected = &trained.predict(&dataset).unwrap()[0];
            for (row, expected) in interpret(&model, &dataset.inputs()[0].samples).iter().zip(expected.outer_iter()) {
                for (logit, expected) in row.iter().zip(expected) {
                    assert!((logit - expected).abs() <= 1e-5, "{normalize:?} {shape:?}: {logit} is not {expected}");
                }
            }
        }
    }
}

#[test]
fn names_and_shapes_are_the_documented_ones() {
    let trained = train("fc1", Normalize::Feature, &data("image", &[2, 3])).unwrap();
    let model = trained.to_model().unwrap();
    let nodes: Vec<_> = model.graph().node.iter().map(|node| (node.op_type(), node.name())).collect();
    assert_eq!(
        nodes,
        [
            ("Sub", "normalize.sub"),
            ("Div", "normalize.div"),
            ("Flatten", "flatten"),
            ("Gemm", "fc1"),
            ("Relu", "fc1.relu"),
            ("Gemm", "out"),
        ]
    );
    assert_eq!(model.inputs(), [batch_of("image", &[2, 3])]);
    assert_eq!(model.outputs(), [batch_of("logits", &[3])]);
    let index = GraphIndex::new(model.graph()).unwrap();
    let shape = |name: &str| index.constant(name).unwrap().unwrap().shape;
    assert_eq!(shape("normalize.mean"), [2, 3]);
    assert_eq!(shape("fc1.weight"), [6, 5]);
    assert_eq!(shape("fc1.bias"), [5]);
    assert_eq!(shape("out.weight"), [5, 3]);
    assert_eq!((model.opset(), model.proto().ir_version()), (21, 10));
    assert_eq!(model.proto().producer_name(), "quantize");
}

#[test]
fn one_seed_gives_the_same_bytes_and_they_read_back() {
    let model = || train("fc1", Normalize::Global, &data("x", &[4])).unwrap().to_model().unwrap();
    let bytes = model().to_bytes();
    assert_eq!(bytes, model().to_bytes());
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model());
}

#[test]
fn names_that_collide_are_found_before_the_training() {
    let refusal = |layer, input, shape| {
        let message = train(layer, Normalize::Global, &data(input, shape)).unwrap_err().to_string();
        assert!(message.contains("rename"), "{message}");
        message
    };
    assert!(refusal("fc1", "fc1.bias", &[4]).contains("fc1.bias"));
    assert!(refusal("fc1", "logits", &[4]).contains("logits"));
    assert!(refusal("fc1", "fc1.relu.output", &[4]).contains("fc1.relu.output"));
    assert!(refusal("normalize.sub", "x", &[4]).contains("normalize.sub"));
}

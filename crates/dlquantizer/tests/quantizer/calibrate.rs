//! Calibration against naive statistics of tapped tensors.

use dataset::{Dataset, Input, OpenOptions, Part};
use dlquantizer::{Calibration, Calibrator, FloatModel, TensorKind};
use ndarray::ArrayD;
use onnx_model::graph::node;
use onnx_model::{Dim, Tensor};

use crate::common::{Net, Random, array, calibrate, data, open, refused, tapped, tapped_named, three_layers};

/// Calibrates on batches of these sizes, one after the other and then again from the first.
fn cut(model: &FloatModel, data: &Dataset, sizes: &[usize], threads: usize) -> Calibration {
    let mut calibrator = Calibrator::with_threads(model, Some(threads)).unwrap();
    let (mut start, mut sizes) = (0, sizes.iter().cycle());
    while start < data.len() {
        let end = data.len().min(start + sizes.next().unwrap());
        let part = data.select(&(start..end).collect::<Vec<_>>()).unwrap();
        for batch in part.batches(part.len()) {
            calibrator.observe(&batch).unwrap();
        }
        start = end;
        assert_eq!(calibrator.samples(), end as u64);
    }
    calibrator.finish().unwrap()
}

fn same_for_any_cut(model: &FloatModel, data: &Dataset) {
    let expected = cut(model, data, &[data.len()], 1).to_bytes();
    for (sizes, threads) in [(&[1][..], 1), (&[64], 2), (&[1, 7, 100, 3], 2), (&[63, 65], 1), (&[data.len()], 2)] {
        let bytes = cut(model, data, sizes, threads).to_bytes();
        assert!(bytes == expected, "batches of {sizes:?} on {threads} threads give another calibration");
    }
    let mut reversed: Vec<usize> = (0..data.len()).collect();
    reversed.reverse();
    let bytes = cut(model, &data.select(&reversed).unwrap(), &[50], 2).to_bytes();
    assert!(bytes == expected, "another order of the samples gives another calibration");
}

#[test]
fn a_calibration_depends_on_the_samples_alone() {
    let net = three_layers(3, [6, 9, 5, 3]);
    same_for_any_cut(&open(&net, &["y"]), &data(&Random::new(4).array(&[331, 6])));
}

#[test]
fn the_calibration_of_a_real_network_depends_on_the_samples_alone() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/fashion-mnist");
    let model = FloatModel::open(format!("{directory}/mlp.onnx")).unwrap();
    let samples = Dataset::open(directory, &OpenOptions::new(Part::Calibration)).unwrap().take(200).unwrap();
    same_for_any_cut(&model, &model.adapt(samples).unwrap());
}

/// Holds every activation's statistics against those of the tensor computed for each sample.
fn check(calibration: &Calibration, model: &FloatModel, x: &ArrayD<f32>) {
    let names: Vec<&str> = calibration
        .tensors()
        .iter()
        .filter(|tensor| tensor.kind == TensorKind::Activation)
        .map(|tensor| tensor.name.as_str())
        .collect();
    let outputs = model.prepared().outputs().len();
    let values = tapped(model.prepared(), &names, x).split_off(outputs);
    for (name, values) in names.into_iter().zip(values) {
        let statistics = &calibration.tensor(name).unwrap().statistics;
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let count = |property: fn(f32) -> bool| values.iter().filter(|&&value| property(value)).count() as u64;
        assert_eq!(statistics.count(), values.len() as u64, "{name}");
        assert_eq!(statistics.nans(), count(f32::is_nan), "{name}");
        assert_eq!(statistics.infs(), count(f32::is_infinite), "{name}");
        // Float kernels may round differently at another batch size.
        let close = |a: f32, b: f32| assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{name}: {a} against {b}");
        close(statistics.min().unwrap(), finite().fold(f32::INFINITY, f32::min));
        close(statistics.max().unwrap(), finite().fold(f32::NEG_INFINITY, f32::max));
    }
}

#[test]
fn statistics_are_those_of_every_sample_and_no_other() {
    // A shift keeps a sample of zeros, as padding might be, far from all others.
    let mut net = three_layers(5, [6, 9, 5, 3]);
    net.constant("far", &[], vec![1000.0]);
    net.op("Sub", &["y", "far"], "z");
    for count in [1, 63, 64, 65, 200, 1025] {
        let model = open(&net, &["z"]);
        let x = array(&[count, 6], Random::new(6).values(count * 6, 5.0, 6.0));
        let calibration = cut(&model, &data(&x), &[100], 2);
        assert_eq!(calibration.samples(), count as u64);
        check(&calibration, &model, &x);
        assert_eq!(calibration.tensor("x").unwrap().statistics.zeros(), 0);
    }
}

#[test]
fn weights_and_biases_are_listed_with_their_layer() {
    let net = three_layers(5, [6, 9, 5, 3]);
    let model = open(&net, &["y"]);
    let calibration = calibrate(&model, &data(&Random::new(6).array(&[10, 6]))).unwrap();
    let listed: Vec<_> =
        calibration.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor.kind, tensor.layer.as_str())).collect();
    use TensorKind::{Activation, Bias, Weight};
    let expected = [
        ("x", Activation, "x"),
        ("fc1.weight", Weight, "fc1"),
        ("fc1.bias", Bias, "fc1"),
        ("relu1", Activation, "fc1"),
        ("fc2.weight", Weight, "fc2"),
        ("fc2.bias", Bias, "fc2"),
        ("relu2", Activation, "fc2"),
        ("y.weight", Weight, "y"),
        ("y.bias", Bias, "y"),
        ("y", Activation, "y"),
    ];
    assert_eq!(listed, expected);
    assert_eq!(calibration.tensor("fc1.weight").unwrap().statistics.count(), 54);
    assert_eq!(calibration.tensor("relu1").unwrap().network_layer, "fc1 + relu1");
}

#[test]
fn a_model_of_a_fixed_batch_is_run_in_that_batch() {
    for batch in [1, 3] {
        let mut net = three_layers(5, [6, 9, 5, 3]);
        net.graph.input.clear();
        net.input("x", Dim::Fixed(batch), &[6]);
        let model = open(&net, &["y"]);
        let x = array(&[10, 6], Random::new(6).values(60, 5.0, 6.0));
        same_for_any_cut(&model, &data(&x));
        check(&calibrate(&model, &data(&x)).unwrap(), &model, &x);
    }
}

#[test]
fn samples_are_found_behind_other_axes() {
    let mut net = Net::new(&[2]);
    net.op("Transpose", &["x"], "turned");
    net.op("Neg", &["turned"], "negative");
    net.op("Transpose", &["negative"], "back");
    net.dense("back", "y", 2, 2);
    let x = array(&[70, 2], Random::new(6).values(140, 5.0, 6.0));
    let model = open(&net, &["y"]);
    same_for_any_cut(&model, &data(&x));
    let calibration = calibrate(&model, &data(&x)).unwrap();
    assert_eq!(calibration.tensor("turned").unwrap().statistics, calibration.tensor("x").unwrap().statistics);
    check(&calibration, &model, &x);
}

#[test]
fn a_tensor_in_another_shape_has_the_values_of_the_first() {
    let mut net = Net::new(&[2, 3]);
    net.op("Flatten", &["x"], "flat");
    net.op("Identity", &["flat"], "again");
    net.op("Neg", &["again"], "negative");
    net.dense("negative", "fc", 6, 4);
    net.op("Flatten", &["fc"], "last");
    let model = open(&net, &["fc", "last"]);
    let calibrator = Calibrator::with_threads(&model, Some(1)).unwrap();
    let observed = calibrator.state_bytes() / (2 * dlquantizer::Observer::STATE_BYTES);
    let x = Random::new(6).array(&[70, 2, 3]);
    let calibration = calibrator.run(data(&x).batches(70)).unwrap();
    assert_eq!(observed, 3, "x, negative and fc");
    check(&calibration, &model, &x);
    let [fc, last] = ["fc", "last"].map(|name| calibration.tensor(name).unwrap());
    assert_eq!((&fc.statistics, &fc.halves), (&last.statistics, &last.halves));
    assert!(fc.channels.is_some() && last.channels.is_none());
    assert!(calibration.tensors().iter().any(|tensor| tensor.name == "flat"));
}

#[test]
fn samples_that_a_batch_mixes_go_through_alone() {
    let mut net = Net::new(&[2]);
    net.op("Transpose", &["x"], "turned");
    net.op("MatMul", &["x", "turned"], "products");
    net.op("MatMul", &["products", "x"], "mixed");
    net.dense("mixed", "y", 2, 2);
    let model = open(&net, &["y"]);
    let x = Random::new(6).array(&[70, 2]);
    same_for_any_cut(&model, &data(&x));
    let products = &calibrate(&model, &data(&x)).unwrap().tensor("products").unwrap().statistics.clone();
    assert_eq!(products.count(), 70, "one product for each sample");

    net.graph.input.clear();
    net.input("x", Dim::Fixed(3), &[2]);
    let fixed = open(&net, &["y"]);
    assert_eq!(calibrate(&fixed, &data(&Random::new(6).array(&[6, 2]))).unwrap().samples(), 6);
}

/// No shape tells that these mix the samples.
#[test]
fn samples_that_a_batch_mixes_without_a_trace_in_a_shape_go_through_alone() {
    for (operator, attribute) in [("Softmax", Some(("axis", 0))), ("CumSum", None)] {
        let mut net = Net::new(&[3]);
        net.graph.initializer.push(Tensor::i64("zero", &[], vec![0]).unwrap().to_proto());
        let inputs = if attribute.is_some() { &["x"][..] } else { &["x", "zero"] };
        let mut mixing = node(operator, "mixed", inputs, &["mixed"]);
        if let Some((name, value)) = attribute {
            mixing = mixing.with_int(name, value);
        }
        net.node(mixing);
        net.dense("mixed", "y", 3, 2);
        same_for_any_cut(&open(&net, &["y"]), &data(&Random::new(3).array(&[100, 3])));
    }
}

#[test]
fn a_tensor_that_hides_the_padding_of_a_fixed_batch_is_named() {
    let mut net = Net::new(&[2]);
    net.graph.input.clear();
    net.input("x", Dim::Fixed(3), &[2]);
    net.node(node("ReduceMean", "mean", &["x"], &["mean"]).with_int("keepdims", 0));
    net.op("Add", &["x", "mean"], "shifted");
    net.dense("shifted", "y", 2, 2);
    let model = open(&net, &["y"]);
    let message = refused(calibrate(&model, &data(&Random::new(6).array(&[4, 2]))));
    assert!(message.contains("\"mean\"") && message.contains("multiple of 3"), "{message}");
}

#[test]
fn several_inputs_are_calibrated_together() {
    let mut net = Net::new(&[3]);
    net.input("other", Dim::Symbolic("n".to_owned()), &[2]);
    net.dense("x", "a", 3, 4);
    net.dense("other", "b", 2, 4);
    net.op("Add", &["a", "b"], "y");
    let model = open(&net, &["y"]);
    let mut random = Random::new(8);
    let (x, other) = (random.array(&[100, 3]), random.array(&[100, 2]));
    let input = |name: &str, samples: &ArrayD<f32>| Input { name: name.to_owned(), samples: samples.clone() };
    let both = Dataset::new(vec![input("other", &other), input("x", &x)], None).unwrap();
    same_for_any_cut(&model, &both);
    let calibration = calibrate(&model, &both).unwrap();
    let y = &tapped_named(model.network(), &[], &[("x", x.view()), ("other", other.view())])[0];
    let largest = y.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    assert!((calibration.tensor("y").unwrap().statistics.max().unwrap() - largest).abs() < 1e-5);
    assert_eq!(calibration.tensor("other").unwrap().statistics.count(), 200);
    let message = refused(calibrate(&model, &data(&x)));
    assert!(message.contains("other"), "{message}");
}

#[test]
fn values_that_are_not_finite_are_counted_and_never_in_a_range() {
    let mut net = Net::new(&[2]);
    net.op("Neg", &["x"], "negative");
    net.dense("negative", "y", 2, 2);
    let model = open(&net, &["y"]);
    let x = array(&[4, 2], vec![1.0, f32::NAN, -2.0, f32::INFINITY, 3.0, f32::NEG_INFINITY, 0.5, 0.25]);
    let calibration = calibrate(&model, &data(&x)).unwrap();
    check(&calibration, &model, &x);
    let statistics = &calibration.tensor("x").unwrap().statistics;
    assert_eq!((statistics.nans(), statistics.positive_infs(), statistics.negative_infs()), (1, 1, 1));
    assert_eq!((statistics.min(), statistics.max()), (Some(-2.0), Some(3.0)));
}

#[test]
fn a_tensor_with_nothing_finite_is_named() {
    let mut net = Net::new(&[2]);
    net.op("Log", &["x"], "log");
    net.dense("log", "y", 2, 2);
    let model = open(&net, &["y"]);
    let message = refused(calibrate(&model, &data(&array(&[2, 2], vec![-1.0, -2.0, -3.0, 0.0]))));
    assert!(message.contains("\"log\"") && message.contains("3 NaN, 1 infinite"), "{message}");
}

/// A network of any number of features, which become one each.
fn of_any_length() -> Net {
    let mut net = Net::new(&[2]);
    let shape = ["n", "w"].map(|name| Dim::Symbolic(name.to_owned())).to_vec();
    let element_type = onnx_model::DataType::Float;
    net.graph.input[0] = (&onnx_model::ValueInfo { name: "x".to_owned(), element_type, shape: Some(shape) }).into();
    net.op("Relu", &["x"], "relu");
    net.node(node("ReduceMean", "y", &["relu"], &["y"]));
    net
}

#[test]
fn samples_of_any_length_are_calibrated_together() {
    let model = open(&of_any_length(), &["y"]);
    let mut random = Random::new(9);
    let parts: Vec<Dataset> = [4, 5, 4, 70].map(|length| data(&random.array(&[3, length]))).into();
    let observe = |parts: &mut dyn Iterator<Item = &Dataset>, threads| {
        let mut calibrator = Calibrator::with_threads(&model, Some(threads)).unwrap();
        parts.for_each(|part| part.batches(2).for_each(|batch| calibrator.observe(&batch).unwrap()));
        calibrator.finish().unwrap()
    };
    let calibration = observe(&mut parts.iter(), 1);
    assert_eq!((calibration.samples(), calibration.tensor("x").unwrap().statistics.count()), (12, 3 * 83));
    assert_eq!(observe(&mut parts.iter().rev(), 2).to_bytes(), calibration.to_bytes());
}

#[test]
fn a_later_sample_of_a_shape_that_does_not_run_is_named() {
    let mut net = of_any_length();
    net.dense("relu", "fc", 4, 2);
    let model = open(&net, &["fc"]);
    let mut calibrator = Calibrator::with_threads(&model, Some(1)).unwrap();
    let mut random = Random::new(9);
    let (first, second) = (data(&random.array(&[3, 4])), data(&random.array(&[3, 5])));
    first.batches(3).for_each(|batch| calibrator.observe(&batch).unwrap());
    let message = refused(calibrator.observe(&second.batches(3).next().unwrap()));
    for part in ["\"x\"", "sample 3", "[4]", "[5]"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn samples_that_do_not_fit_the_model_are_refused_with_both_shapes() {
    let model = open(&three_layers(1, [6, 4, 4, 2]), &["y"]);
    let message = refused(calibrate(&model, &data(&Random::new(1).array(&[3, 7]))));
    assert!(message.contains("[batch, 6]") && message.contains('7'), "{message}");
}

#[test]
fn no_samples_are_an_error() {
    let model = open(&three_layers(1, [6, 4, 4, 2]), &["y"]);
    let message = refused(Calibrator::new(&model).unwrap().finish());
    assert!(message.contains("no samples"), "{message}");
}

#[test]
fn integers_between_nodes_have_no_range() {
    let mut net = Net::new(&[2]);
    net.dense("x", "fc", 2, 3);
    net.op("Shape", &["fc"], "shape");
    net.op("Relu", &["fc"], "relu");
    net.op("Reshape", &["relu", "shape"], "same");
    net.dense("same", "y", 3, 2);
    let model = open(&net, &["y"]);
    let calibration = calibrate(&model, &data(&Random::new(1).array(&[3, 2]))).unwrap();
    assert!(calibration.tensor("shape").is_none());
    assert!(calibration.tensor("same").is_some());
}

#[test]
fn inputs_of_integers_have_no_range() {
    let mut net = Net::new(&[2]);
    net.graph.input.clear();
    let shape = Some(vec![Dim::Symbolic("n".to_owned()), Dim::Fixed(3)]);
    let element_type = onnx_model::DataType::Int64;
    net.graph.input.push((&onnx_model::ValueInfo { name: "ids".to_owned(), element_type, shape }).into());
    net.random("table", &[10, 4]);
    net.op("Gather", &["table", "ids"], "words");
    net.op("Flatten", &["words"], "flat");
    net.dense("flat", "y", 12, 2);
    let model = open(&net, &["y"]);
    let ids: Vec<f32> = (0..300).map(|position| (position * 7 % 10) as f32).collect();
    let ids = Input { name: "ids".to_owned(), samples: array(&[100, 3], ids) };
    let samples = Dataset::new(vec![ids], None).unwrap();
    same_for_any_cut(&model, &samples);
    let calibration = calibrate(&model, &samples).unwrap();
    assert!(calibration.tensor("ids").is_none());
    assert_eq!(calibration.tensor("words").unwrap().statistics.count(), 1200);
}

#[test]
fn large_samples_go_through_few_at_a_time() {
    let mut net = Net::new(&[1 << 20]);
    net.op("Neg", &["x"], "turned");
    net.node(node("ReduceMean", "y", &["turned"], &["y"]));
    let model = open(&net, &["y"]);
    let mut calibrator = Calibrator::with_threads(&model, Some(1)).unwrap();
    let large = data(&array(&[1, 1 << 20], vec![0.5; 1 << 20]));
    let bound = calibrator.memory_bound(&large.batches(1).next().unwrap()).unwrap();
    assert!(bound - calibrator.state_bytes() <= 6 * (32 << 20), "{bound} bytes");
}

#[test]
fn the_state_does_not_grow_with_the_samples() {
    let model = open(&three_layers(1, [6, 4, 4, 2]), &["y"]);
    let mut calibrator = Calibrator::with_threads(&model, Some(1)).unwrap();
    let before = calibrator.state_bytes();
    for batch in data(&Random::new(1).array(&[1000, 6])).batches(10) {
        calibrator.observe(&batch).unwrap();
    }
    assert_eq!(calibrator.state_bytes(), before);
}

//! Validation against naive counts.

use std::collections::HashMap;

use dataset::{Dataset, Input};
use dlquantizer::{FloatModel, Metric, Recipe, Validation, Verdict};
use int8_inference::{Session, TensorValues};
use ndarray::{ArrayD, Axis};
use onnx_model::Dim;

use crate::common::{
    Net, Quantized, Random, array, calibrate, data, labelled, quantize, refused, run, session, tapped, three_layers,
};

fn scores(y: &ArrayD<f32>) -> Vec<Vec<f32>> {
    y.axis_iter(Axis(0)).map(|row| row.iter().copied().collect()).collect()
}

/// Whether `label` is among the `places` best of a row, by sorting: higher scores first, equal ones by class, NaN never.
fn hit(row: &[f32], label: usize, places: usize) -> bool {
    let mut classes: Vec<usize> = (0..row.len()).filter(|&class| !row[class].is_nan()).collect();
    classes.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    classes.into_iter().take(places).any(|class| class == label)
}

fn percent(hits: impl Iterator<Item = bool>) -> f64 {
    let hits: Vec<bool> = hits.collect();
    100.0 * hits.iter().filter(|&&hit| hit).count() as f64 / hits.len() as f64
}

fn network() -> (Quantized, ArrayD<f32>) {
    let x = Random::new(11).array(&[333, 6]);
    (quantize(three_layers(10, [6, 24, 16, 9]).model(&["y"]), &x), x)
}

#[test]
fn accuracies_are_those_of_a_naive_count() {
    let (quantized, x) = network();
    let mut random = Random::new(12);
    let (real, int8) = (scores(&run(quantized.float.network(), &x)), scores(&run(quantized.int8.model(), &x)));
    // The float model's class, or any other now and then.
    let best = |row: &Vec<f32>| (0..9).find(|&class| hit(row, class, 1)).unwrap();
    let labels: Vec<u32> =
        real.iter().map(|row| if random.unit() < 0.7 { best(row) } else { random.below(9) } as u32).collect();
    let session = session(quantized.int8.model(), &[]);
    let data = labelled(&x, &labels);
    for (metric, places) in [(Metric::Top1, 1), (Metric::Top5, 5)] {
        let validation = Validation::compare(&quantized.float, &session, &data, metric).unwrap();
        let accuracy =
            |all: &[Vec<f32>]| percent(all.iter().zip(&labels).map(|(row, &label)| hit(row, label as usize, places)));
        assert_eq!((validation.metric, validation.samples), (metric, 333));
        assert_eq!((validation.float, validation.int8), (accuracy(&real), accuracy(&int8)));
        assert_eq!(validation.drop, validation.float - validation.int8);
        let agreement = percent(real.iter().zip(&int8).map(|(a, b)| best(a) == best(b)));
        assert_eq!(validation.agreement, Some(agreement));
        assert!(agreement > 90.0 && validation.float > 60.0);
    }
    let agreement =
        Validation::compare(&quantized.float, &session, &crate::common::data(&x), Metric::Agreement).unwrap();
    assert_eq!((agreement.float, agreement.int8), (100.0, agreement.agreement.unwrap()));
    assert_eq!(agreement.drop, 100.0 - agreement.agreement.unwrap());
}

#[test]
fn noise_of_each_tensor_is_that_of_a_naive_sum() {
    let (quantized, x) = network();
    let session_int8 = session(quantized.int8.model(), &[]);
    let validation = Validation::compare(&quantized.float, &session_int8, &data(&x), Metric::Agreement).unwrap();
    let names: Vec<&str> = validation.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["x", "relu1", "relu2"]);
    let real = tapped(quantized.float.network(), &["relu1", "relu2"], &x);
    let real: HashMap<&str, &ArrayD<f32>> = names.iter().copied().zip([&x, &real[1], &real[2]]).collect();
    let layers = quantized.int8.layers();
    for (tensor, params) in validation.tensors.iter().zip(layers.iter().map(|layer| layer.input.unwrap())) {
        let tapped = session(quantized.int8.model(), &[&format!("{}_quantized", tensor.name)]);
        let TensorValues::U8(integers) = tapped.run_named(&[("x", x.view())]).unwrap().swap_remove(1).values else {
            panic!("{}", tensor.name)
        };
        let restored = integers.mapv(|q| params.dequantize(i32::from(q)));
        let expected = crate::common::sqnr_db(real[tensor.name.as_str()], &restored);
        let got = tensor.sqnr_db.unwrap();
        assert!((got - expected).abs() < 1e-3, "{}: {got} against {expected}", tensor.name);
        assert!(got > 30.0);
    }
}

/// A model whose scores are its two inputs, and the int8 session made of it on `x`.
fn identity(x: &ArrayD<f32>) -> (FloatModel, Session) {
    let mut net = Net::new(&[2]);
    net.constant("w", &[2, 2], vec![1.0, 0.0, 0.0, 1.0]);
    net.op("MatMul", &["x", "w"], "y");
    let quantized = quantize(net.model(&["y"]), x);
    let session = session(quantized.int8.model(), &[]);
    (quantized.float, session)
}

#[test]
fn a_better_int8_model_has_a_negative_drop() {
    // A difference far below a step is a tie in int8, which the lower class wins.
    let x = array(&[4, 2], vec![0.3, 0.3001, 0.5, 0.5001, -1.0, 1.0, 1.0, -1.0]);
    let (float, session) = identity(&x);
    let validation = Validation::compare(&float, &session, &labelled(&x, &[0, 0, 1, 0]), Metric::Top1).unwrap();
    assert_eq!((validation.float, validation.int8, validation.drop), (50.0, 100.0, -50.0));
    assert_eq!(validation.agreement, Some(50.0));
    assert_eq!(validation.verdict(0.0), Verdict::Pass);
    assert_eq!(validation.verdict(-50.0), Verdict::Pass);
    assert_eq!(validation.verdict(-51.0), Verdict::Fail);
    assert_eq!(validation.verdict(f64::NAN), Verdict::Fail);
    // The higher class of a tie is not the best.
    let validation = Validation::compare(&float, &session, &labelled(&x, &[1, 1, 1, 0]), Metric::Top1).unwrap();
    assert_eq!((validation.float, validation.int8, validation.drop), (100.0, 50.0, 50.0));
}

#[test]
fn a_drop_of_exactly_what_is_allowed_passes() {
    let validation = |drop| Validation {
        metric: Metric::Top1,
        samples: 1000,
        float: 97.5,
        int8: 97.5 - drop,
        drop,
        agreement: Some(99.0),
        tensors: Vec::new(),
    };
    // 97.5 - 97.3 is a little more than 0.2 in f64.
    assert_eq!(validation(97.5 - 97.3).verdict(0.2), Verdict::Pass);
    assert_eq!(validation(0.3).verdict(0.2), Verdict::Fail);
    assert_eq!(validation(0.0).verdict(0.0), Verdict::Pass);
}

#[test]
fn scores_that_are_nan_are_never_right() {
    // The float model divides zero by zero for the second sample.
    let mut net = Net::new(&[2]);
    net.op("Div", &["x", "x"], "ratio");
    net.constant("w", &[2, 2], vec![1.0, 0.5, 0.0, 0.0]);
    net.op("MatMul", &["ratio", "w"], "y");
    let x = array(&[2, 2], vec![1.0, 2.0, 0.0, 0.0]);
    let quantized = quantize(net.model(&["y"]), &x);
    let session = session(quantized.int8.model(), &[]);
    let validation = Validation::compare(&quantized.float, &session, &labelled(&x, &[0, 0]), Metric::Top1).unwrap();
    assert_eq!(validation.float, 50.0);
    let all_places = Validation::compare(&quantized.float, &session, &labelled(&x, &[0, 1]), Metric::Top5).unwrap();
    assert_eq!(all_places.float, 50.0);
}

#[test]
fn labels_must_be_there_and_name_a_class() {
    let x = array(&[3, 2], vec![1.0, 0.0, 0.5, -0.5, 0.25, 1.0]);
    let (float, session) = identity(&x);
    let message = refused(Validation::compare(&float, &session, &data(&x), Metric::Top1));
    assert!(message.contains("no labels") && message.contains("agreement"), "{message}");
    let message = refused(Validation::compare(&float, &session, &labelled(&x, &[0, 1, 2]), Metric::Top5));
    assert!(message.contains("sample 2 has the label 2") && message.contains("2 classes (0 to 1)"), "{message}");
    Validation::compare(&float, &session, &labelled(&x, &[0, 1, 2]), Metric::Agreement).unwrap();
}

#[test]
fn models_of_different_networks_are_refused() {
    let x = Random::new(2).array(&[10, 6]);
    let [three, four] = [3, 4].map(|classes| quantize(three_layers(1, [6, 8, 5, classes]).model(&["y"]), &x));
    let message =
        refused(Validation::compare(&three.float, &session(four.int8.model(), &[]), &data(&x), Metric::Agreement));
    assert!(message.contains("has 3 scores") && message.contains('4'), "{message}");
    let narrow = Random::new(2).array(&[10, 5]);
    let other = quantize(three_layers(1, [5, 8, 5, 3]).model(&["y"]), &narrow);
    let message =
        refused(Validation::compare(&three.float, &session(other.int8.model(), &[]), &data(&x), Metric::Agreement));
    assert!(message.contains("\"x\""), "{message}");
}

#[test]
fn an_output_that_is_no_score_per_sample_is_refused() {
    // Two rows per sample.
    let mut net = Net::new(&[2, 4]);
    net.graph.initializer.push(onnx_model::Tensor::i64("shape", &[2], vec![-1, 4]).unwrap().to_proto());
    net.op("Reshape", &["x", "shape"], "rows");
    net.dense("rows", "y", 4, 3);
    let x = Random::new(2).array(&[10, 2, 4]);
    let float = crate::common::open(&net, &["y"]);
    let session = float.session(&int8_inference::SessionOptions::default()).unwrap();
    let message = refused(Validation::compare(&float, &session, &labelled(&x, &[0; 10]), Metric::Top1));
    assert!(message.contains("\"y\"") && message.contains("[20, 3]") && message.contains("10 samples"), "{message}");

    let mut net = Net::new(&[4]);
    net.op("ArgMax", &["x"], "y");
    let float = crate::common::open(&net, &["y"]);
    let session = float.session(&int8_inference::SessionOptions::default()).unwrap();
    let message =
        refused(Validation::compare(&float, &session, &data(&Random::new(2).array(&[4, 4])), Metric::Agreement));
    assert!(message.contains("\"y\""), "{message}");
}

#[test]
fn models_of_a_fixed_batch_are_compared() {
    let mut net = three_layers(10, [6, 24, 16, 9]);
    net.graph.input.clear();
    net.input("x", Dim::Fixed(4), &[6]);
    let x = Random::new(11).array(&[30, 6]);
    let float = crate::common::open(&net, &["y"]);
    let calibration = calibrate(&float, &data(&x)).unwrap();
    let int8 = Recipe::default().emit(&float, &calibration).unwrap();
    let validation = Validation::compare(&float, &session(int8.model(), &[]), &data(&x), Metric::Agreement).unwrap();
    assert_eq!((validation.samples, validation.tensors.len()), (30, 3));
    assert!(validation.agreement.unwrap() > 80.0);
}

#[test]
fn several_inputs_are_compared() {
    let mut net = Net::new(&[3]);
    net.input("other", Dim::Symbolic("n".to_owned()), &[2]);
    net.dense("x", "a", 3, 4);
    net.dense("other", "b", 2, 4);
    net.op("Add", &["a", "b"], "y");
    let mut random = Random::new(8);
    let input = |name: &str, samples| Input { name: name.to_owned(), samples };
    let both = Dataset::new(vec![input("other", random.array(&[100, 2])), input("x", random.array(&[100, 3]))], None);
    let both = both.unwrap();
    let float = crate::common::open(&net, &["y"]);
    let int8 = Recipe::default().emit(&float, &calibrate(&float, &both).unwrap()).unwrap();
    let validation = Validation::compare(&float, &session(int8.model(), &[]), &both, Metric::Agreement).unwrap();
    let mut names: Vec<&str> = validation.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["other", "x"]);
    assert!(validation.agreement.unwrap() > 90.0);
}

/// A dense network of one layer of `outputs`, with its int8 form.
fn answers(outputs: usize) -> (Quantized, ArrayD<f32>) {
    let x = Random::new(31).array(&[120, 6]);
    (quantize(three_layers(32, [6, 12, 8, outputs]).model(&["y"]), &x), x)
}

fn with_target(x: &ArrayD<f32>, target: ArrayD<f32>, labels: Option<Vec<u32>>) -> Dataset {
    let inputs =
        vec![Input { name: "x".to_owned(), samples: x.clone() }, Input { name: "wanted".to_owned(), samples: target }];
    Dataset::new(inputs, labels.map(dataset::Labels::new)).unwrap()
}

#[test]
fn errors_of_values_are_those_of_a_naive_sum() {
    let (quantized, x) = answers(3);
    let (real, int8) = (run(quantized.float.network(), &x), run(quantized.int8.model(), &x));
    // Two of the three columns are compared.
    let wanted = Random::new(33).array(&[120, 2]);
    let naive = |found: &ArrayD<f32>| {
        let squares = wanted.indexed_iter().map(|(at, wanted)| f64::from(found[[at[0], at[1]]] - wanted).powi(2));
        (squares.sum::<f64>() / 240.0).sqrt()
    };
    let session = session(quantized.int8.model(), &[]);
    let compare = |data: &Dataset, target| {
        Validation::compare_to(&quantized.float, &session, data, Metric::RootMeanSquaredError, target)
    };
    let data = with_target(&x, wanted.clone(), None);
    let validation = compare(&data, Some("wanted")).unwrap();
    assert!((validation.float - naive(&real)).abs() < 1e-6 && (validation.int8 - naive(&int8)).abs() < 1e-6);
    assert_eq!(validation.drop, 100.0 * (validation.int8 - validation.float) / validation.float);
    assert_eq!(validation.agreement, None);

    assert!(refused(compare(&data, None)).contains("target"));
    assert!(refused(compare(&data, Some("price"))).contains("\"price\""));
    let wide = with_target(&x, Random::new(34).array(&[120, 4]), None);
    assert!(refused(compare(&wide, Some("wanted"))).contains("4 target values for 3"));
}

#[test]
fn yes_or_no_is_told_by_the_sign_of_a_single_score() {
    let (quantized, x) = answers(1);
    let (real, int8) = (run(quantized.float.network(), &x), run(quantized.int8.model(), &x));
    let labels: Vec<u32> = (0..120).map(|i| u32::from(i % 3 == 0)).collect();
    let right = |found: &ArrayD<f32>| percent(found.iter().zip(&labels).map(|(y, &label)| (*y > 0.0) == (label == 1)));
    let session = session(quantized.int8.model(), &[]);
    let compare =
        |data: &Dataset, target| Validation::compare_to(&quantized.float, &session, data, Metric::Binary, target);
    let validation = compare(&labelled(&x, &labels), None).unwrap();
    assert!((validation.float - right(&real)).abs() < 1e-9 && (validation.int8 - right(&int8)).abs() < 1e-9);
    let same = percent(real.iter().zip(&int8).map(|(a, b)| (*a > 0.0) == (*b > 0.0)));
    assert!((validation.agreement.unwrap() - same).abs() < 1e-9);

    let column = ArrayD::from_shape_vec(vec![120, 1], labels.iter().map(|&label| label as f32).collect()).unwrap();
    assert_eq!(compare(&with_target(&x, column, None), Some("wanted")).unwrap(), validation);
    assert!(refused(compare(&labelled(&x, &[2; 120]), None)).contains("label 2"));
}

#[test]
fn a_class_for_each_step_is_compared_step_by_step() {
    let (quantized, x) = answers(9);
    let real = run(quantized.float.network(), &x);
    // The same answers as one step of nine classes.
    let best = |row: &Vec<f32>| (0..9).find(|&class| hit(row, class, 1)).unwrap();
    let steps: Vec<f32> = scores(&real).iter().enumerate().map(|(i, row)| ((best(row) + i % 2) % 9) as f32).collect();
    let wanted = ArrayD::from_shape_vec(vec![120, 1], steps).unwrap();
    let session = session(quantized.int8.model(), &[]);
    let compare =
        |data: &Dataset| Validation::compare_to(&quantized.float, &session, data, Metric::Top1, Some("wanted"));
    let validation = compare(&with_target(&x, wanted, None)).unwrap();
    assert_eq!((validation.float, validation.samples), (50.0, 120));
    let odd = with_target(&x, ArrayD::from_elem(vec![120, 2], 0.5), None);
    assert!(refused(compare(&odd)).contains("2 target values for 9"));
}

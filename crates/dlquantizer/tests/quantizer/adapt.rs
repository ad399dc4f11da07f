//! Bringing samples into the form a model takes.

use dataset::{Dataset, Input};
use dlquantizer::{INPUT_MEAN_KEY, INPUT_STD_KEY, adapt};
use ndarray::ArrayD;
use onnx_model::Model;

use crate::common::{Net, Random, data, refused, three_layers};

fn model(mean: Option<&str>, std: Option<&str>) -> Model {
    let mut model = three_layers(1, [3, 4, 4, 2]).model(&["y"]);
    for (key, value) in [(INPUT_MEAN_KEY, mean), (INPUT_STD_KEY, std)] {
        if let Some(value) = value {
            model.set_metadata(key, value);
        }
    }
    model
}

fn samples(data: &Dataset) -> &ArrayD<f32> {
    &data.inputs()[0].samples
}

#[test]
fn samples_are_normalized_by_the_metadata() {
    let x = Random::new(1).array(&[10, 3]);
    let cases = [
        (None, None, [0.0; 3], [1.0; 3]),
        (Some("0.5"), Some("0.25"), [0.5; 3], [0.25; 3]),
        (Some("0.5"), None, [0.5; 3], [1.0; 3]),
        (None, Some("2"), [0.0; 3], [2.0; 3]),
        (Some(" 0.1, 0.2 ,0.3"), Some("1,2,4"), [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]),
        (Some("0.1,0.2,0.3"), Some("4"), [0.1, 0.2, 0.3], [4.0; 3]),
    ];
    for (mean, std, means, stds) in cases {
        let adapted = adapt(&model(mean, std), data(&x)).unwrap();
        for (sample, row) in samples(&adapted).rows().into_iter().enumerate() {
            for feature in 0..3 {
                assert_eq!(row[feature], (x[[sample, feature]] - means[feature]) / stds[feature], "{mean:?} {std:?}");
            }
        }
    }
}

#[test]
fn metadata_that_is_no_normalization_is_refused_by_name() {
    let x = Random::new(1).array(&[10, 3]);
    for (mean, std, expected) in [
        (Some("a"), None, INPUT_MEAN_KEY),
        (Some("1,"), None, INPUT_MEAN_KEY),
        (None, Some(""), INPUT_STD_KEY),
        (None, Some("0"), "deviation 0"),
        (Some("nan"), None, "NaN"),
        (Some("1,2"), None, "2 features"),
        (Some("1,2,3"), Some("1,2"), "3 means and 2 deviations"),
    ] {
        let message = refused(adapt(&model(mean, std), data(&x)));
        assert!(message.contains(expected), "{mean:?} {std:?}: {message}");
    }
}

#[test]
fn samples_take_the_declared_shape() {
    let mut net = Net::new(&[2, 3]);
    net.op("Relu", &["x"], "y");
    let flat = Random::new(1).array(&[10, 6]);
    let adapted = adapt(&net.model(&["y"]), data(&flat)).unwrap();
    assert_eq!(samples(&adapted).shape(), [10, 2, 3]);
    assert!(samples(&adapted).iter().eq(&flat));
    let message = refused(adapt(&net.model(&["y"]), data(&Random::new(1).array(&[10, 7]))));
    assert!(message.contains("[7]") && message.contains("[2, 3]"), "{message}");
}

#[test]
fn a_lone_array_serves_a_model_of_one_input_and_another_name_does_not() {
    let mut net = Net::new(&[3]);
    net.graph.input.clear();
    net.input("image", onnx_model::Dim::Unknown, &[3]);
    net.op("Relu", &["image"], "y");
    let x = Random::new(1).array(&[10, 3]);
    adapt(&net.model(&["y"]), data(&x)).unwrap();
    let other = Dataset::new(vec![Input { name: "picture".to_owned(), samples: x }], None).unwrap();
    let message = refused(adapt(&net.model(&["y"]), other));
    assert!(message.contains("`image`") && message.contains("`picture`"), "{message}");
}

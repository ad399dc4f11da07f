//! What a float model says about its input reaches the int8 model.

use dlquantizer::{Calibrator, FloatModel, INPUT_MEAN_KEY, INPUT_STD_KEY, Metric, Recipe, Validation, adapt};
use int8_inference::{Session, SessionOptions};
use workspace_tests::Case;

#[test]
fn normalization_in_the_metadata_survives_quantization() {
    let case = Case::digits().unwrap();
    let mut network = case.float.network().clone();
    network.set_metadata(INPUT_MEAN_KEY, "-8");
    network.set_metadata(INPUT_STD_KEY, "0.5");
    let float = FloatModel::new(network).unwrap();

    // The raw form that the metadata turns into what the network was trained on: x = (raw + 8) / 0.5.
    let raw = |value: f32| value * 0.5 - 8.0;
    let inputs = case.test.inputs().iter().cloned();
    let inputs = inputs.map(|input| dataset::Input { samples: input.samples.mapv(raw), ..input }).collect();
    let labels = dataset::Labels::new(case.test.labels().unwrap().to_vec());
    let raw = dataset::Dataset::new(inputs, Some(labels)).unwrap();

    let samples = float.adapt(raw.clone()).unwrap();
    assert_eq!(samples.inputs(), case.test.inputs());
    let calibration = Calibrator::new(&float).unwrap().run(samples.batches(64)).unwrap();
    let int8 = Recipe::default().emit(&float, &calibration).unwrap();
    assert_eq!(adapt(int8.model(), raw).unwrap(), samples);

    let session = Session::new(int8.model(), &SessionOptions::default()).unwrap();
    let validation = Validation::compare(&float, &session, &samples, Metric::Top1).unwrap();
    assert!(validation.float >= 97.0, "{validation:?}");
}

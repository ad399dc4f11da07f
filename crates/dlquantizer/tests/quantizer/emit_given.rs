//! Models emitted with activations quantized as the caller says.

use dlquantizer::{Calibrator, Error, FloatModel, QuantParams, QuantType, RangeMethod, Recipe};
use int8_inference::Session;

use crate::common::{Random, data, three_layers};

fn model() -> FloatModel {
    FloatModel::new(three_layers(3, [12, 9, 7, 4]).model(&["y"])).unwrap()
}

#[test]
fn what_a_calibration_says_gives_the_same_graph() {
    let model = model();
    let x = Random::new(5).array(&[40, 12]);
    let calibration = Calibrator::new(&model).unwrap().run(data(&x).batches(8)).unwrap();
    for range in [RangeMethod::MinMax, RangeMethod::Mse] {
        let recipe = Recipe { range, ..Recipe::default() };
        let activations = recipe.activations(&model, &calibration).unwrap();
        assert_eq!(activations.keys().collect::<Vec<_>>(), ["relu1", "relu2", "x"]);
        let given = recipe.emit_with(&model, &activations).unwrap();
        let calibrated = recipe.emit(&model, &calibration).unwrap();
        assert_eq!(given.model().graph(), calibrated.model().graph());
        assert_eq!(given.layers(), calibrated.layers());
    }
}

#[test]
fn parameters_are_taken_as_they_are() {
    let model = model();
    let params = |scale, zero_point| QuantParams { scale, zero_point, quant_type: QuantType::U8 };
    let given = [("x", params(0.3, 7)), ("relu1", params(0.011, 0)), ("relu2", params(1e-3, 255))];
    let given = given.map(|(name, params)| (name.to_owned(), params));
    let int8 = Recipe::default().emit_with(&model, &given.clone().into()).unwrap();
    for (layer, (_, params)) in int8.layers().iter().zip(&given) {
        assert_eq!(layer.input, Some(*params), "{}", layer.name);
    }
    Session::new(int8.model(), &Default::default()).unwrap();
    let refused = |at: usize, params: QuantParams| {
        let mut given = given.clone();
        given[at].1 = params;
        Recipe::default().emit_with(&model, &given.into()).err().unwrap()
    };
    for bad in [
        params(0.0, 0),
        params(f32::NAN, 0),
        params(f32::INFINITY, 0),
        params(1e-30, 0),
        params(1.0, 256),
        params(1.0, -1),
        QuantParams { quant_type: QuantType::I8, ..params(1.0, 0) },
    ] {
        let error = refused(1, bad);
        assert!(matches!(&error, Error::UnusableParams { tensor, .. } if tensor == "relu1"), "{error}");
    }
    let missing = Recipe::default().emit_with(&model, &given[..2].iter().cloned().collect());
    assert!(matches!(missing, Err(Error::NotCalibrated(tensor)) if tensor == "relu2"));
}

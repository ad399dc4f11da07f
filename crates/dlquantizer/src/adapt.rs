//! Brings samples into the form a model takes.

use dataset::{Dataset, Normalization};
use onnx_model::{Dim, Model};

use crate::Error;

/// Metadata key of the mean that inference subtracts from raw samples: one number, or one per feature, separated by commas.
pub const INPUT_MEAN_KEY: &str = "quantize.input_mean";
/// Metadata key of the standard deviation that inference divides by, in the form of [`INPUT_MEAN_KEY`].
pub const INPUT_STD_KEY: &str = "quantize.input_std";

/// The data in the form `model`, float or int8, takes: normalised by the mean and deviation in the model's metadata, if it has any, and
/// each sample in the declared shape, if the number of values agrees.
///
/// # Errors
///
/// When the data lacks one of the model's inputs, a sample has another number of values, or the metadata is not numbers.
pub fn adapt(model: &Model, mut data: Dataset) -> Result<Dataset, Error> {
    if let Some(normalization) = normalization(model)? {
        data = data.normalize(&normalization)?;
    }
    for input in model.inputs() {
        let shape: Option<Vec<usize>> =
            input.shape.as_deref().and_then(|shape| shape.split_first()).and_then(|(_, rest)| {
                rest.iter().map(|dim| if let Dim::Fixed(size) = dim { Some(*size) } else { None }).collect()
            });
        match shape {
            Some(shape) => data = data.shape_samples(&input.name, &shape)?,
            None => drop(data.input(&input.name)?),
        }
    }
    Ok(data)
}

fn normalization(model: &Model) -> Result<Option<Normalization>, Error> {
    let numbers = |key: &'static str| -> Result<Option<Vec<f32>>, Error> {
        let Some(text) = model.metadata(key) else { return Ok(None) };
        let parsed: Result<Vec<f32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        parsed.map(Some).map_err(|_| Error::Metadata { key, value: text.to_owned() })
    };
    match (numbers(INPUT_MEAN_KEY)?, numbers(INPUT_STD_KEY)?) {
        (None, None) => Ok(None),
        (mean, std) => {
            // One number serves every feature, also where the other has one for each.
            let (mut mean, mut std) = (mean.unwrap_or_else(|| vec![0.0]), std.unwrap_or_else(|| vec![1.0]));
            let features = mean.len().max(std.len());
            for values in [&mut mean, &mut std] {
                if let &mut [value] = values.as_mut_slice() {
                    values.resize(features, value);
                }
            }
            Ok(Some(Normalization::new(mean, std)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use dataset::Input;
    use ndarray::{ArrayD, array};
    use onnx_model::proto::GraphProto;
    use onnx_model::{DataType, ValueInfo};

    use super::*;

    fn model(metadata: &[(&str, &str)]) -> Model {
        let x = ValueInfo {
            name: "image".to_owned(),
            element_type: DataType::Float,
            shape: Some(vec![Dim::Symbolic("N".to_owned()), Dim::Fixed(1), Dim::Fixed(2)]),
        };
        let mut model = Model::new(GraphProto { input: vec![(&x).into()], ..GraphProto::default() }, 21);
        for (key, value) in metadata {
            model.set_metadata(key, value);
        }
        model
    }

    fn adapted(metadata: &[(&str, &str)], samples: ArrayD<f32>) -> Result<ArrayD<f32>, Error> {
        let data = Dataset::new(vec![Input { name: "x".to_owned(), samples }], None)?;
        Ok(adapt(&model(metadata), data)?.inputs()[0].samples.clone())
    }

    #[test]
    fn samples_take_the_declared_shape() {
        let rows = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
        assert_eq!(adapted(&[], rows).unwrap(), array![[[1.0, 2.0]], [[3.0, 4.0]]].into_dyn());
        assert!(adapted(&[], array![[1.0, 2.0, 3.0]].into_dyn()).is_err());
    }

    #[test]
    fn metadata_normalizes_and_one_number_serves_all_features() {
        let rows = || array![[1.0, 2.0]].into_dyn();
        let both = [(INPUT_MEAN_KEY, "1, 0"), (INPUT_STD_KEY, "2")];
        assert_eq!(adapted(&both, rows()).unwrap(), array![[[0.0, 1.0]]].into_dyn());
        assert_eq!(adapted(&[(INPUT_MEAN_KEY, "1")], rows()).unwrap(), array![[[0.0, 1.0]]].into_dyn());
        assert_eq!(adapted(&[(INPUT_STD_KEY, "1,2")], rows()).unwrap(), array![[[1.0, 1.0]]].into_dyn());
        for bad in ["", "one", "0", "1,2,3"] {
            assert!(adapted(&[(INPUT_STD_KEY, bad)], rows()).is_err(), "{bad}");
        }
    }
}

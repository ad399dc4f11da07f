//! Samples for models that are given none.

use anyhow::{Context, Result, bail};
use dataset::Input;
use dlquantizer::probe::input_quantization;
use ndarray::ArrayD;
use onnx_model::{DataType, Dim};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Subject;

/// Different random samples a model is timed on.
const SAMPLES: usize = 64;

/// Bounds the memory that they take.
const MAX_VALUES: usize = 1 << 28;

/// Samples of the shapes the first model takes, the same in every run: of real numbers, uniform over what a model quantizes the input to, or
/// else over 0 to 1; of whole ones 0 and 1, which are in every vocabulary.
pub(super) fn random_samples(subjects: &[Subject]) -> Result<Vec<Input>> {
    let Some(first) = subjects.first() else { bail!("there is no model to time") };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut inputs = Vec::new();
    for input in first.model.inputs() {
        let name = input.name;
        let declared =
            input.shape.with_context(|| format!("input \"{name}\" has no shape in the file; pass --data"))?;
        let mut shape = vec![SAMPLES];
        for dim in declared.iter().skip(1) {
            let Dim::Fixed(size) = dim else {
                bail!(
                    "the shape of input \"{name}\" is not fixed in the file; pass samples of the shape to time with --data"
                );
            };
            shape.push(*size);
        }
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        let count = count
            .filter(|&count| count < MAX_VALUES)
            .with_context(|| format!("input \"{name}\" of shape {shape:?} is too large to time"))?;
        let real = matches!(
            input.element_type,
            DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16 | DataType::Undefined
        );
        let (low, high) = quantized_range(subjects, &name)?.unwrap_or((0.0, 1.0));
        let value = |random: &mut ChaCha8Rng| match real {
            true => low + (high - low) * random.random::<f32>(),
            false => f32::from(random.random::<bool>()),
        };
        let values = (0..count).map(|_| value(&mut random)).collect();
        inputs.push(Input { name, samples: ArrayD::from_shape_vec(shape, values)? });
    }
    Ok(inputs)
}

/// The real interval that the first model that quantizes the input quantizes it to.
fn quantized_range(subjects: &[Subject], input: &str) -> Result<Option<(f32, f32)>> {
    for subject in subjects {
        if let Some(params) = input_quantization(subject.model, input)? {
            let range = (params.dequantize(0), params.dequantize(255));
            return Ok(Some(range).filter(|(low, high)| low.is_finite() && high.is_finite()));
        }
    }
    Ok(None)
}

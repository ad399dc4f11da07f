//! Made-up tensors that show what shapes come out of steps whose results have no declared one.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::{DataType, Dim, Tensor, TensorData};

use super::shape::elements;
use crate::Error;
use crate::dynamic::{WholeInput, stored};
use crate::plan::{Place, PlanInput};

/// Largest tensor that is made up.
const MAX_ELEMENTS: usize = 1 << 28;

/// Zeros in place of `batch` samples of what a step reads from a buffer or from the model's inputs.
pub(super) fn zeros(input: &WholeInput, batch: usize, model_inputs: &[PlanInput]) -> Result<Tensor, Error> {
    let shape: Vec<usize> = match (input.place, &input.sample) {
        (Place::Input(index), None) => input_shape(&model_inputs[index], batch)?,
        (_, sample) => core::iter::once(batch).chain(sample.iter().flatten().copied()).collect(),
    };
    let count = elements(&input.name, &shape)?;
    if count > MAX_ELEMENTS {
        return Err(Error::Shape {
            tensor: input.name.clone(),
            reason: format!("its shape {shape:?} is too large for a partly quantized model"),
        });
    }
    let data = match (input.params, input.element_type) {
        (Some(params), _) => stored(&vec![params.zero_point; count], params.signed),
        (None, DataType::Float) => TensorData::F32(vec![0.0; count]),
        (None, other) => TensorData::from_f32(vec![0.0; count], other)
            .or_else(|| TensorData::from_i64(&vec![0; count], other))
            .ok_or_else(|| Error::Shape { tensor: input.name.clone(), reason: format!("it is of type {other}") })?,
    };
    Ok(Tensor::new("", &shape, data)?)
}

fn input_shape(input: &PlanInput, batch: usize) -> Result<Vec<usize>, Error> {
    let unknown = || Error::Shape {
        tensor: input.name.clone(),
        reason: "its dimensions behind the batch are not fixed in the file; a partly quantized model needs them".into(),
    };
    let declared = input.shape.as_deref().ok_or_else(unknown)?;
    let fixed = |(axis, dim): (usize, &Dim)| match dim {
        _ if axis == 0 => Ok(batch),
        Dim::Fixed(size) => Ok(*size),
        _ => Err(unknown()),
    };
    declared.iter().enumerate().map(fixed).collect()
}

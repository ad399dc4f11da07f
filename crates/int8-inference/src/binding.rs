//! Between the caller's arrays and the plan: checks against the declared shapes, cuts and joins along the batch.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use ndarray::{ArrayD, ArrayViewD, Axis, CowArray, IxDyn, Slice};
use onnx_model::Dim;

use crate::Error;
use crate::float_region::TensorValues;
use crate::plan::PlanInput;

/// An input in row-major order.
pub(crate) type Bound<'x> = CowArray<'x, f32, IxDyn>;

/// The given arrays in the model's order, checked against what it declares.
pub(crate) fn bind<'x>(
    inputs: &[PlanInput],
    given: &'x [(&str, ArrayViewD<'x, f32>)],
) -> Result<Vec<Bound<'x>>, Error> {
    if let Some((name, _)) = given.iter().find(|(name, _)| inputs.iter().all(|input| input.name != *name)) {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(Error::Input {
            input: (*name).to_owned(),
            reason: format!("the model has no such input; it has {names:?}"),
        });
    }
    let mut bound: Vec<Bound<'x>> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let reject = |reason: String| Error::Input { input: input.name.clone(), reason };
        let (_, array) = given
            .iter()
            .find(|(name, _)| *name == input.name)
            .ok_or_else(|| reject("the data has no array for it".to_owned()))?;
        if array.ndim() == 0 {
            return Err(reject("a scalar was given; the first dimension must be the batch".to_owned()));
        }
        if let Some(shape) = &input.shape
            && !fits(shape, array.shape())
        {
            return Err(reject(format!("the model takes {}, the data has {:?}", show_shape(shape), array.shape())));
        }
        if let Some(other) = bound.first().map(|first| first.shape()[0]).filter(|&batch| batch != array.shape()[0]) {
            return Err(reject(format!("its batch is {}, another input's is {other}", array.shape()[0])));
        }
        bound.push(array.as_standard_layout());
    }
    Ok(bound)
}

/// The batch may have any size; every other dimension must be the declared one.
fn fits(declared: &[Dim], shape: &[usize]) -> bool {
    declared.len() == shape.len()
        && declared.iter().zip(shape).skip(1).all(|(dim, &size)| match dim {
            Dim::Fixed(fixed) => *fixed == size,
            Dim::Symbolic(_) | Dim::Unknown => true,
        })
}

/// A declared shape for people, as `[batch, 784]`.
pub fn show_shape(shape: &[Dim]) -> String {
    let dims: Vec<String> = shape
        .iter()
        .enumerate()
        .map(|(axis, dim)| match dim {
            _ if axis == 0 => "batch".to_owned(),
            Dim::Fixed(size) => size.to_string(),
            Dim::Symbolic(name) => name.clone(),
            Dim::Unknown => "?".to_owned(),
        })
        .collect();
    format!("[{}]", dims.join(", "))
}

/// All values in order.
pub(crate) fn flat<'b>(array: &'b Bound<'_>) -> &'b [f32] {
    // `bind` made the layout standard, so there always is a slice.
    array.as_slice().unwrap_or_default()
}

/// `samples` samples from `start`, filled up with zeros to `padded`.
pub(crate) fn rows<'b>(array: &'b Bound<'_>, start: usize, samples: usize, padded: usize) -> Cow<'b, [f32]> {
    let size: usize = array.shape()[1..].iter().product();
    let values = &flat(array)[start * size..(start + samples) * size];
    if padded == samples {
        return Cow::Borrowed(values);
    }
    let mut filled = values.to_vec();
    filled.resize(padded * size, 0.0);
    Cow::Owned(filled)
}

/// Drops the padded samples; a result without the batch in front is left alone.
pub(crate) fn truncate(values: TensorValues, padded: usize, samples: usize) -> TensorValues {
    fn cut<T: Clone>(array: ArrayD<T>, padded: usize, samples: usize) -> ArrayD<T> {
        if padded == samples || array.shape().first() != Some(&padded) {
            return array;
        }
        array.slice_axis(Axis(0), Slice::from(..samples)).to_owned()
    }
    match values {
        TensorValues::F32(array) => TensorValues::F32(cut(array, padded, samples)),
        TensorValues::U8(array) => TensorValues::U8(cut(array, padded, samples)),
        TensorValues::I8(array) => TensorValues::I8(cut(array, padded, samples)),
        TensorValues::I32(array) => TensorValues::I32(cut(array, padded, samples)),
    }
}

/// Joins the results of consecutive parts along the batch.
pub(crate) fn concatenate(name: &str, mut pieces: Vec<TensorValues>) -> Result<TensorValues, Error> {
    if pieces.len() == 1
        && let Some(only) = pieces.pop()
    {
        return Ok(only);
    }
    let fail = || Error::Float(format!("tensor \"{name}\" cannot be joined over several batches"));
    macro_rules! join {
        ($variant:ident) => {{
            let views = pieces.iter().map(|piece| match piece {
                TensorValues::$variant(array) => Some(array.view()),
                _ => None,
            });
            let views: Vec<_> = views.collect::<Option<_>>().ok_or_else(fail)?;
            ndarray::concatenate(Axis(0), &views).map(TensorValues::$variant).map_err(|_| fail())
        }};
    }
    match pieces.first() {
        Some(TensorValues::F32(_)) => join!(F32),
        Some(TensorValues::U8(_)) => join!(U8),
        Some(TensorValues::I8(_)) => join!(I8),
        Some(TensorValues::I32(_)) => join!(I32),
        None => Err(fail()),
    }
}

//! Shapes of one sample: everything but the leading batch dimension.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::Dim;
use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;

use super::graph::{Graph, op};
use crate::Error;

/// The dimensions behind the batch, if all are fixed.
pub(crate) fn fixed_sample(shape: &[Dim]) -> Option<Vec<usize>> {
    let (_, rest) = shape.split_first()?;
    rest.iter().map(|dim| if let Dim::Fixed(size) = dim { Some(*size) } else { None }).collect()
}

/// Number of elements of one sample; an error when it overflows.
pub(crate) fn elements(tensor: &str, sample: &[usize]) -> Result<usize, Error> {
    sample.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(|| Error::Shape {
        tensor: tensor.to_owned(),
        reason: format!("the product of the dimensions {sample:?} overflows"),
    })
}

/// Sample shape after a Flatten, or a Reshape to a constant shape, that leaves the batch dimension in front.
pub(crate) fn reshaped(graph: &Graph<'_>, node: &NodeProto, sample: &[usize]) -> Result<Vec<usize>, Error> {
    let describe = || describe(node);
    let total = elements(&describe(), sample)?;
    let reject = |reason: String| Error::Unsupported { node: describe(), reason, way_out: crate::error::OTHER_RUNTIME };
    if op(node) == "Flatten" {
        let axis = node.attr_int("axis", 1)?;
        let rank = sample.len() as i64 + 1;
        return if axis == 1 || axis == 1 - rank {
            Ok(vec![total])
        } else {
            Err(reject(format!("it flattens at axis {axis}, across the batch")))
        };
    }
    let target = graph
        .constant(&node.input[1])
        .and_then(|tensor| tensor.to_i64().ok())
        .ok_or_else(|| reject("its target shape is not a constant list of integers".to_owned()))?;
    let keeps_zero = node.attr_int("allowzero", 0)? != 0;
    let Some((batch, rest)) = target.split_first() else {
        return Err(reject("it reshapes to a scalar, across the batch".to_owned()));
    };
    let mut shape = Vec::with_capacity(rest.len());
    let mut free = None;
    for (axis, &dim) in rest.iter().enumerate() {
        shape.push(match dim {
            -1 if free.is_none() => {
                free = Some(axis);
                1
            }
            0 if !keeps_zero => *sample
                .get(axis)
                .ok_or_else(|| reject(format!("its target shape {target:?} copies a dimension the input lacks")))?,
            dim => usize::try_from(dim).map_err(|_| reject(format!("its target shape is {target:?}")))?,
        });
    }
    let known = elements(&describe(), &shape)?;
    if let Some(axis) = free
        && known > 0
        && total % known == 0
    {
        shape[axis] = total / known;
    }
    // With the sample's size kept, 0 or -1 in front can only be the batch. So can a number, unless a free dimension behind it takes in
    // the whole batch: then it has to be the batch size the model was exported with.
    let exported = graph.fixed_batch.and_then(|(batch, _)| i64::try_from(batch).ok());
    let absorbs = free.is_some() && *batch != 0 && Some(*batch) != exported;
    if elements(&describe(), &shape)? != total || absorbs {
        return Err(reject(format!("it reshapes samples of {sample:?} to {target:?}, across the batch")));
    }
    Ok(shape)
}

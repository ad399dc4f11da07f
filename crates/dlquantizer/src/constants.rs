//! Constants, those of type float32, and what is not constant.

use std::collections::HashSet;

use onnx_model::graph::{GraphIndex, reads_of};
use onnx_model::proto::{DataType, GraphProto};
use onnx_model::{Tensor, TensorData};

use crate::Error;
use crate::node::operator;

/// Whether the tensor is an initializer or the result of a Constant node.
pub(crate) fn is_constant(graph: &GraphProto, index: &GraphIndex<'_>, name: &str) -> bool {
    let producer = index.producer(name).map(|producer| &graph.node[producer]);
    index.initializer(name).is_some() || producer.is_some_and(|node| operator(node) == "Constant")
}

/// Shape and values, row by row.
pub(crate) type FloatConstant = (Vec<usize>, Vec<f32>);

/// Shape and values of the constant `name` if it is of type float32.
pub(crate) fn float_constant(index: &GraphIndex<'_>, name: &str) -> Result<Option<FloatConstant>, Error> {
    Ok(match index.constant(name)? {
        Some(Tensor { shape, data: TensorData::F32(values), .. }) => Some((shape, values)),
        _ => None,
    })
}

/// The shape of the constant `name` if it is of type float32. Of an initializer, nothing else is decoded.
pub(crate) fn float_shape(index: &GraphIndex<'_>, name: &str) -> Result<Option<Vec<usize>>, Error> {
    match index.initializer(name) {
        Some(tensor) if tensor.data_type == Some(DataType::Float.into()) => {
            Ok(tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect())
        }
        Some(_) => Ok(None),
        None => Ok(float_constant(index, name)?.map(|(shape, _)| shape)),
    }
}

/// The tensors that depend on an input of the model: those that differ from sample to sample.
pub(crate) fn dynamic<'g>(graph: &'g GraphProto, index: &GraphIndex<'g>) -> HashSet<&'g str> {
    let inputs = graph.input.iter().map(|input| input.name());
    let mut dynamic: HashSet<&str> = inputs.filter(|name| index.initializer(name).is_none()).collect();
    for node in index.order().iter().map(|&position| &graph.node[position]) {
        if reads_of(node).iter().any(|name| dynamic.contains(name)) {
            dynamic.extend(node.output.iter().map(String::as_str).filter(|name| !name.is_empty()));
        }
    }
    dynamic
}

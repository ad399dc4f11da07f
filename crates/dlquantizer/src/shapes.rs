//! Shapes of tensors, as far as the file and a few rules tell.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{Dim, ValueInfo};

use crate::Error;
use crate::node::operator;

/// The dimensions of a tensor; `None` for one that is not known.
type Shape = Vec<Option<usize>>;

/// Shapes of the tensors for which the file or the rules below say at least the number of dimensions.
pub(crate) struct Shapes<'a>(HashMap<&'a str, Shape>);

impl<'a> Shapes<'a> {
    /// Reads what the file declares and follows the nodes in topological order.
    pub(crate) fn of(graph: &'a GraphProto, index: &GraphIndex<'a>) -> Result<Self, Error> {
        let mut shapes = HashMap::new();
        for info in graph.input.iter().chain(&graph.value_info).chain(&graph.output) {
            if let Some(dims) = ValueInfo::from(info).shape {
                let size = |dim| if let Dim::Fixed(size) = dim { Some(size) } else { None };
                shapes.insert(info.name(), dims.into_iter().map(size).collect());
            }
        }
        for tensor in &graph.initializer {
            shapes.insert(tensor.name(), tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect());
        }
        let mut shapes = Self(shapes);
        for &position in index.order() {
            let node = &graph.node[position];
            let Some(output) = node.output.first().filter(|output| !output.is_empty()) else { continue };
            let Some(inferred) = shapes.infer(index, node)? else { continue };
            match shapes.0.entry(output) {
                Entry::Vacant(entry) => drop(entry.insert(inferred)),
                Entry::Occupied(mut declared) if declared.get().len() == inferred.len() => {
                    for (dim, inferred) in declared.get_mut().iter_mut().zip(inferred) {
                        *dim = dim.or(inferred);
                    }
                }
                Entry::Occupied(_) => {}
            }
        }
        Ok(shapes)
    }

    pub(crate) fn get(&self, tensor: &str) -> Option<&[Option<usize>]> {
        self.0.get(tensor).map(Vec::as_slice)
    }

    /// Number of dimensions.
    pub(crate) fn rank(&self, tensor: &str) -> Option<usize> {
        self.get(tensor).map(<[_]>::len)
    }

    /// Shape of the node's first result (shape inference of the ONNX operator schemas).
    fn infer(&self, index: &GraphIndex<'_>, node: &NodeProto) -> Result<Option<Shape>, Error> {
        let of = |input: usize| self.get(node.input.get(input)?);
        Ok(match operator(node) {
            "Gemm" => {
                let dim = |input: usize, axis: i64| *of(input)?.get(usize::from(axis != 0))?;
                Some(vec![dim(0, node.attr_int("transA", 0)?), dim(1, i64::from(node.attr_int("transB", 0)? == 0))])
            }
            "MatMul" => of(0).zip(of(1)).filter(|(a, b)| a.len() >= 2 && b.len() == 2).map(|(a, b)| {
                let mut shape = a.to_vec();
                shape[a.len() - 1] = b[1];
                shape
            }),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => of(0).zip(of(1)).map(|(a, b)| broadcast(a, b)),
            "Relu" | "Clip" | "Sigmoid" | "Tanh" | "Softmax" | "Gelu" | "Erf" | "Elu" | "Selu" | "Softplus"
            | "LeakyRelu" | "HardSigmoid" | "HardSwish" | "BatchNormalization" | "Identity" | "Dropout" | "Abs"
            | "Neg" | "Exp" | "Sqrt" | "Cast" | "LayerNormalization" => of(0).map(<[_]>::to_vec),
            "Flatten" => {
                let axis = node.attr_int("axis", 1)?;
                Some(match of(0) {
                    Some(shape) => {
                        let axis = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
                        let (outer, inner) = shape.split_at(usize::try_from(axis).unwrap_or(0).min(shape.len()));
                        vec![product(outer), product(inner)]
                    }
                    None => vec![None, None],
                })
            }
            "Reshape" => match node.input.get(1).map(|shape| index.constant(shape)).transpose()?.flatten() {
                Some(target) => {
                    Some(target.to_i64()?.into_iter().map(|dim| usize::try_from(dim).ok().filter(|&d| d > 0)).collect())
                }
                None => None,
            },
            _ => None,
        })
    }
}

/// Numpy's rule: dimensions are paired from the last one, and one of size 1 takes the size of the other.
fn broadcast(a: &[Option<usize>], b: &[Option<usize>]) -> Shape {
    let rank = a.len().max(b.len());
    let dim = |shape: &[Option<usize>], axis: usize| (axis + shape.len()).checked_sub(rank).map(|axis| shape[axis]);
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (None | Some(Some(1)), Some(other)) | (Some(other), None | Some(Some(1))) => other,
            (Some(a), Some(b)) => a.or(b),
            (None, None) => None,
        })
        .collect()
}

fn product(dims: &[Option<usize>]) -> Option<usize> {
    dims.iter().try_fold(1usize, |product, dim| product.checked_mul((*dim)?))
}

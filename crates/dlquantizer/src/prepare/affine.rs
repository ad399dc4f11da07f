//! Reads nodes that scale and shift each feature by constants.

use onnx_model::graph::GraphIndex;
use onnx_model::proto::NodeProto;

use super::edit::float_constant;
use crate::Error;

/// `y = x * scale + shift`, one factor and one summand for all features or one per feature of the last axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine {
    pub(crate) source: String,
    pub(crate) scale: Vec<f64>,
    pub(crate) shift: Vec<f64>,
}

impl Affine {
    /// Reads a BatchNormalization in inference form (on matrices, `rank` 2), or an Add, Sub, Mul or Div with one constant operand.
    pub(crate) fn read(index: &GraphIndex<'_>, node: &NodeProto, rank: Option<usize>) -> Result<Option<Self>, Error> {
        if node.op_type() == "BatchNormalization" {
            return if rank == Some(2) { batch_normalization(index, node) } else { Ok(None) };
        }
        let [a, b] = node.input.as_slice() else { return Ok(None) };
        if !matches!(node.op_type(), "Add" | "Sub" | "Mul" | "Div") {
            return Ok(None);
        }
        let (source, constant, constant_first) = match (vector(index, a)?, vector(index, b)?) {
            (None, Some(constant)) => (a, constant, false),
            (Some(constant), None) => (b, constant, true),
            _ => return Ok(None),
        };
        let (scale, shift) = match (node.op_type(), constant_first) {
            ("Add", _) => (vec![1.0], constant),
            ("Sub", false) => (vec![1.0], constant.into_iter().map(|value| -value).collect()),
            ("Sub", true) => (vec![-1.0], constant),
            ("Mul", _) => (constant, vec![0.0]),
            ("Div", false) => (constant.into_iter().map(f64::recip).collect(), vec![0.0]),
            _ => return Ok(None),
        };
        Ok(Some(Self { source: source.clone(), scale, shift }))
    }

    /// Whether every feature gets the same factor.
    pub(crate) fn has_one_scale(&self) -> bool {
        self.scale.iter().all(|&scale| scale == self.scale[0])
    }

    /// Whether the same factor and summand go to all features, so that their order does not matter.
    pub(crate) fn is_uniform(&self) -> bool {
        self.has_one_scale() && self.shift.iter().all(|&shift| shift == self.shift[0])
    }

    /// Whether it fits a layer's `features` inputs or outputs.
    pub(crate) fn fits(&self, features: usize) -> bool {
        [&self.scale, &self.shift].into_iter().all(|values| values.len() == 1 || values.len() == features)
    }

    pub(crate) fn scale_at(&self, feature: usize) -> f64 {
        at(&self.scale, feature)
    }

    pub(crate) fn shift_at(&self, feature: usize) -> f64 {
        at(&self.shift, feature)
    }
}

fn at(values: &[f64], feature: usize) -> f64 {
    if values.len() == 1 { values[0] } else { values[feature] }
}

/// `scale * (x - mean) / sqrt(variance + epsilon) + bias` (ONNX BatchNormalization, Ioffe & Szegedy 2015).
fn batch_normalization(index: &GraphIndex<'_>, node: &NodeProto) -> Result<Option<Affine>, Error> {
    let results = node.output.iter().filter(|output| !output.is_empty()).count();
    let [source, scale, bias, mean, variance] = node.input.as_slice() else { return Ok(None) };
    if results != 1 || node.attr_int("training_mode", 0)? != 0 {
        return Ok(None);
    }
    let (Some(scale), Some(bias), Some(mean), Some(variance)) =
        (vector(index, scale)?, vector(index, bias)?, vector(index, mean)?, vector(index, variance)?)
    else {
        return Ok(None);
    };
    let features = scale.len();
    if [&bias, &mean, &variance].iter().any(|values| values.len() != features) {
        return Ok(None);
    }
    let epsilon = f64::from(node.attr_float("epsilon", 1e-5)?);
    let scale: Vec<f64> =
        scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
    let shift = bias.iter().zip(&mean).zip(&scale).map(|((bias, mean), scale)| bias - mean * scale).collect();
    Ok(Some(Affine { source: source.clone(), scale, shift }))
}

/// A float constant that broadcasts along the last axis only: a scalar, `[n]` or `[1, n]`.
fn vector(index: &GraphIndex<'_>, name: &str) -> Result<Option<Vec<f64>>, Error> {
    Ok(float_constant(index, name)?
        .filter(|(shape, values)| {
            !values.is_empty() && shape.iter().rev().skip(1).all(|&dim| dim == 1) && shape.len() <= 2
        })
        .map(|(_, values)| values.into_iter().map(f64::from).collect()))
}

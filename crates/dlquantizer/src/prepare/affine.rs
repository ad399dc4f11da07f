//! Reads nodes that scale and shift each feature by constants.

use onnx_model::graph::GraphIndex;
use onnx_model::proto::NodeProto;
use onnx_model::{Shapes, Size};

use crate::Error;
use crate::constants::{float_constant, float_shape};
use crate::node::operator;

/// `y = x * scale + shift` along the last axis; `y` has the shape of `x`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine<'g> {
    pub(crate) source: &'g str,
    pub(crate) scale: PerFeature,
    pub(crate) shift: PerFeature,
}

/// One value for all features, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PerFeature(Vec<f64>);

impl PerFeature {
    /// The same values, if they are for `features` features.
    pub(crate) fn of(&self, features: usize) -> Option<&Self> {
        (self.0.len() == 1 || self.0.len() == features).then_some(self)
    }

    pub(crate) fn at(&self, feature: usize) -> f64 {
        if let [value] = self.0[..] { value } else { self.0[feature] }
    }

    fn is_uniform(&self) -> bool {
        self.0.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn map(self, function: impl Fn(f64) -> f64) -> Self {
        Self(self.0.into_iter().map(function).collect())
    }
}

impl<'g> Affine<'g> {
    /// Reads a BatchNormalization in inference form on a matrix, or an Add, Sub, Mul or Div with one constant operand.
    pub(crate) fn read(
        index: &GraphIndex<'g>,
        shapes: &Shapes<'_>,
        node: &'g NodeProto,
    ) -> Result<Option<Self>, Error> {
        let operator = operator(node);
        if operator == "BatchNormalization" {
            return batch_normalization(index, shapes, node);
        }
        let ("Add" | "Sub" | "Mul" | "Div", [a, b]) = (operator, node.input.as_slice()) else { return Ok(None) };
        let (source, constant, constant_first) = match (float_shape(index, a)?, float_shape(index, b)?) {
            (None, Some(shape)) if keeps_shape(shapes, a, &shape) => (a, vector(index, b)?, false),
            (Some(shape), None) if keeps_shape(shapes, b, &shape) => (b, vector(index, a)?, true),
            _ => return Ok(None),
        };
        let Some(constant) = constant else { return Ok(None) };
        let one = |value| PerFeature(vec![value]);
        let (scale, shift) = match (operator, constant_first) {
            ("Add", _) => (one(1.0), constant),
            ("Sub", false) => (one(1.0), constant.map(|value| -value)),
            ("Sub", true) => (one(-1.0), constant),
            ("Mul", _) => (constant, one(0.0)),
            ("Div", false) => (constant.map(f64::recip), one(0.0)),
            _ => return Ok(None),
        };
        Ok(Some(Self { source, scale, shift }))
    }

    /// Whether every feature gets the same factor.
    pub(crate) fn has_one_scale(&self) -> bool {
        self.scale.is_uniform()
    }

    /// Whether the same factor and summand go to all features, so that their order does not matter.
    pub(crate) fn is_uniform(&self) -> bool {
        self.scale.is_uniform() && self.shift.is_uniform()
    }
}

/// Whether a constant of shape `constant` broadcasts to the shape of `source`, and not the other way round.
fn keeps_shape(shapes: &Shapes<'_>, source: &str, constant: &[usize]) -> bool {
    match (constant, shapes.get(source)) {
        ([], _) => true,
        ([ones @ .., last], Some(shape)) => {
            constant.len() <= shape.len()
                && ones.iter().all(|&dim| dim == 1)
                && (*last == 1 || shape.last() == Some(&Size::Fixed(*last)))
        }
        (_, None) => false,
    }
}

/// `scale * (x - mean) / sqrt(variance + epsilon) + bias` (ONNX BatchNormalization, Ioffe & Szegedy 2015).
fn batch_normalization<'g>(
    index: &GraphIndex<'g>,
    shapes: &Shapes<'_>,
    node: &'g NodeProto,
) -> Result<Option<Affine<'g>>, Error> {
    let [source, parameters @ ..] = node.input.as_slice() else { return Ok(None) };
    if shapes.rank(source) != Some(2)
        || node.attr_int("training_mode", 0)? != 0
        || node.output.iter().skip(1).any(|output| !output.is_empty())
    {
        return Ok(None);
    }
    let parameters: Option<Vec<PerFeature>> =
        parameters.iter().map(|name| vector(index, name)).collect::<Result<_, _>>()?;
    let Some([scale, bias, mean, variance]) = parameters.as_deref() else { return Ok(None) };
    let features = scale.0.len();
    if [bias, mean, variance].iter().any(|values| values.0.len() != features) {
        return Ok(None);
    }
    let epsilon = f64::from(node.attr_float("epsilon", 1e-5)?);
    let scale: Vec<f64> = (0..features).map(|i| scale.at(i) / (variance.at(i) + epsilon).sqrt()).collect();
    let shift = (0..features).map(|i| bias.at(i) - mean.at(i) * scale[i]).collect();
    Ok(Some(Affine { source, scale: PerFeature(scale), shift: PerFeature(shift) }))
}

/// The values of a float constant that is not empty.
fn vector(index: &GraphIndex<'_>, name: &str) -> Result<Option<PerFeature>, Error> {
    let values = float_constant(index, name)?.map(|(_, values)| values).filter(|values| !values.is_empty());
    Ok(values.map(|values| PerFeature(values.into_iter().map(f64::from).collect())))
}

//! The sum of several answers: where a residual branch comes back.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// Adds answers of one shape (ONNX operator *Add*), then applies an activation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Applied to the sum. Default [`Activation::Linear`].
    #[serde(default)]
    pub activation: Activation,
}

/// A layer that adds all its inputs.
pub fn add() -> Add {
    Add::default()
}

impl Add {
    /// With a function applied to the sum.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation }
    }

    pub(super) fn build(&self, name: &str, inputs: &[&[usize]]) -> Result<Built> {
        let [first, rest @ ..] = inputs else { return Err(too_few(name, inputs.len())) };
        if rest.is_empty() {
            return Err(too_few(name, inputs.len()));
        }
        if let Some(other) = rest.iter().find(|shape| *shape != first) {
            return Err(Error::LayerInput {
                layer: name.to_owned(),
                found: other.to_vec(),
                expected: format!("the shape {first:?} of its first input"),
            });
        }
        Ok(Built { op: Box::new(AddOp), shape: first.to_vec(), parameters: Vec::new() })
    }
}

impl From<Add> for LayerKind {
    fn from(layer: Add) -> Self {
        Self::Add(layer)
    }
}

pub(super) fn too_few(layer: &str, count: usize) -> Error {
    Error::InputCountOfLayer { layer: layer.to_owned(), count, expected: "at least two; list them as `inputs`" }
}

#[derive(Debug)]
struct AddOp;

impl Op for AddOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.output.copy_from_slice(pass.inputs[0]);
        for input in &pass.inputs[1..] {
            for (sum, x) in pass.output.iter_mut().zip(*input) {
                *sum += x;
            }
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        for by_input in pass.by_inputs.iter_mut().flatten() {
            by_input.copy_from_slice(pass.by_output);
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        let mut sum = inputs[0].to_owned();
        for (index, input) in inputs[1..].iter().enumerate() {
            // The last addition has the name of the layer.
            let name = if index + 2 == inputs.len() { name.to_owned() } else { format!("{name}.{}", index + 1) };
            sum = graph.push(node("Add", &name, &[&sum, input], &[]))?;
        }
        Ok(sum)
    }
}

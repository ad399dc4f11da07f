//! A function of each value, as a layer of its own.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::activation::Activation;
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, IntegerForm, Op, Parameter};

/// Applies a function to its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// The function.
    pub function: Activation,
}

/// A layer that applies `function`, for places that no other layer's own activation reaches.
pub fn activate(function: Activation) -> Activate {
    Activate { function }
}

impl From<Activate> for LayerKind {
    fn from(layer: Activate) -> Self {
        Self::Activation(layer)
    }
}

impl Activate {
    pub(crate) fn build(&self, input: &[usize]) -> Built {
        let op = ActivateOp { function: self.function, width: input.last().copied().unwrap_or(1) };
        Built { op: Box::new(op), shape: input.to_vec(), parameters: Vec::new() }
    }
}

#[derive(Debug)]
struct ActivateOp {
    function: Activation,
    /// The length of the last axis.
    width: usize,
}

impl Op for ActivateOp {
    fn forward(&mut self, pass: Forward<'_>) {
        self.function.forward(pass.inputs[0], self.width, pass.output);
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let Some(by_input) = &mut pass.by_inputs[0] {
            self.function.backward(pass.inputs[0], pass.output, pass.by_output, self.width, by_input);
        }
    }

    fn integer_form(&self) -> Option<IntegerForm> {
        (self.function == Activation::Relu).then_some(IntegerForm::Relu)
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        let operator = match self.function {
            Activation::Linear => "Identity",
            Activation::Relu => "Relu",
            Activation::LeakyRelu => "LeakyRelu",
            Activation::Elu => "Elu",
            Activation::Selu => "Selu",
            Activation::Gelu => "Gelu",
            // `Swish` is younger than the operator set written.
            Activation::Silu => {
                let gate = graph.push(node("Sigmoid", &format!("{name}.gate"), inputs, &[]))?;
                return graph.push(node("Mul", name, &[inputs[0], &gate], &[]));
            }
            Activation::Softplus => "Softplus",
            Activation::Sigmoid => "Sigmoid",
            Activation::Tanh => "Tanh",
            Activation::HardSwish => "HardSwish",
            Activation::Softmax => "Softmax",
        };
        graph.push(node(operator, name, inputs, &[]))
    }
}

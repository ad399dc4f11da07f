//! All values of a sample in one row.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// Puts all values of a sample in one row of features (ONNX operator *Flatten*).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

/// A layer that makes rows of features of images or sequences.
pub fn flatten() -> Flatten {
    Flatten {}
}

impl From<Flatten> for LayerKind {
    fn from(layer: Flatten) -> Self {
        Self::Flatten(layer)
    }
}

impl Flatten {
    pub(crate) fn build(&self, input: &[usize]) -> Built {
        Built { op: Box::new(FlattenOp), shape: vec![input.iter().product()], parameters: Vec::new() }
    }
}

#[derive(Debug)]
struct FlattenOp;

impl Op for FlattenOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.output.copy_from_slice(pass.inputs[0]);
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let Some(by_input) = &mut pass.by_inputs[0] {
            by_input.copy_from_slice(pass.by_output);
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        graph.push(node("Flatten", name, inputs, &[]))
    }
}

//! The values of a sample in another shape.

use onnx_model::Tensor;
use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// Gives the values of a sample another shape, in the same row-major order (ONNX operator *Reshape*): `[28, 28]` becomes the one channel
/// `[1, 28, 28]` that a convolution wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The new shape of a sample, without the batch.
    pub shape: Vec<usize>,
}

/// A layer that gives samples the shape `shape`.
pub fn reshape(shape: &[usize]) -> Reshape {
    Reshape { shape: shape.to_vec() }
}

impl From<Reshape> for LayerKind {
    fn from(layer: Reshape) -> Self {
        Self::Reshape(layer)
    }
}

impl Reshape {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let size = self.shape.iter().try_fold(1_usize, |size, &axis| size.checked_mul(axis));
        match size {
            Some(1..) => Ok(()),
            _ => Err(Error::setting(format!("{name}.shape"), format!("{:?}", self.shape), "axes of at least 1")),
        }
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        if self.shape.iter().product::<usize>() != input.iter().product::<usize>() {
            return Err(Error::LayerInput {
                layer: name.to_owned(),
                found: input.to_vec(),
                expected: format!("as many values as {:?} has", self.shape),
            });
        }
        Ok(Built { op: Box::new(ReshapeOp(self.shape.clone())), shape: self.shape.clone(), parameters: Vec::new() })
    }
}

#[derive(Debug)]
struct ReshapeOp(Vec<usize>);

impl Op for ReshapeOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.output.copy_from_slice(pass.inputs[0]);
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let Some(by_input) = &mut pass.by_inputs[0] {
            by_input.copy_from_slice(pass.by_output);
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        // -1 stands for the batch.
        let shape: Vec<i64> = std::iter::once(-1).chain(self.0.iter().map(|&axis| axis as i64)).collect();
        let constant = format!("{name}.shape");
        graph.constant(Tensor::i64(&constant, &[shape.len()], shape)?);
        graph.push(node("Reshape", name, &[inputs[0], &constant], &[]))
    }
}

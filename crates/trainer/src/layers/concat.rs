//! Several answers side by side.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use super::add::too_few;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// Joins answers along the first axis of a sample (ONNX operator *Concat* with axis 1): the features of rows, the channels of images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

/// A layer that puts all its inputs side by side.
pub fn concat() -> Concat {
    Concat {}
}

impl From<Concat> for LayerKind {
    fn from(layer: Concat) -> Self {
        Self::Concat(layer)
    }
}

impl Concat {
    pub(super) fn build(&self, name: &str, inputs: &[&[usize]]) -> Result<Built> {
        if inputs.len() < 2 {
            return Err(too_few(name, inputs.len()));
        }
        let mut joined = 0_usize;
        for shape in inputs {
            let (Some(&size), Some(rest)) = (shape.first(), inputs[0].get(1..)) else {
                return Err(refusal(name, shape, "at least one axis".to_owned()));
            };
            if shape[1..] != *rest {
                return Err(refusal(
                    name,
                    shape,
                    format!("the shape {:?} of its first input but for the first axis", inputs[0]),
                ));
            }
            joined = joined.saturating_add(size);
        }
        let sizes = inputs.iter().map(|shape| shape.iter().product()).collect();
        let shape = [&[joined], &inputs[0][1..]].concat();
        Ok(Built { op: Box::new(ConcatOp { sizes }), shape, parameters: Vec::new() })
    }
}

fn refusal(layer: &str, found: &[usize], expected: String) -> Error {
    Error::LayerInput { layer: layer.to_owned(), found: found.to_vec(), expected }
}

#[derive(Debug)]
struct ConcatOp {
    /// Values per sample of each input.
    sizes: Vec<usize>,
}

impl Op for ConcatOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let whole: usize = self.sizes.iter().sum();
        for (row, output) in pass.output.chunks_exact_mut(whole).enumerate() {
            let mut rest = output;
            for (input, &size) in pass.inputs.iter().zip(&self.sizes) {
                let part;
                (part, rest) = rest.split_at_mut(size);
                part.copy_from_slice(&input[row * size..][..size]);
            }
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let whole: usize = self.sizes.iter().sum();
        let mut start = 0;
        for (by_input, &size) in pass.by_inputs.iter_mut().zip(&self.sizes) {
            if let Some(by_input) = by_input {
                for (part, by_output) in by_input.chunks_exact_mut(size).zip(pass.by_output.chunks_exact(whole)) {
                    part.copy_from_slice(&by_output[start..start + size]);
                }
            }
            start += size;
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        graph.push(node("Concat", name, inputs, &[]).with_int("axis", 1))
    }
}

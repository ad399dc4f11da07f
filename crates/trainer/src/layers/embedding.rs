//! Vectors for words and other things that are numbered.

use onnx_model::graph::node;
use onnx_model::{DataType, Tensor};
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::initializer::Initializer;
use crate::op::{Backward, Built, FirstValues, Forward, NewParameter, Op, Parameter};

/// A learnt vector for each index: `[batch, ...]` of whole numbers from 0 to `entries - 1` becomes `[batch, ..., width]` (ONNX operator
/// *Gather*).
///
/// Its input must reach it as it is: set `normalize = "none"`. The answer to what is no index is NaN, which stops a training with the
/// name of the layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// How many different indexes there are.
    pub entries: usize,
    /// The length of each vector.
    pub width: usize,
    /// What the vectors start from. Default uniform from -0.05 to 0.05.
    #[serde(default = "small")]
    pub init: Initializer,
}

fn small() -> Initializer {
    Initializer::Uniform { low: -0.05, high: 0.05 }
}

/// A vector of `width` values for each of `entries` indexes.
pub fn embedding(entries: usize, width: usize) -> Embedding {
    Embedding { entries, width, init: small() }
}

impl From<Embedding> for LayerKind {
    fn from(layer: Embedding) -> Self {
        Self::Embedding(layer)
    }
}

impl Embedding {
    /// With vectors drawn in another way.
    #[must_use]
    pub fn init(self, init: Initializer) -> Self {
        Self { init, ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        for (setting, value) in [("entries", self.entries), ("width", self.width)] {
            if value == 0 {
                return Err(Error::setting(format!("{name}.{setting}"), 0, "at least 1"));
            }
        }
        // All whole numbers up to here are f32, in which samples come.
        if self.entries > 1 << 24 {
            return Err(Error::setting(format!("{name}.entries"), self.entries, "at most 16777216"));
        }
        self.init.check(&format!("{name}.init"))
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let values = self.entries.checked_mul(self.width);
        if values.is_none_or(|values| values > crate::network::MAX_VALUES) {
            return Err(Error::too_large(name, "a table", self.entries, self.width));
        }
        let first = FirstValues::Drawn { initializer: self.init.clone(), fan_in: self.entries, fan_out: self.width };
        let weight = NewParameter::weight("weight", &[self.entries, self.width], first);
        Ok(Built {
            op: Box::new(EmbeddingOp { width: self.width }),
            shape: [input, &[self.width]].concat(),
            parameters: vec![weight],
        })
    }
}

#[derive(Debug)]
struct EmbeddingOp {
    width: usize,
}

/// Where the vector of an index starts, if it is one.
fn start(index: f32, width: usize, weights: usize) -> Option<usize> {
    let start = (index as usize).checked_mul(width)?;
    (index >= 0.0 && index.fract() == 0.0 && start < weights).then_some(start)
}

impl Op for EmbeddingOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let weights = &pass.parameters[0].values;
        for (&index, output) in pass.inputs[0].iter().zip(pass.output.chunks_exact_mut(self.width)) {
            match start(index, self.width, weights.len()) {
                Some(start) => output.copy_from_slice(&weights[start..start + self.width]),
                None => output.fill(f32::NAN),
            }
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let [by_weights] = pass.by_parameters
            && !by_weights.is_empty()
        {
            by_weights.fill(0.0);
            for (&index, by_output) in pass.inputs[0].iter().zip(pass.by_output.chunks_exact(self.width)) {
                if let Some(start) = start(index, self.width, by_weights.len()) {
                    let by_vector = &mut by_weights[start..start + self.width];
                    by_vector.iter_mut().zip(by_output).for_each(|(sum, by)| *sum += by);
                }
            }
        }
        // An index has no neighbours to move to.
        if let Some(by_input) = &mut pass.by_inputs[0] {
            by_input.fill(0.0);
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let Parameter { name: weight, shape, values, .. } = &parameters[0];
        graph.constant(Tensor::f32(weight, shape, values.clone())?);
        let index =
            node("Cast", &format!("{name}.index"), inputs, &[]).with_int("to", i64::from(DataType::Int64 as i32));
        let index = graph.push(index)?;
        graph.push(node("Gather", name, &[weight, &index], &[]).with_int("axis", 0))
    }
}

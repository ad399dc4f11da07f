//! The gated recurrent unit.

use onnx_model::graph::node;
use onnx_model::proto::NodeProto;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use super::lstm::{check_recurrent, glorot, orthogonal, weights};
use super::recurrent::{BackwardRow, Cell, ForwardRow, Recurrent, Returns, sequence, sigmoid};
use crate::error::Result;
use crate::initializer::Initializer;
use crate::op::{Built, FirstValues, NewParameter};

/// Gates per unit, in the order of ONNX: update, reset, candidate.
const GATES: usize = 3;

/// A gated recurrent unit over `[batch, time, features]` (Cho et al. 2014, its reset gate behind the product with the state as in cuDNN;
/// ONNX operator *GRU* with `linear_before_reset = 1`, the form that all runtimes have and that needs one product per step):
///
/// `z, r = sigmoid(W x + b + R h + d)`, `n = tanh(W x + b + r * (R h + d))`, `h = (1 - z) * n + z * h`, from `h = 0`.
///
/// Its parameters are `weight` `[3 * units, features]`, `recurrent` `[3 * units, units]` and `bias` `[6 * units]`, which is `b` and then
/// `d`, each in the order update, reset, candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gru {
    /// The width of its state and answer.
    pub units: usize,
    /// Which states it answers with. Default [`Returns::Last`].
    #[serde(default)]
    pub returns: Returns,
    /// What the weights of the input start from. Default [`Initializer::GlorotUniform`].
    #[serde(default = "glorot")]
    pub init: Initializer,
    /// What the weights of the state start from. Default [`Initializer::Orthogonal`].
    #[serde(default = "orthogonal")]
    pub recurrent_init: Initializer,
}

/// A gated recurrent unit of `units` units that answers with its last state.
pub fn gru(units: usize) -> Gru {
    Gru { units, returns: Returns::Last, init: glorot(), recurrent_init: orthogonal() }
}

impl From<Gru> for LayerKind {
    fn from(layer: Gru) -> Self {
        Self::Gru(layer)
    }
}

impl Gru {
    /// Answering with these states.
    #[must_use]
    pub fn returns(self, returns: Returns) -> Self {
        Self { returns, ..self }
    }

    /// With weights of the input drawn in another way.
    #[must_use]
    pub fn init(self, init: Initializer) -> Self {
        Self { init, ..self }
    }

    /// With weights of the state drawn in another way.
    #[must_use]
    pub fn recurrent_init(self, init: Initializer) -> Self {
        Self { recurrent_init: init, ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        check_recurrent(name, self.units, &self.init, &self.recurrent_init)
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let (steps, features) = sequence(name, input)?;
        let mut parameters = weights(name, GATES, self.units, features, &self.init, &self.recurrent_init)?;
        let bias = vec![0.0; 2 * GATES * self.units];
        parameters.push(NewParameter::bias("bias", &[bias.len()], FirstValues::Given(bias)));
        let op = Recurrent::<GruCell>::new((steps, features), self.units, self.returns);
        Ok(Built { shape: op.shape(), op: Box::new(op), parameters })
    }
}

#[derive(Debug)]
struct GruCell;

impl Cell for GruCell {
    const GATES: usize = GATES;
    const CARRIES: bool = false;
    const STATE_BIAS: bool = true;

    /// Leaves the gates in `by_input`, and what the reset gate scales in `by_state`.
    fn forward(row: ForwardRow<'_>) {
        let units = row.state.len();
        let ForwardRow { by_input: gates, by_state, before, state, .. } = row;
        for unit in 0..units {
            let sum = |gate: usize| gates[gate * units + unit] + by_state[gate * units + unit];
            let (z, r) = (sigmoid(sum(0)), sigmoid(sum(1)));
            let n = libm::tanhf(gates[2 * units + unit] + r * by_state[2 * units + unit]);
            state[unit] = (1.0 - z) * n + z * before[unit];
            for (gate, value) in [z, r, n].into_iter().enumerate() {
                gates[gate * units + unit] = value;
            }
        }
    }

    fn backward(row: BackwardRow<'_>) {
        let units = row.slope.len();
        let BackwardRow { by_input: gates, by_state, before, slope, slope_before, .. } = row;
        for unit in 0..units {
            let [z, r, n] = [0, 1, 2].map(|gate| gates[gate * units + unit]);
            let by_candidate = slope[unit] * (1.0 - z) * (1.0 - n * n);
            let by_update = slope[unit] * (before[unit] - n) * z * (1.0 - z);
            let by_reset = by_candidate * by_state[2 * units + unit] * r * (1.0 - r);
            for (gate, by_gate) in [by_update, by_reset, by_candidate].into_iter().enumerate() {
                gates[gate * units + unit] = by_gate;
                by_state[gate * units + unit] = by_gate;
            }
            by_state[2 * units + unit] = by_candidate * r;
            slope_before[unit] = slope[unit] * z;
        }
    }

    fn node(name: &str, inputs: &[&str], outputs: &[&str], units: usize) -> NodeProto {
        node("GRU", name, inputs, outputs).with_int("hidden_size", units as i64).with_int("linear_before_reset", 1)
    }

    fn onnx_bias(bias: &[f32]) -> Vec<f32> {
        bias.to_vec()
    }
}

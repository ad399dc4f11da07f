//! The long short-term memory.

use onnx_model::graph::node;
use onnx_model::proto::NodeProto;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use super::dense::check_initializers;
use super::recurrent::{BackwardRow, Cell, ForwardRow, Recurrent, Returns, sequence, sigmoid};
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::op::{Built, FirstValues, NewParameter};

/// Gates per unit, in the order of ONNX: input, output, forget, candidate.
const GATES: usize = 4;

/// A long short-term memory over `[batch, time, features]` (Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; ONNX
/// operator *LSTM*):
///
/// `i, o, f = sigmoid(W x + R h + b)`, `g = tanh(W x + R h + b)`, `c = f * c + i * g`, `h = o * tanh(c)`, from `h = c = 0`.
///
/// Its parameters are `weight` `[4 * units, features]`, `recurrent` `[4 * units, units]` and `bias` `[4 * units]`, each in the order
/// input, output, forget, candidate. The forget gate starts with a bias of 1 (Jozefowicz et al. 2015), all others with 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lstm {
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

pub(super) fn glorot() -> Initializer {
    Initializer::GlorotUniform
}

pub(super) fn orthogonal() -> Initializer {
    Initializer::Orthogonal { gain: 1.0 }
}

/// A long short-term memory of `units` units that answers with its last state.
pub fn lstm(units: usize) -> Lstm {
    Lstm { units, returns: Returns::Last, init: glorot(), recurrent_init: orthogonal() }
}

impl From<Lstm> for LayerKind {
    fn from(layer: Lstm) -> Self {
        Self::Lstm(layer)
    }
}

impl Lstm {
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
        let mut bias = vec![0.0; GATES * self.units];
        bias[2 * self.units..3 * self.units].fill(1.0);
        parameters.push(NewParameter::bias("bias", &[bias.len()], FirstValues::Given(bias)));
        let op = Recurrent::<LstmCell>::new((steps, features), self.units, self.returns);
        Ok(Built { shape: op.shape(), op: Box::new(op), parameters })
    }
}

pub(super) fn check_recurrent(
    name: &str,
    units: usize,
    init: &Initializer,
    recurrent_init: &Initializer,
) -> Result<()> {
    if units == 0 {
        return Err(Error::setting(format!("{name}.units"), 0, "at least 1"));
    }
    check_initializers(name, [("init", &Some(init.clone())), ("recurrent_init", &Some(recurrent_init.clone()))])
}

/// The weights of a recurrent layer: `[gates * units, features]` of the input and `[gates * units, units]` of the state.
pub(super) fn weights(
    name: &str,
    gates: usize,
    units: usize,
    features: usize,
    init: &Initializer,
    recurrent_init: &Initializer,
) -> Result<Vec<NewParameter>> {
    let height = units.saturating_mul(gates);
    for width in [features, units] {
        if height.checked_mul(width).is_none_or(|values| values > crate::network::MAX_VALUES) {
            return Err(Error::too_large(name, "a weight matrix", height, width));
        }
    }
    let drawn = |initializer: &Initializer, fan_in| FirstValues::Drawn {
        initializer: initializer.clone(),
        fan_in,
        fan_out: units,
    };
    Ok(vec![
        NewParameter::weight("weight", &[height, features], drawn(init, features)),
        NewParameter::weight("recurrent", &[height, units], drawn(recurrent_init, units)),
    ])
}

#[derive(Debug)]
struct LstmCell;

impl Cell for LstmCell {
    const GATES: usize = GATES;
    const CARRIES: bool = true;
    const STATE_BIAS: bool = false;

    /// Leaves the gates in `by_input`.
    fn forward(row: ForwardRow<'_>) {
        let units = row.state.len();
        let ForwardRow { by_input: gates, by_state, carry_before, carry, state, .. } = row;
        for unit in 0..units {
            let sum = |gate: usize| gates[gate * units + unit] + by_state[gate * units + unit];
            let (i, o, f) = (sigmoid(sum(0)), sigmoid(sum(1)), sigmoid(sum(2)));
            let g = libm::tanhf(sum(3));
            carry[unit] = f * carry_before[unit] + i * g;
            state[unit] = o * libm::tanhf(carry[unit]);
            for (gate, value) in [i, o, f, g].into_iter().enumerate() {
                gates[gate * units + unit] = value;
            }
        }
    }

    fn backward(row: BackwardRow<'_>) {
        let units = row.slope.len();
        let BackwardRow { by_input: gates, by_state, carry_before, carry, slope, carry_slope, slope_before, .. } = row;
        for unit in 0..units {
            let [i, o, f, g] = [0, 1, 2, 3].map(|gate| gates[gate * units + unit]);
            let squashed = libm::tanhf(carry[unit]);
            let by_carry = carry_slope[unit] + slope[unit] * o * (1.0 - squashed * squashed);
            let by_gates = [
                by_carry * g * i * (1.0 - i),
                slope[unit] * squashed * o * (1.0 - o),
                by_carry * carry_before[unit] * f * (1.0 - f),
                by_carry * i * (1.0 - g * g),
            ];
            for (gate, by_gate) in by_gates.into_iter().enumerate() {
                gates[gate * units + unit] = by_gate;
            }
            carry_slope[unit] = by_carry * f;
            // The state before has no way but through the gates.
            slope_before[unit] = 0.0;
        }
        by_state.copy_from_slice(gates);
    }

    fn node(name: &str, inputs: &[&str], outputs: &[&str], units: usize) -> NodeProto {
        node("LSTM", name, inputs, outputs).with_int("hidden_size", units as i64)
    }

    /// The state has none.
    fn onnx_bias(bias: &[f32]) -> Vec<f32> {
        [bias, &vec![0.0; bias.len()]].concat()
    }
}

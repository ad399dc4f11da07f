//! What every step of a network can do.

use std::fmt::Debug;

use crate::error::Result;
use crate::export::GraphWriter;
use crate::initializer::Initializer;

/// A tensor that belongs to a layer: learnt, or fixed as the running statistics of a normalizer are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    /// `<layer>.<what>`, as in `fc1.weight`.
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// In row-major order.
    pub(crate) values: Vec<f32>,
    /// Whether gradients change it.
    pub(crate) trainable: bool,
    /// Whether weight decay and penalties apply: to weights, not to biases, scales and shifts.
    pub(crate) decays: bool,
}

/// A parameter to be made for a layer.
pub(crate) struct NewParameter {
    /// Its name within the layer.
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) first: FirstValues,
    pub(crate) trainable: bool,
    pub(crate) decays: bool,
}

/// What a parameter starts from.
pub(crate) enum FirstValues {
    /// Drawn for a layer with so many values feeding each unit and fed by each.
    Drawn { initializer: Initializer, fan_in: usize, fan_out: usize },
    /// As many as its shape asks for.
    Given(Vec<f32>),
}

impl NewParameter {
    /// Learnt values that are multiplied with the layer's input.
    pub(crate) fn weight(name: &'static str, shape: &[usize], first: FirstValues) -> Self {
        Self { name, shape: shape.to_vec(), first, trainable: true, decays: true }
    }

    /// Learnt values that are added.
    pub(crate) fn bias(name: &'static str, shape: &[usize], first: FirstValues) -> Self {
        Self { decays: false, ..Self::weight(name, shape, first) }
    }
}

/// A layer's computation for samples of known shapes.
pub(crate) struct Built {
    pub(crate) op: Box<dyn Op>,
    /// The shape of its answer to one sample.
    pub(crate) shape: Vec<usize>,
    pub(crate) parameters: Vec<NewParameter>,
}

/// Whether a pass learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the exported model computes.
    Inference,
    /// With the noise of this step, counted from 0, and the statistics of the batch.
    Training { seed: u64, step: u64 },
}

/// What a step of the network computes from. Values are row-major `[rows, ...]`.
pub(crate) struct Forward<'a> {
    pub(crate) rows: usize,
    pub(crate) mode: Mode,
    pub(crate) inputs: &'a [&'a [f32]],
    pub(crate) parameters: &'a [Parameter],
    pub(crate) output: &'a mut [f32],
}

/// What a step carries back: derivatives of the loss, from its output to its inputs and parameters.
pub(crate) struct Backward<'a> {
    pub(crate) rows: usize,
    pub(crate) inputs: &'a [&'a [f32]],
    pub(crate) output: &'a [f32],
    pub(crate) parameters: &'a [Parameter],
    pub(crate) by_output: &'a [f32],
    /// To be overwritten; `None` where nobody needs it.
    pub(crate) by_inputs: Vec<Option<&'a mut [f32]>>,
    /// To be overwritten; empty for parameters that are not trainable.
    pub(crate) by_parameters: &'a mut [Vec<f32>],
}

/// Steps that have a form in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntegerForm {
    /// A product with weights `[inputs, units]`, the first parameter, and a bias, the second if there is one.
    Dense { inputs: usize, units: usize },
    /// The cut at 0.
    Relu,
}

/// One step of a network, with the room it needs to compute.
///
/// All results are the same bits for any number of threads: sums run in an order that depends on shapes alone.
pub(crate) trait Op: Debug + Send {
    fn forward(&mut self, pass: Forward<'_>);

    /// Follows a [`Self::forward`] in training on the same inputs.
    fn backward(&mut self, pass: Backward<'_>);

    /// What the step is to an engine of integers; `None` if it only computes in float.
    fn integer_form(&self) -> Option<IntegerForm> {
        None
    }

    /// Takes what the last forward pass in training saw into the parameters that are not learnt by gradients.
    fn update_statistics(&mut self, _parameters: &mut [Parameter]) {}

    /// Adds the step to a model under `name` and gives the name of its answer.
    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String>;
}

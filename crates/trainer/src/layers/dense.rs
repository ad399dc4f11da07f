//! The fully connected layer.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::{Context, LayerKind};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::initializer::Initializer;
use crate::op::{Backward, Built, FirstValues, Forward, IntegerForm, NewParameter, Op, Parameter};
use crate::product::{Matrix, Product, Start};
use crate::sums::sum_rows;

/// A fully connected layer: `y = activation(x W + b)` over the last axis, `x` `[batch, ..., inputs]`, `W` `[inputs, units]`, `b` `[units]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// The width of its answer; an output of the network may omit it and takes it from the data: one unit per class, or per value of the
    /// target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    /// Applied to each output. Default [`Activation::Linear`].
    #[serde(default)]
    pub activation: Activation,
    /// Whether there is a bias; needless in front of a normalizer. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What the weights start from. Default: what suits the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Initializer>,
    /// What the bias starts from. Default zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<Initializer>,
    /// Weights `[inputs, units]` to start from in place of drawn ones, in row-major order.
    #[serde(skip)]
    pub weights: Option<Vec<f32>>,
    /// A bias `[units]` to start from in place of a drawn one.
    #[serde(skip)]
    pub bias_values: Option<Vec<f32>>,
}

pub(super) fn yes() -> bool {
    true
}

/// A fully connected layer of `units` outputs, without an activation.
pub fn dense(units: usize) -> Dense {
    Dense { units: Some(units), ..Dense::default() }
}

impl Default for Dense {
    /// As wide as the data asks for.
    fn default() -> Self {
        Self {
            units: None,
            activation: Activation::Linear,
            bias: true,
            init: None,
            bias_init: None,
            weights: None,
            bias_values: None,
        }
    }
}

impl From<Dense> for LayerKind {
    fn from(layer: Dense) -> Self {
        Self::Dense(layer)
    }
}

impl Dense {
    /// With a function applied to each output.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With or without a bias.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// With weights drawn in another way than suits the activation.
    #[must_use]
    pub fn init(self, init: Initializer) -> Self {
        Self { init: Some(init), ..self }
    }

    /// With a bias that does not start from zeros.
    #[must_use]
    pub fn bias_init(self, init: Initializer) -> Self {
        Self { bias_init: Some(init), ..self }
    }

    /// Starting from given weights `[inputs, units]`, in row-major order.
    #[must_use]
    pub fn weights(self, weights: Vec<f32>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Starting from a given bias `[units]`.
    #[must_use]
    pub fn bias_values(self, bias: Vec<f32>) -> Self {
        Self { bias_values: Some(bias), ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        if self.units == Some(0) {
            return Err(Error::setting(format!("{name}.units"), 0, "at least 1"));
        }
        check_initializers(name, [("init", &self.init), ("bias_init", &self.bias_init)])
    }

    pub(super) fn build(&self, name: &str, input: &[usize], context: Context) -> Result<Built> {
        let Some((&inputs, steps)) = input.split_last() else {
            return Err(Error::LayerInput {
                layer: name.to_owned(),
                found: input.to_vec(),
                expected: "at least one axis of features; put a `reshape` to [1] in front".to_owned(),
            });
        };
        let units = self.units.or(context.width).ok_or_else(|| {
            let expected = "given: only a layer that is an output takes its width from the data";
            Error::setting(format!("{name}.units"), "nothing", expected)
        })?;
        let weights = inputs.checked_mul(units);
        if weights.is_none_or(|weights| weights > crate::network::MAX_VALUES) {
            return Err(Error::too_large(name, "a weight matrix", inputs, units));
        }
        let initializer = self.init.clone().unwrap_or_else(|| suited_to(self.activation));
        let weights = first_values(name, "weights", &self.weights, &initializer, &[inputs, units], (inputs, units))?;
        let mut parameters = vec![NewParameter::weight("weight", &[inputs, units], weights)];
        if self.bias {
            let initializer = self.bias_init.clone().unwrap_or(Initializer::Zeros);
            let bias = first_values(name, "bias_values", &self.bias_values, &initializer, &[units], (inputs, units))?;
            parameters.push(NewParameter::bias("bias", &[units], bias));
        }
        let (sequence, rows) = (!steps.is_empty(), steps.iter().product());
        let op = DenseOp { inputs, units, steps: rows, sequence, product: Product::new() };
        Ok(Built { op: Box::new(op), shape: [steps, &[units]].concat(), parameters })
    }
}

/// Checks the settings of a layer that say what its parameters start from.
pub(super) fn check_initializers<'a>(
    layer: &str,
    initializers: impl IntoIterator<Item = (&'a str, &'a Option<Initializer>)>,
) -> Result<()> {
    let mut given = initializers.into_iter().filter_map(|(setting, given)| Some((setting, given.as_ref()?)));
    given.try_for_each(|(setting, initializer)| initializer.check(&format!("{layer}.{setting}")))
}

/// Weights that keep the variance of the signal from layer to layer under an activation.
pub(super) fn suited_to(activation: Activation) -> Initializer {
    match activation {
        Activation::Selu => Initializer::LecunNormal,
        Activation::Relu
        | Activation::LeakyRelu
        | Activation::Elu
        | Activation::Gelu
        | Activation::Silu
        | Activation::Softplus
        | Activation::HardSwish => Initializer::HeUniform,
        Activation::Linear | Activation::Sigmoid | Activation::Tanh | Activation::Softmax => Initializer::GlorotUniform,
    }
}

/// The values given for a parameter of a layer, or how to draw them with (fan in, fan out).
pub(super) fn first_values(
    layer: &str,
    setting: &str,
    values: &Option<Vec<f32>>,
    initializer: &Initializer,
    shape: &[usize],
    (fan_in, fan_out): (usize, usize),
) -> Result<FirstValues> {
    match values {
        None => Ok(FirstValues::Drawn { initializer: initializer.clone(), fan_in, fan_out }),
        Some(values) => given(layer, setting, values, shape),
    }
}

/// Values given for a parameter of a layer, of which there must be as many as its shape asks for.
pub(super) fn given(layer: &str, setting: &str, values: &[f32], shape: &[usize]) -> Result<FirstValues> {
    if values.len() == shape.iter().product::<usize>() {
        return Ok(FirstValues::Given(values.to_vec()));
    }
    let (setting, count) = (format!("{layer}.{setting}"), format!("{} values", values.len()));
    Err(Error::setting(setting, count, format!("of shape {shape:?}")))
}

#[derive(Debug)]
struct DenseOp {
    inputs: usize,
    units: usize,
    /// Rows of features in a sample.
    steps: usize,
    /// Whether a sample has more axes than that of its features.
    sequence: bool,
    product: Product,
}

impl Op for DenseOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let rows = pass.rows * self.steps;
        let input = Matrix::new(pass.inputs[0], rows, self.inputs);
        let weights = Matrix::new(&pass.parameters[0].values, self.inputs, self.units);
        let start = pass.parameters.get(1).map_or(Start::Zero, |bias| Start::Bias(&bias.values));
        self.product.multiply(input, weights, start, pass.output);
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let rows = pass.rows * self.steps;
        let input = Matrix::new(pass.inputs[0], rows, self.inputs);
        let by_output = Matrix::new(pass.by_output, rows, self.units);
        if let [by_weights, rest @ ..] = pass.by_parameters {
            if !by_weights.is_empty() {
                self.product.multiply(input.transposed(), by_output, Start::Zero, by_weights);
            }
            if let [by_bias] = rest
                && !by_bias.is_empty()
            {
                sum_rows(pass.by_output, by_bias);
            }
        }
        if let Some(by_input) = &mut pass.by_inputs[0] {
            let weights = Matrix::new(&pass.parameters[0].values, self.inputs, self.units);
            self.product.multiply(by_output, weights.transposed(), Start::Zero, by_input);
        }
    }

    fn integer_form(&self) -> Option<IntegerForm> {
        (!self.sequence).then_some(IntegerForm::Dense { inputs: self.inputs, units: self.units })
    }

    /// A `Gemm` for rows of features, which is what runtimes fuse best; `MatMul` and `Add` for several rows in a sample.
    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let operands = [&[inputs[0]], &graph.parameters(parameters)?[..]].concat();
        if !self.sequence {
            return graph.push(node("Gemm", name, &operands, &[]));
        }
        let product = graph.push(node("MatMul", name, &operands[..2], &[]))?;
        match operands.get(2) {
            None => Ok(product),
            Some(bias) => graph.push(node("Add", &format!("{name}.add"), &[&product, bias], &[])),
        }
    }
}

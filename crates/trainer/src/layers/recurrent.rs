//! What the recurrent layers share: a cell that is run over the steps of a sequence.

use std::fmt::Debug;
use std::mem;

use onnx_model::Tensor;
use onnx_model::graph::node;
use onnx_model::proto::NodeProto;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Forward, Op, Parameter};
use crate::product::{Matrix, Product, Start};
use crate::sums::sum_rows;

/// Gate values from which on a second thread is worth its call.
const WORTH_SHARING: usize = 1 << 12;

/// Which of its states a recurrent layer answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Returns {
    /// The state after the last step, `[batch, units]`.
    #[default]
    Last,
    /// The states after all steps, `[batch, time, units]`.
    All,
}

/// What one sample's gates compute in one step.
pub(super) trait Cell: Debug + Send + Sync {
    /// How many values there are per unit in the products with input and state.
    const GATES: usize;
    /// Whether there is a second state beside the answer.
    const CARRIES: bool;
    /// Whether what the state adds to the gates has a bias of its own, behind that of the input in the one parameter.
    const STATE_BIAS: bool;

    fn forward(row: ForwardRow<'_>);

    fn backward(row: BackwardRow<'_>);

    /// The ONNX operator with its attributes; `inputs` are the sequence `[time, batch, features]`, weights, weights of the state, bias.
    fn node(name: &str, inputs: &[&str], outputs: &[&str], units: usize) -> NodeProto;

    /// The bias as ONNX has it: that of the input, then that of the state.
    fn onnx_bias(bias: &[f32]) -> Vec<f32>;
}

/// One sample's part of a step.
pub(super) struct ForwardRow<'a> {
    /// What the input adds to the gates, with its bias; may be overwritten with what the way back needs.
    pub(super) by_input: &'a mut [f32],
    /// The same of the state.
    pub(super) by_state: &'a mut [f32],
    pub(super) before: &'a [f32],
    pub(super) carry_before: &'a [f32],
    pub(super) carry: &'a mut [f32],
    pub(super) state: &'a mut [f32],
}

/// One sample's part of a step on the way back.
pub(super) struct BackwardRow<'a> {
    /// What [`Cell::forward`] left, to be overwritten with the derivative by what the input added to the gates.
    pub(super) by_input: &'a mut [f32],
    /// The same of the state.
    pub(super) by_state: &'a mut [f32],
    pub(super) before: &'a [f32],
    pub(super) carry_before: &'a [f32],
    pub(super) carry: &'a [f32],
    /// The derivative by the state after the step.
    pub(super) slope: &'a [f32],
    /// The derivative by the carry after the step, to be overwritten with that by the one before.
    pub(super) carry_slope: &'a mut [f32],
    /// To be overwritten with the derivative by the state before the step, apart from its way through the gates.
    pub(super) slope_before: &'a mut [f32],
}

/// A cell run over sequences `[batch, time, features]`.
///
/// All buffers are in the order of time, `[time, batch, ...]`, so that each step is one product.
#[derive(Debug)]
pub(super) struct Recurrent<C> {
    cell: std::marker::PhantomData<C>,
    features: usize,
    units: usize,
    steps: usize,
    returns: Returns,
    product: Product,
    state_product: Product,
    input: Vec<f32>,
    /// Per step what the input, and what the state, gives the gates.
    by_input: Vec<f32>,
    by_state: Vec<f32>,
    /// The states before the first step, which are 0, and after each.
    states: Vec<f32>,
    carries: Vec<f32>,
}

/// The steps and features of a sequence, or the refusal of what is none.
pub(super) fn sequence(layer: &str, input: &[usize]) -> Result<(usize, usize)> {
    match *input {
        [steps, features] if steps > 0 && features > 0 => Ok((steps, features)),
        _ => Err(Error::LayerInput {
            layer: layer.to_owned(),
            found: input.to_vec(),
            expected: "a sequence, [time, features]".to_owned(),
        }),
    }
}

impl<C: Cell> Recurrent<C> {
    pub(super) fn new((steps, features): (usize, usize), units: usize, returns: Returns) -> Self {
        Self {
            cell: std::marker::PhantomData,
            features,
            units,
            steps,
            returns,
            product: Product::new(),
            state_product: Product::new(),
            input: Vec::new(),
            by_input: Vec::new(),
            by_state: Vec::new(),
            states: Vec::new(),
            carries: Vec::new(),
        }
    }

    /// The shape of the answer to one sample.
    pub(super) fn shape(&self) -> Vec<usize> {
        match self.returns {
            Returns::Last => vec![self.units],
            Returns::All => vec![self.steps, self.units],
        }
    }

    fn gates(&self) -> usize {
        C::GATES * self.units
    }
}

impl<C: Cell> Op for Recurrent<C> {
    fn forward(&mut self, pass: Forward<'_>) {
        let (rows, steps, units, gates) = (pass.rows, self.steps, self.units, self.gates());
        let [weight, state_weight, bias] = pass.parameters else {
            return;
        };
        let (input_bias, state_bias) = bias.values.split_at(gates);
        self.input.resize(rows * steps * self.features, 0.0);
        to_time_order(pass.inputs[0], (rows, steps, self.features), &mut self.input);
        self.by_input.resize(steps * rows * gates, 0.0);
        self.by_state.resize(steps * rows * gates, 0.0);
        self.states.clear();
        self.states.resize((steps + 1) * rows * units, 0.0);
        self.carries.clear();
        self.carries.resize(if C::CARRIES { self.states.len() } else { 0 }, 0.0);

        let input = Matrix::new(&self.input, steps * rows, self.features);
        let weight = Matrix::new(&weight.values, gates, self.features).transposed();
        self.product.multiply(input, weight, Start::Bias(input_bias), &mut self.by_input);
        self.state_product.pack(Matrix::new(&state_weight.values, gates, units).transposed());
        let start = if C::STATE_BIAS { Start::Bias(state_bias) } else { Start::Zero };
        for step in 0..steps {
            let (before, after) = self.states.split_at_mut((step + 1) * rows * units);
            let before = &before[step * rows * units..];
            let split = if C::CARRIES { (step + 1) * rows * units } else { 0 };
            let (carries_before, carries) = self.carries.split_at_mut(split);
            let here = step * rows * gates..(step + 1) * rows * gates;
            let by_state = &mut self.by_state[here.clone()];
            self.state_product.multiply_by_packed(Matrix::new(before, rows, units), start, by_state);

            let mut carries_before = carries_before.chunks(units).skip(step * rows);
            let mut carries = carries.chunks_mut(units);
            let mut states = after.chunks_mut(units);
            let by_gates = self.by_input[here].chunks_mut(gates).zip(by_state.chunks_mut(gates));
            let row = |((by_input, by_state), before)| ForwardRow {
                by_input,
                by_state,
                before,
                carry_before: carries_before.next().unwrap_or_default(),
                carry: carries.next().unwrap_or_default(),
                state: states.next().unwrap_or_default(),
            };
            share(by_gates.zip(before.chunks(units)).map(row).collect(), gates, C::forward);
        }
        match self.returns {
            Returns::Last => pass.output.copy_from_slice(&self.states[steps * rows * units..]),
            Returns::All => to_batch_order(&self.states[rows * units..], (rows, steps, units), pass.output),
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let (rows, steps, units, gates) = (pass.rows, self.steps, self.units, self.gates());
        let ([weight, state_weight, _], [by_weight, by_state_weight, by_bias]) = (pass.parameters, pass.by_parameters)
        else {
            return;
        };
        self.state_product.pack(Matrix::new(&state_weight.values, gates, units));
        // By the state after the step at hand, from the steps after it.
        let mut slopes = vec![0.0; rows * units];
        let mut slopes_before = vec![0.0; rows * units];
        let mut carry_slopes = vec![0.0; if C::CARRIES { rows * units } else { 0 }];
        for step in (0..steps).rev() {
            for (row, slopes) in slopes.chunks_mut(units).enumerate() {
                let by_output = match self.returns {
                    Returns::All => &pass.by_output[(row * steps + step) * units..][..units],
                    Returns::Last if step + 1 == steps => &pass.by_output[row * units..][..units],
                    Returns::Last => break,
                };
                slopes.iter_mut().zip(by_output).for_each(|(slope, by)| *slope += by);
            }
            let before = self.states[step * rows * units..][..rows * units].chunks(units);
            let mut carries_before = self.carries.chunks(units).skip(step * rows);
            let mut carries = self.carries.chunks(units).skip((step + 1) * rows);
            let mut carry_slope = carry_slopes.chunks_mut(units);
            let here = step * rows * gates..(step + 1) * rows * gates;
            let by_gates =
                self.by_input[here.clone()].chunks_mut(gates).zip(self.by_state[here.clone()].chunks_mut(gates));
            let slopes_of_rows = slopes.chunks(units).zip(slopes_before.chunks_mut(units));
            let row = |(((by_input, by_state), before), (slope, slope_before))| BackwardRow {
                by_input,
                by_state,
                before,
                carry_before: carries_before.next().unwrap_or_default(),
                carry: carries.next().unwrap_or_default(),
                slope,
                carry_slope: carry_slope.next().unwrap_or_default(),
                slope_before,
            };
            share(by_gates.zip(before).zip(slopes_of_rows).map(row).collect(), gates, C::backward);
            if step > 0 {
                let by_state = Matrix::new(&self.by_state[here], rows, gates);
                self.state_product.multiply_by_packed(by_state, Start::Out, &mut slopes_before);
            }
            mem::swap(&mut slopes, &mut slopes_before);
        }

        let all = steps * rows;
        let by_input = Matrix::new(&self.by_input, all, gates);
        if !by_weight.is_empty() {
            let input = Matrix::new(&self.input, all, self.features);
            self.product.multiply(by_input.transposed(), input, Start::Zero, by_weight);
        }
        if !by_state_weight.is_empty() {
            let by_state = Matrix::new(&self.by_state[rows * gates..], all - rows, gates);
            let before = Matrix::new(&self.states[rows * units..all * units], all - rows, units);
            self.product.multiply(by_state.transposed(), before, Start::Zero, by_state_weight);
        }
        if !by_bias.is_empty() {
            let (of_input, of_state) = by_bias.split_at_mut(gates);
            sum_rows(&self.by_input, of_input);
            if C::STATE_BIAS {
                sum_rows(&self.by_state, of_state);
            }
        }
        if let Some(by_values) = &mut pass.by_inputs[0] {
            let weight = Matrix::new(&weight.values, gates, self.features);
            let mut in_time_order = vec![0.0; all * self.features];
            self.product.multiply(by_input, weight, Start::Zero, &mut in_time_order);
            to_batch_order(&in_time_order, (rows, steps, self.features), by_values);
        }
    }

    /// The operator between `Transpose` nodes: runtimes know sequences in the order of time only.
    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let mut operands = vec![
            graph.push(node("Transpose", &format!("{name}.transpose"), inputs, &[]).with_ints("perm", &[1, 0, 2]))?,
        ];
        for (index, parameter) in parameters.iter().enumerate() {
            // One direction.
            let shape = [&[1], &parameter.shape[..]].concat();
            let tensor = match index {
                2 => {
                    let bias = C::onnx_bias(&parameter.values);
                    Tensor::f32(&parameter.name, &[1, bias.len()], bias)?
                }
                _ => Tensor::f32(&parameter.name, &shape, parameter.values.clone())?,
            };
            graph.constant(tensor);
            operands.push(parameter.name.clone());
        }
        let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
        let axes = format!("{name}.axes");
        let squeeze = |graph: &mut GraphWriter, states: &str, axis: i64| {
            graph.constant(Tensor::i64(&axes, &[1], vec![axis])?);
            graph.push(node("Squeeze", &format!("{name}.squeeze"), &[states, &axes], &[]))
        };
        match self.returns {
            Returns::Last => {
                // The first output, that of all steps, is left out.
                let last = graph.push(C::node(name, &operands, &[""], self.units))?;
                squeeze(graph, &last, 0)
            }
            Returns::All => {
                let all = graph.push(C::node(name, &operands, &[], self.units))?;
                let states = squeeze(graph, &all, 1)?;
                let back = node("Transpose", &format!("{name}.batch"), &[&states], &[]).with_ints("perm", &[1, 0, 2]);
                graph.push(back)
            }
        }
    }
}

/// Works on the rows in the threads of the current pool where that is worth it; each row is a result of its own.
fn share<R: Send>(rows: Vec<R>, gates: usize, work: fn(R)) {
    if rows.len() * gates >= WORTH_SHARING && rayon::current_num_threads() > 1 {
        rows.into_par_iter().for_each(work);
    } else {
        rows.into_iter().for_each(work);
    }
}

/// From `[batch, time, width]` to `[time, batch, width]`.
fn to_time_order(values: &[f32], (rows, steps, width): (usize, usize, usize), ordered: &mut [f32]) {
    for (at, values) in values.chunks_exact(width).enumerate() {
        let (row, step) = (at / steps, at % steps);
        ordered[(step * rows + row) * width..][..width].copy_from_slice(values);
    }
}

/// From `[time, batch, width]` to `[batch, time, width]`.
fn to_batch_order(values: &[f32], (rows, steps, width): (usize, usize, usize), ordered: &mut [f32]) {
    to_time_order(values, (steps, rows, width), ordered);
}

/// `1 / (1 + exp(-x))`.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

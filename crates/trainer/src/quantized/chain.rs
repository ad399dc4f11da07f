//! Dense layers behind each other, computed in integers.

use std::ops::Range;

use kernels::{Kernel, Output};
use rayon::prelude::*;

use super::InputRange;
use super::activation::Levels;
use super::weights::{IntegerWeights, MIN_SCALE};
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Forward, Op, Parameter};
use crate::product::{Matrix, Product, Start};
use crate::sums::sum_rows;

/// Rows that one thread multiplies at a time.
const ROWS: usize = 64;

/// One dense layer of a chain.
#[derive(Debug)]
pub(super) struct Link {
    inputs: usize,
    units: usize,
    range: InputRange,
    /// Its weights and bias among the parameters of the chain.
    parameters: Range<usize>,
    dense: (String, Box<dyn Op>),
    /// The ReLU behind it.
    pub(super) relu: Option<(String, Box<dyn Op>)>,
    integers: IntegerWeights,
    /// Of what it reads and of its sums, for the rows of the last pass.
    levels: Vec<u8>,
    sums: Vec<i32>,
}

impl Link {
    pub(super) fn new(
        (inputs, units): (usize, usize),
        range: InputRange,
        parameters: Range<usize>,
        dense: (String, Box<dyn Op>),
    ) -> Self {
        let integers = IntegerWeights::default();
        Self { inputs, units, range, parameters, dense, relu: None, integers, levels: Vec::new(), sums: Vec::new() }
    }

    fn input(&self, scale: f32) -> Levels {
        Levels { scale, zero_point: self.range.zero_point, lowest: 0 }
    }

    /// Multiplies levels by integer weights.
    fn multiply(&mut self, kernel: &dyn Kernel, parameters: &[Parameter], input_scale: f32, rows: usize) {
        let [weights, bias @ ..] = &parameters[self.parameters.clone()] else { return };
        let bias = bias.first().map(|bias| bias.values.as_slice());
        self.integers.fill(&weights.values, bias, self.units, input_scale);
        let packed = kernel.pack(&self.integers.values, self.inputs, self.units);
        let zero_point = i32::from(self.range.zero_point);
        let folded = self.integers.bias.iter().zip(packed.column_sums());
        let bias: Vec<i32> = folded.map(|(bias, sum)| bias.wrapping_sub(zero_point.wrapping_mul(*sum))).collect();
        self.sums.resize(rows * self.units, 0);
        let levels = self.levels.par_chunks(ROWS * self.inputs);
        levels.zip(self.sums.par_chunks_mut(ROWS * self.units)).for_each(|(levels, sums)| {
            kernel.matmul(levels, levels.len() / self.inputs, &packed, &bias, Output::I32(sums));
        });
    }

    /// The real value of one step of the sums, for each unit.
    fn steps(&self, input_scale: f32) -> Vec<f32> {
        self.integers.scales.iter().map(|scale| input_scale * scale).collect()
    }

    /// How its answer is quantized for the link behind it.
    fn output(&self, next: &Link, scale: f32) -> Levels {
        let lowest = if self.relu.is_some() { next.range.zero_point } else { 0 };
        Levels { lowest, ..next.input(scale) }
    }
}

/// The scale after `steps` doublings of the one given.
pub(super) fn scale(given: f32, steps: f32) -> f32 {
    (given * libm::exp2f(steps)).clamp(MIN_SCALE, f32::MAX)
}

/// A run of dense layers, ReLU between them, with one quantization to levels in front, requantizations between and floats behind.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Link>,
    kernel: &'static dyn Kernel,
    product: Product,
}

impl Chain {
    pub(super) fn new(links: Vec<Link>) -> Self {
        Self { links, kernel: kernels::best(), product: Product::new() }
    }

    /// Scales of the inputs: the last parameters, one for each link.
    fn scales(&self, parameters: &[Parameter]) -> Vec<f32> {
        let steps = &parameters[parameters.len() - self.links.len()..];
        self.links.iter().zip(steps).map(|(link, steps)| scale(link.range.scale, steps.values[0])).collect()
    }
}

impl Op for Chain {
    fn forward(&mut self, pass: Forward<'_>) {
        let scales = self.scales(pass.parameters);
        let (kernel, rows) = (self.kernel, pass.rows);
        let first = &mut self.links[0];
        first.levels.resize(rows * first.inputs, 0);
        kernel.quantize_u8(pass.inputs[0], scales[0], first.range.zero_point, &mut first.levels);
        for at in 0..self.links.len() {
            let (done, rest) = self.links.split_at_mut(at + 1);
            let link = &mut done[at];
            link.multiply(kernel, pass.parameters, scales[at], rows);
            let steps = link.steps(scales[at]);
            match rest.first_mut() {
                Some(next) => {
                    let multipliers: Vec<f32> = steps.iter().map(|step| step / scales[at + 1]).collect();
                    let output = link.output(next, scales[at + 1]);
                    next.levels.resize(rows * link.units, 0);
                    output.requantize(&link.sums, &multipliers, &mut next.levels);
                }
                None => {
                    let lowest = if link.relu.is_some() { 0.0 } else { f32::NEG_INFINITY };
                    for (sums, out) in link.sums.chunks_exact(link.units).zip(pass.output.chunks_exact_mut(link.units))
                    {
                        for ((&sum, step), out) in sums.iter().zip(&steps).zip(out) {
                            let value = sum as f32 * step;
                            *out = if lowest > value { lowest } else { value };
                        }
                    }
                }
            }
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let scales = self.scales(pass.parameters);
        let by_scales = pass.by_parameters.len() - self.links.len();
        let mut by_output = pass.by_output.to_vec();
        let Some(last) = self.links.last() else { return };
        if last.relu.is_some() {
            by_output.iter_mut().zip(&last.sums).filter(|(_, sum)| **sum <= 0).for_each(|(by, _)| *by = 0.0);
        }
        for at in (0..self.links.len()).rev() {
            let link = &self.links[at];
            let (rows, inputs, units) = (pass.rows, link.inputs, link.units);
            let mut values = vec![0.0; rows * inputs];
            self.kernel.dequantize_u8(&link.levels, scales[at], link.range.zero_point, &mut values);
            let by = Matrix::new(&by_output, rows, units);
            if let [by_weights, by_bias @ ..] = &mut pass.by_parameters[link.parameters.clone()] {
                self.product.multiply(Matrix::new(&values, rows, inputs).transposed(), by, Start::Zero, by_weights);
                by_bias.iter_mut().for_each(|by_bias| sum_rows(&by_output, by_bias));
            }
            let needed = at > 0 || pass.by_inputs[0].is_some() || !pass.by_parameters[by_scales].is_empty();
            if !needed {
                return;
            }
            let integers = link.integers.values.iter().enumerate();
            let weights: Vec<f32> =
                integers.map(|(i, &level)| f32::from(level) * link.integers.scales[i % units]).collect();
            let mut by_values = vec![0.0; rows * inputs];
            let weights = Matrix::new(&weights, inputs, units).transposed();
            self.product.multiply(by, weights, Start::Zero, &mut by_values);
            let by_scale = match at.checked_sub(1).map(|before| &self.links[before]) {
                None => {
                    let x = pass.inputs[0];
                    link.input(scales[0]).backward(&mut by_values, |i| x[i] / scales[0])
                }
                Some(before) => {
                    let multipliers: Vec<f32> =
                        before.steps(scales[at - 1]).iter().map(|step| step / scales[at]).collect();
                    let output = before.output(link, scales[at]);
                    output.backward(&mut by_values, |i| before.sums[i] as f32 * multipliers[i % inputs])
                }
            };
            if let Some(by) = pass.by_parameters[by_scales + at].first_mut() {
                *by = by_scale as f32;
            }
            by_output = by_values;
        }
        if let Some(by_input) = &mut pass.by_inputs[0] {
            by_input.copy_from_slice(&by_output);
        }
    }

    /// The layers in float, with the weights that are rounded in training.
    fn export(&self, graph: &mut GraphWriter, _: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let mut value = inputs[0].to_owned();
        for link in &self.links {
            let (name, dense) = &link.dense;
            value = dense.export(graph, name, &[&value], &parameters[link.parameters.clone()])?;
            if let Some((name, relu)) = &link.relu {
                value = relu.export(graph, name, &[&value], &[])?;
            }
        }
        Ok(value)
    }
}

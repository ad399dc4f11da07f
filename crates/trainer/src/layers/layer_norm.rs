//! Layer normalization.

use onnx_model::graph::node;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, FirstValues, Forward, NewParameter, Op, Parameter};
use crate::ranges;
use crate::sums::sum;

/// Brings the features of each sample, its last axis, to mean 0 and variance 1, then scales and shifts each by learnt numbers (Ba et al.
/// 2016; ONNX operator *LayerNormalization* over the last axis).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// Added to the variance, above 0. Default 1e-5.
    #[serde(default = "default_epsilon")]
    pub epsilon: f64,
    /// Applied to the result. Default [`Activation::Linear`].
    #[serde(default)]
    pub activation: Activation,
}

pub(super) fn default_epsilon() -> f64 {
    1e-5
}

/// A layer normalization with the usual constant.
pub fn layer_norm() -> LayerNorm {
    LayerNorm { epsilon: default_epsilon(), activation: Activation::Linear }
}

impl From<LayerNorm> for LayerKind {
    fn from(layer: LayerNorm) -> Self {
        Self::LayerNorm(layer)
    }
}

impl LayerNorm {
    /// With a function applied to the result.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        ranges::positive(&format!("{name}.epsilon"), self.epsilon)
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let Some(&features) = input.last() else {
            return Err(Error::LayerInput {
                layer: name.to_owned(),
                found: Vec::new(),
                expected: "an axis of features".to_owned(),
            });
        };
        let parameters = [("scale", 1.0), ("shift", 0.0)]
            .map(|(what, value)| NewParameter::bias(what, &[features], FirstValues::Given(vec![value; features])));
        let op = LayerNormOp { features, epsilon: self.epsilon as f32, statistics: Vec::new() };
        Ok(Built { op: Box::new(op), shape: input.to_vec(), parameters: parameters.into() })
    }
}

#[derive(Debug)]
struct LayerNormOp {
    features: usize,
    epsilon: f32,
    /// Mean and 1 / deviation of each row of the last forward pass.
    statistics: Vec<(f32, f32)>,
}

impl Op for LayerNormOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let [scale, shift] = [0, 1].map(|index| &pass.parameters[index].values);
        let count = self.features as f64;
        self.statistics.clear();
        let rows = pass.inputs[0].chunks_exact(self.features).zip(pass.output.chunks_exact_mut(self.features));
        for (x, y) in rows {
            let mean = sum(x.len(), |i| f64::from(x[i])) / count;
            let variance = sum(x.len(), |i| (f64::from(x[i]) - mean).powi(2)) / count;
            let deviation = (1.0 / (variance + f64::from(self.epsilon)).sqrt()) as f32;
            let mean = mean as f32;
            self.statistics.push((mean, deviation));
            for ((y, x), (scale, shift)) in y.iter_mut().zip(x).zip(scale.iter().zip(shift)) {
                *y = (x - mean) * deviation * scale + shift;
            }
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let features = self.features;
        let scale = &pass.parameters[0].values;
        let [by_scale, by_shift] = pass.by_parameters else { return };
        by_scale.fill(0.0);
        by_shift.fill(0.0);
        let rows = pass.inputs[0].chunks_exact(features).zip(pass.by_output.chunks_exact(features));
        for (row, ((x, by_y), &(mean, deviation))) in rows.zip(&self.statistics).enumerate() {
            let normalized = |i: usize| (x[i] - mean) * deviation;
            for i in 0..features {
                by_scale[i] += by_y[i] * normalized(i);
                by_shift[i] += by_y[i];
            }
            let Some(by_input) = &mut pass.by_inputs[0] else { continue };
            let mean_of =
                |value: &dyn Fn(usize) -> f32| (sum(features, |i| f64::from(value(i))) / features as f64) as f32;
            let plain = mean_of(&|i| by_y[i] * scale[i]);
            let along = mean_of(&|i| by_y[i] * scale[i] * normalized(i));
            for (i, by_x) in by_input[row * features..][..features].iter_mut().enumerate() {
                *by_x = deviation * (by_y[i] * scale[i] - plain - normalized(i) * along);
            }
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let operands = [&[inputs[0]], &graph.parameters(parameters)?[..]].concat();
        graph.push(node("LayerNormalization", name, &operands, &[]).with_float("epsilon", self.epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn each_row_is_normalized() {
        for shape in [&[7][..], &[3, 5]] {
            let features = shape[shape.len() - 1];
            let mut bench = Bench::new(layer_norm(), &[shape], 4, 1);
            bench.check(|inputs, parameters| {
                let row = |x: &[f64]| -> Vec<f64> {
                    let mean = x.iter().sum::<f64>() / features as f64;
                    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / features as f64;
                    let normalized = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
                    normalized
                        .zip(&parameters[0])
                        .zip(&parameters[1])
                        .map(|((x, scale), shift)| x * scale + shift)
                        .collect()
                };
                inputs[0].chunks(features).flat_map(row).collect()
            });
        }
    }
}

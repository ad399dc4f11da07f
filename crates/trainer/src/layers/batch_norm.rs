//! Batch normalization.
//!
//! Loops run by `pulp` are compiled for the vectors of the machine; a closure in them that is not inlined would be compiled for the narrowest
//! alone, hence the attributes.

use onnx_model::graph::node;
use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use super::dense::given;
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, FirstValues, Forward, Mode, NewParameter, Op, Parameter};
use crate::ranges;
use crate::sums::sum;

/// Brings each feature, or each channel of `[channels, ...]`, to mean 0 and variance 1 over the batch, then scales and shifts it by learnt
/// numbers (Ioffe & Szegedy 2015, algorithm 1; ONNX operator *BatchNormalization*). The exported model uses running statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// The share of the running statistics that a batch leaves, in `[0, 1)`. Default 0.9.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// Added to the variance, above 0. Default 1e-5.
    #[serde(default = "super::layer_norm::default_epsilon")]
    pub epsilon: f64,
    /// Applied to the result. Default [`Activation::Linear`].
    #[serde(default)]
    pub activation: Activation,
    /// Scale, shift, running mean and running variance, `[channels]` each, to start from in place of 1, 0, 0, 1.
    #[serde(skip)]
    pub values: Option<[Vec<f32>; 4]>,
}

fn default_momentum() -> f64 {
    0.9
}

/// A batch normalization with the usual constants.
pub fn batch_norm() -> BatchNorm {
    BatchNorm {
        momentum: default_momentum(),
        epsilon: super::layer_norm::default_epsilon(),
        activation: Activation::Linear,
        values: None,
    }
}

impl From<BatchNorm> for LayerKind {
    fn from(layer: BatchNorm) -> Self {
        Self::BatchNorm(layer)
    }
}

impl BatchNorm {
    /// With a function applied to the result.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        ranges::share(&format!("{name}.momentum"), self.momentum)?;
        ranges::positive(&format!("{name}.epsilon"), self.epsilon)
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let Some((&channels, area)) = input.split_first() else {
            return Err(Error::LayerInput {
                layer: name.to_owned(),
                found: Vec::new(),
                expected: "features, or channels of images".to_owned(),
            });
        };
        let names = ["scale", "shift", "running_mean", "running_variance"];
        let mut parameters = Vec::with_capacity(names.len());
        for (index, what) in names.into_iter().enumerate() {
            let first = match &self.values {
                Some(values) => given(name, what, &values[index], &[channels])?,
                None => FirstValues::Given(vec![[1.0, 0.0, 0.0, 1.0][index]; channels]),
            };
            parameters.push(NewParameter { trainable: index < 2, ..NewParameter::bias(what, &[channels], first) });
        }
        let op = BatchNormOp {
            channels,
            area: area.iter().product(),
            momentum: self.momentum as f32,
            epsilon: self.epsilon as f32,
            statistics: Vec::new(),
        };
        Ok(Built { op: Box::new(op), shape: input.to_vec(), parameters })
    }
}

#[derive(Debug)]
struct BatchNormOp {
    channels: usize,
    /// Values of each channel in a sample.
    area: usize,
    momentum: f32,
    epsilon: f32,
    /// Of the last batch in training, for each channel.
    statistics: Vec<Statistics>,
}

#[derive(Clone, Copy, Debug)]
struct Statistics {
    mean: f32,
    variance: f32,
}

impl BatchNormOp {
    /// For each channel the sum of `term(index, channel)` over its values in the batch, in f64 and always in one order: runs of values
    /// within samples, sample by sample.
    fn sums(&self, rows: usize, term: impl Fn(usize, usize) -> f64 + Send + Sync) -> Vec<f64> {
        let (channels, area) = (self.channels, self.area);
        if area == 1 {
            // The values of a channel are far apart, those of a row side by side.
            let mut sums = vec![0.0; channels];
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        for (channel, sum_of_channel) in sums.iter_mut().enumerate() {
                            *sum_of_channel += term(row * channels + channel, channel);
                        }
                    }
                },
            );
            return sums;
        }
        let of_channel = |channel: usize| -> f64 {
            let run = |row: usize| (row * channels + channel) * area;
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    (0..rows)
                        .map(
                            #[inline(always)]
                            |row| {
                                sum(
                                    area,
                                    #[inline(always)]
                                    |i| term(run(row) + i, channel),
                                )
                            },
                        )
                        .sum()
                },
            )
        };
        (0..channels).into_par_iter().with_min_len(CHANNELS_TOGETHER).map(of_channel).collect()
    }

    fn measure(&mut self, input: &[f32], rows: usize) {
        let count = (rows * self.area) as f64;
        let means: Vec<f64> = self
            .sums(
                rows,
                #[inline(always)]
                |at, _| f64::from(input[at]),
            )
            .iter()
            .map(|sum| sum / count)
            .collect();
        // A second pass: E[x^2] - E[x]^2 cancels when the mean is large beside the deviation.
        let squares = self.sums(
            rows,
            #[inline(always)]
            |at, channel| {
                let distance = f64::from(input[at]) - means[channel];
                distance * distance
            },
        );
        let statistics = means.iter().zip(squares);
        self.statistics.clear();
        self.statistics.extend(
            statistics.map(|(&mean, squares)| Statistics { mean: mean as f32, variance: (squares / count) as f32 }),
        );
    }

    /// Calls `each(output, input, other, channel)` for all values, those of one run or one row after the other.
    fn for_each(
        &self,
        output: &mut [f32],
        [input, other]: [&[f32]; 2],
        each: impl Fn(&mut f32, f32, f32, usize) + Send + Sync,
    ) {
        let (channels, area) = (self.channels, self.area);
        let size = channels * area;
        let samples =
            output.par_chunks_exact_mut(size).zip(input.par_chunks_exact(size)).zip(other.par_chunks_exact(size));
        samples.with_min_len(VALUES_TOGETHER.div_ceil(size)).for_each(|((output, input), other)| {
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    if area == 1 {
                        for (channel, ((output, &input), &other)) in output.iter_mut().zip(input).zip(other).enumerate()
                        {
                            each(output, input, other, channel);
                        }
                        return;
                    }
                    let runs =
                        output.chunks_exact_mut(area).zip(input.chunks_exact(area)).zip(other.chunks_exact(area));
                    for (channel, ((output, input), other)) in runs.enumerate() {
                        for ((output, &input), &other) in output.iter_mut().zip(input).zip(other) {
                            each(output, input, other, channel);
                        }
                    }
                },
            );
        });
    }
}

/// Channels that one task takes at least.
const CHANNELS_TOGETHER: usize = 8;

/// Values that one task takes at least.
const VALUES_TOGETHER: usize = 1 << 16;

impl Op for BatchNormOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let input = pass.inputs[0];
        let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|index| &pass.parameters[index].values);
        if let Mode::Training { .. } = pass.mode {
            self.measure(input, pass.rows);
        }
        let line: Vec<(f32, f32)> = (0..self.channels)
            .map(|c| {
                let Statistics { mean, variance } = match pass.mode {
                    Mode::Training { .. } => self.statistics[c],
                    Mode::Inference => Statistics { mean: mean[c], variance: variance[c] },
                };
                let slope = scale[c] / (variance + self.epsilon).sqrt();
                (slope, shift[c] - slope * mean)
            })
            .collect();
        self.for_each(
            pass.output,
            [input, input],
            #[inline(always)]
            |y, x, _, channel| *y = line[channel].0 * x + line[channel].1,
        );
    }

    /// With `n` values of a channel and `x'` the normalized ones, `d loss / d x = slope * (d y - mean(d y) - x' * mean(d y * x'))`.
    fn backward(&mut self, mut pass: Backward<'_>) {
        let (input, by_output) = (pass.inputs[0], pass.by_output);
        let deviations: Vec<f32> =
            self.statistics.iter().map(|of_channel| 1.0 / (of_channel.variance + self.epsilon).sqrt()).collect();
        let by_shift = self.sums(
            pass.rows,
            #[inline(always)]
            |at, _| f64::from(by_output[at]),
        );
        let by_scale = self.sums(
            pass.rows,
            #[inline(always)]
            |at, c| f64::from(by_output[at]) * f64::from((input[at] - self.statistics[c].mean) * deviations[c]),
        );
        for (c, (by_scale, by_shift)) in by_scale.iter().zip(&by_shift).enumerate() {
            pass.by_parameters[0][c] = *by_scale as f32;
            pass.by_parameters[1][c] = *by_shift as f32;
        }
        let Some(by_input) = &mut pass.by_inputs[0] else { return };
        let count = (pass.rows * self.area) as f64;
        /// What a channel's gradient is made of.
        struct Line {
            slope: f32,
            mean: f32,
            by_shift: f32,
            by_value: f32,
        }
        let lines: Vec<Line> = (0..self.channels)
            .map(|c| Line {
                slope: pass.parameters[0].values[c] * deviations[c],
                mean: self.statistics[c].mean,
                by_shift: (by_shift[c] / count) as f32,
                by_value: deviations[c] * (by_scale[c] / count) as f32,
            })
            .collect();
        self.for_each(
            by_input,
            [input, by_output],
            #[inline(always)]
            |by_x, x, by_y, channel| {
                let Line { slope, mean, by_shift, by_value } = lines[channel];
                *by_x = slope * (by_y - by_shift - (x - mean) * by_value);
            },
        );
    }

    /// As ONNX defines it, with the variance of the population.
    fn update_statistics(&mut self, parameters: &mut [Parameter]) {
        let [_, _, mean, variance] = parameters else { return };
        let running = mean.values.iter_mut().zip(&mut variance.values);
        for ((mean, variance), batch) in running.zip(&self.statistics) {
            *mean = self.momentum * *mean + (1.0 - self.momentum) * batch.mean;
            *variance = self.momentum * *variance + (1.0 - self.momentum) * batch.variance;
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let operands = [&[inputs[0]], &graph.parameters(parameters)?[..]].concat();
        graph.push(node("BatchNormalization", name, &operands, &[]).with_float("epsilon", self.epsilon))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    /// Normalization over the batch, scale and shift, in f64.
    fn naive(x: &[f64], scale: &[f64], shift: &[f64], area: usize) -> Vec<f64> {
        let channels = scale.len();
        let channel = |index: usize| index / area % channels;
        let mut y = vec![0.0; x.len()];
        for c in 0..channels {
            let of: Vec<usize> = (0..x.len()).filter(|&index| channel(index) == c).collect();
            let mean = of.iter().map(|&i| x[i]).sum::<f64>() / of.len() as f64;
            let variance = of.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / of.len() as f64;
            for i in of {
                y[i] = (x[i] - mean) / (variance + 1e-5).sqrt() * scale[c] + shift[c];
            }
        }
        y
    }

    #[test]
    fn training_normalizes_over_the_batch() {
        for (shape, area) in [(&[5][..], 1), (&[3, 11], 11), (&[2, 3, 4], 12)] {
            let mut bench = Bench::new(batch_norm(), &[shape], 6, 1);
            bench.check(|inputs, parameters| naive(&inputs[0], &parameters[0], &parameters[1], area));
        }
    }

    #[test]
    fn inference_uses_running_statistics_that_follow_the_batches() {
        let mut bench = Bench::new(batch_norm(), &[&[2, 9]], 8, 2);
        bench.inputs[0].iter_mut().for_each(|x| *x = 3.0 * *x + 5.0);
        for _ in 0..200 {
            let _ = bench.forward(Mode::Training { seed: 0, step: 0 });
            bench.op.update_statistics(&mut bench.parameters);
        }
        let trained = bench.forward(Mode::Training { seed: 0, step: 0 });
        let inferred = bench.forward(Mode::Inference);
        for (a, b) in trained.iter().zip(&inferred) {
            assert!((a - b).abs() < 1e-4, "{a} is not {b}");
        }
        let one = batch_norm().build("bn", &[1]).unwrap();
        assert_eq!(one.parameters.iter().map(|p| p.trainable).collect::<Vec<_>>(), [true, true, false, false]);
        assert!(one.parameters.iter().all(|p| !p.decays));
    }
}

//! Noise against co-adaptation: values left out at random in training.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Context, LayerKind};
use crate::activation::{SELU_ALPHA, SELU_SCALE};
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Mode, Op, Parameter};
use crate::random::{Purpose, generator};
use crate::ranges;

/// In training sets each value to 0 with probability `rate` and divides the others by `1 - rate` (Srivastava et al. 2014, in the form
/// that scales while training); does nothing in the exported model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share of values left out, in `[0, 1)`.
    pub rate: f64,
}

/// In training sets each value to SELU's limit far below 0 with probability `rate`, then shifts and scales all values so that mean 0 and
/// variance 1 stay (Klambauer et al. 2017, *Self-Normalizing Neural Networks*); does nothing in the exported model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlphaDropout {
    /// The share of values replaced, in `[0, 1)`.
    pub rate: f64,
}

/// A layer that leaves values out at random in training.
pub fn dropout(rate: f64) -> Dropout {
    Dropout { rate }
}

/// Dropout for networks of SELU activations.
pub fn alpha_dropout(rate: f64) -> AlphaDropout {
    AlphaDropout { rate }
}

impl From<Dropout> for LayerKind {
    fn from(layer: Dropout) -> Self {
        Self::Dropout(layer)
    }
}

impl From<AlphaDropout> for LayerKind {
    fn from(layer: AlphaDropout) -> Self {
        Self::AlphaDropout(layer)
    }
}

impl Dropout {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        ranges::share(&format!("{name}.rate"), self.rate)
    }

    pub(super) fn build(&self, input: &[usize], context: Context) -> Built {
        let scale = (1.0 / (1.0 - self.rate)) as f32;
        built(input, DropoutOp { scale, ..DropoutOp::new(self.rate, context) })
    }
}

impl AlphaDropout {
    pub(super) fn check(&self, name: &str) -> Result<()> {
        ranges::share(&format!("{name}.rate"), self.rate)
    }

    pub(super) fn build(&self, input: &[usize], context: Context) -> Built {
        let limit = -f64::from(SELU_SCALE) * f64::from(SELU_ALPHA);
        let kept = 1.0 - self.rate;
        let scale = 1.0 / (kept + limit * limit * kept * self.rate).sqrt();
        let shift = -scale * self.rate * limit;
        let op = DropoutOp {
            scale: scale as f32,
            shift: shift as f32,
            replacement: (scale * limit + shift) as f32,
            ..DropoutOp::new(self.rate, context)
        };
        built(input, op)
    }
}

fn built(input: &[usize], op: DropoutOp) -> Built {
    Built { op: Box::new(op), shape: input.to_vec(), parameters: Vec::new() }
}

/// In training `scale * x + shift`, or with probability `rate` the replacement.
#[derive(Debug)]
struct DropoutOp {
    /// A random u32 below it leaves its value out.
    threshold: u32,
    scale: f32,
    shift: f32,
    replacement: f32,
    position: u32,
    /// What the last forward pass multiplied each value by: `scale`, or 0 where it was left out.
    slopes: Vec<f32>,
    /// Room for the random numbers of a pass.
    noise: Vec<u32>,
}

impl DropoutOp {
    fn new(rate: f64, context: Context) -> Self {
        let threshold = (rate * f64::from(u32::MAX)) as u32;
        Self {
            threshold,
            scale: 1.0,
            shift: 0.0,
            replacement: 0.0,
            position: context.position,
            slopes: Vec::new(),
            noise: Vec::new(),
        }
    }
}

impl Op for DropoutOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let Mode::Training { seed, step } = pass.mode else {
            pass.output.copy_from_slice(pass.inputs[0]);
            return;
        };
        let mut noise = generator(seed, Purpose::Noise(self.position), step);
        self.noise.resize(pass.output.len(), 0);
        noise.fill(&mut self.noise[..]);
        let slope = |&noise: &u32| if noise >= self.threshold { self.scale } else { 0.0 };
        self.slopes.clear();
        self.slopes.extend(self.noise.iter().map(slope));
        for ((y, &x), &slope) in pass.output.iter_mut().zip(pass.inputs[0]).zip(&self.slopes) {
            *y = if slope == 0.0 { self.replacement } else { slope * x + self.shift };
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let Some(by_input) = &mut pass.by_inputs[0] {
            for ((by_x, &by_y), &slope) in by_input.iter_mut().zip(pass.by_output).zip(&self.slopes) {
                *by_x = slope * by_y;
            }
        }
    }

    /// Nothing: the model is for inference.
    fn export(&self, _: &mut GraphWriter, _: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        Ok(inputs[0].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const STEP: Mode = Mode::Training { seed: 3, step: 5 };

    #[test]
    fn what_is_kept_is_scaled_and_so_is_its_gradient() {
        let mut bench = Bench::new(dropout(0.3), &[&[40, 5]], 50, 1);
        let learnt = bench.learn();
        let mut dropped = 0;
        for (index, (&x, &y)) in bench.inputs[0].iter().zip(&learnt.output).enumerate() {
            let slope = if y == 0.0 { 0.0 } else { 1.0 / 0.7 };
            dropped += usize::from(y == 0.0);
            assert!((y - slope * x).abs() < 1e-6);
            assert!((learnt.by_inputs[0][index] - slope * learnt.by_output[index]).abs() < 1e-6);
        }
        // 10,000 draws: three standard deviations are 137.
        assert!((2863..3137).contains(&dropped), "{dropped} of 10,000");
    }

    #[test]
    fn alpha_dropout_keeps_mean_and_variance_of_selu_activations() {
        let mut bench = Bench::new(alpha_dropout(0.2), &[&[100]], 1000, 2);
        // Uniform values of mean 0 and variance 1.
        bench.inputs[0].iter_mut().for_each(|x| *x *= 3_f32.sqrt());
        let learnt = bench.learn();
        let count = learnt.output.len() as f64;
        let mean = learnt.output.iter().map(|&y| f64::from(y)).sum::<f64>() / count;
        let variance = learnt.output.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / count;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "mean {mean}, variance {variance}");
        let slopes = learnt.by_inputs[0].iter().zip(&learnt.by_output).map(|(by_x, by_y)| by_x / by_y);
        let dropped = slopes.filter(|&slope| slope == 0.0).count();
        assert!((19_600..20_400).contains(&dropped), "{dropped} of 100,000");
    }

    #[test]
    fn noise_depends_on_the_step_and_the_layer_and_is_absent_from_inference() {
        let mut bench = Bench::new(dropout(0.5), &[&[100]], 4, 3);
        let first = bench.forward(STEP);
        assert_eq!(bench.forward(STEP), first);
        assert_ne!(bench.forward(Mode::Training { seed: 3, step: 6 }), first);
        assert_ne!(bench.forward(Mode::Training { seed: 4, step: 5 }), first);
        assert_eq!(bench.forward(Mode::Inference), bench.inputs[0]);
        let mut other = Dropout { rate: 0.5 }.build(&[100], Context { position: 1, ..Context::default() }).op;
        let mut output = vec![0.0; 400];
        other.forward(Forward {
            rows: 4,
            mode: STEP,
            inputs: &[&bench.inputs[0]],
            parameters: &[],
            output: &mut output,
        });
        assert_ne!(output, first);
    }

    #[test]
    fn a_rate_outside_of_its_range_is_named() {
        for rate in [-0.1, 1.0, f64::NAN] {
            let message = dropout(rate).check("noise").unwrap_err().to_string();
            assert!(message.contains("noise.rate"), "{message}");
        }
    }
}

//! The functions that make a network more than a linear map.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The function a layer applies to each of its outputs; [`Activation::Softmax`] to all of the last axis together.
///
/// Transcendental functions come from `libm`, so their bits are the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `y = x`.
    #[default]
    Linear,
    /// `y = max(x, 0)` (ONNX operator *Relu*).
    Relu,
    /// `y = x`, below 0 `0.01 x` (Maas et al. 2013; ONNX operator *LeakyRelu*).
    LeakyRelu,
    /// `y = x`, below 0 `exp(x) - 1` (Clevert et al. 2016; ONNX operator *Elu*).
    Elu,
    /// `y = scale * x`, below 0 `scale * alpha * (exp(x) - 1)`, with which activations keep mean 0 and variance 1
    /// (Klambauer et al. 2017; ONNX operator *Selu*).
    Selu,
    /// `y = x * (1 + erf(x / sqrt 2)) / 2` (Hendrycks & Gimpel 2016; ONNX operator *Gelu*).
    Gelu,
    /// `y = x * sigmoid(x)`, also named swish (Elfwing et al. 2018).
    Silu,
    /// `y = ln(1 + exp(x))` (ONNX operator *Softplus*).
    Softplus,
    /// `y = 1 / (1 + exp(-x))` (ONNX operator *Sigmoid*).
    Sigmoid,
    /// The hyperbolic tangent (ONNX operator *Tanh*).
    Tanh,
    /// `y = x * clamp(x / 6 + 1/2, 0, 1)` (Howard et al. 2019; ONNX operator *HardSwish*).
    HardSwish,
    /// `y_i = exp(x_i) / sum_j exp(x_j)` (ONNX operator *Softmax*).
    Softmax,
}

const LEAK: f32 = 0.01;
/// The fixed point of the paper, as ONNX gives it.
pub(crate) const SELU_ALPHA: f32 = 1.673_263_2;
pub(crate) const SELU_SCALE: f32 = 1.050_701;

impl Activation {
    /// Writes the function of each value of `input`; `width` is the length of the last axis.
    pub(crate) fn forward(self, input: &[f32], width: usize, output: &mut [f32]) {
        match self {
            Self::Linear => output.copy_from_slice(input),
            // Not `max`: it would turn NaN into 0 and hide a diverged layer.
            Self::Relu => map(input, output, |x| if x < 0.0 { 0.0 } else { x }),
            Self::LeakyRelu => map(input, output, |x| if x < 0.0 { LEAK * x } else { x }),
            Self::Elu => map(input, output, |x| if x < 0.0 { libm::expm1f(x) } else { x }),
            Self::Selu => {
                map(input, output, |x| SELU_SCALE * if x < 0.0 { SELU_ALPHA * libm::expm1f(x) } else { x });
            }
            Self::Gelu => map(input, output, |x| x * normal_cdf(x)),
            Self::Silu => map(input, output, |x| x * sigmoid(x)),
            Self::Softplus => map(input, output, softplus),
            Self::Sigmoid => map(input, output, sigmoid),
            Self::Tanh => map(input, output, libm::tanhf),
            Self::HardSwish => map(input, output, |x| x * hard_gate(x)),
            Self::Softmax => {
                for (x, y) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
                    softmax(x, y);
                }
            }
        }
    }

    /// As configurations write it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky-relu",
            Self::Elu => "elu",
            Self::Selu => "selu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Softplus => "softplus",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::HardSwish => "hard-swish",
            Self::Softmax => "softmax",
        }
    }

    /// Writes the derivative of the loss by `input`, given `output`, which [`Self::forward`] wrote, and the derivative by that.
    pub(crate) fn backward(self, input: &[f32], output: &[f32], by_output: &[f32], width: usize, by_input: &mut [f32]) {
        match self {
            Self::Linear => by_input.copy_from_slice(by_output),
            Self::Relu => chain(by_output, output, by_input, |y| if y > 0.0 { 1.0 } else { 0.0 }),
            Self::LeakyRelu => chain(by_output, output, by_input, |y| if y < 0.0 { LEAK } else { 1.0 }),
            Self::Elu => chain(by_output, output, by_input, |y| if y < 0.0 { y + 1.0 } else { 1.0 }),
            Self::Selu => {
                chain(by_output, output, by_input, |y| if y < 0.0 { y + SELU_SCALE * SELU_ALPHA } else { SELU_SCALE });
            }
            Self::Gelu => chain(by_output, input, by_input, |x| normal_cdf(x) + x * normal_density(x)),
            Self::Silu => chain(by_output, input, by_input, |x| {
                let gate = sigmoid(x);
                gate * (1.0 + x * (1.0 - gate))
            }),
            Self::Softplus => chain(by_output, input, by_input, sigmoid),
            Self::Sigmoid => chain(by_output, output, by_input, |y| y * (1.0 - y)),
            Self::Tanh => chain(by_output, output, by_input, |y| 1.0 - y * y),
            Self::HardSwish => chain(by_output, input, by_input, |x| {
                if x <= -3.0 {
                    0.0
                } else if x >= 3.0 {
                    1.0
                } else {
                    x / 3.0 + 0.5
                }
            }),
            Self::Softmax => {
                let rows = output.chunks_exact(width).zip(by_output.chunks_exact(width));
                for ((y, by_y), by_x) in rows.zip(by_input.chunks_exact_mut(width)) {
                    let mean: f32 = y.iter().zip(by_y).map(|(y, by_y)| y * by_y).sum();
                    for ((by_x, y), by_y) in by_x.iter_mut().zip(y).zip(by_y) {
                        *by_x = y * (by_y - mean);
                    }
                }
            }
        }
    }
}

/// Values that one thread works on at a time.
const RUN: usize = 1 << 13;

fn map(input: &[f32], output: &mut [f32], function: impl Fn(f32) -> f32 + Sync) {
    let run = |(output, input): (&mut [f32], &[f32])| {
        for (y, &x) in output.iter_mut().zip(input) {
            *y = function(x);
        }
    };
    match output.len() > RUN {
        true => output.par_chunks_mut(RUN).zip(input.par_chunks(RUN)).for_each(run),
        false => run((output, input)),
    }
}

/// Writes `by_output` times the slope at each of `values`.
fn chain(by_output: &[f32], values: &[f32], by_input: &mut [f32], slope: impl Fn(f32) -> f32 + Sync) {
    let run = |(by_input, (values, by_output)): (&mut [f32], (&[f32], &[f32]))| {
        for ((by_x, &value), &by_y) in by_input.iter_mut().zip(values).zip(by_output) {
            *by_x = by_y * slope(value);
        }
    };
    match by_input.len() > RUN {
        true => by_input.par_chunks_mut(RUN).zip(values.par_chunks(RUN).zip(by_output.par_chunks(RUN))).for_each(run),
        false => run((by_input, (values, by_output))),
    }
}

/// The logistic function, which no argument overflows.
pub(crate) fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + libm::expf(-x))
    } else {
        let exp = libm::expf(x);
        exp / (1.0 + exp)
    }
}

fn softplus(x: f32) -> f32 {
    // The larger of x and 0, and what the other side of the logarithm adds to it.
    let rest = libm::log1pf(libm::expf(-x.abs()));
    if x > 0.0 { x + rest } else { rest }
}

fn normal_cdf(x: f32) -> f32 {
    0.5 * libm::erfcf(-x * std::f32::consts::FRAC_1_SQRT_2)
}

fn normal_density(x: f32) -> f32 {
    const ROOT_OF_TWO_PI: f32 = 2.506_628_3;
    libm::expf(-0.5 * x * x) / ROOT_OF_TWO_PI
}

fn hard_gate(x: f32) -> f32 {
    (x / 6.0 + 0.5).clamp(0.0, 1.0)
}

fn softmax(x: &[f32], y: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (y, &x) in y.iter_mut().zip(x) {
        *y = libm::expf(x - max);
        sum += *y;
    }
    y.iter_mut().for_each(|y| *y /= sum);
}

#[cfg(test)]
mod tests;

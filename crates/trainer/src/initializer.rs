//! The values that parameters start from.

use std::fmt;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ranges;
use crate::word_or_table::word_or_table;

/// How a parameter tensor is filled before training; weights and biases alike.
///
/// In a configuration it is a word, `init = "he-normal"`, or a table where it has settings:
/// `init = { kind = "normal", deviation = 0.02 }`.
///
/// `fan_in` and `fan_out` below are how many inputs one output of the layer sums and how many outputs one input reaches:
/// the width of a dense layer's input and output; for a convolution the channels of one group times the kernel's area.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Initializer {
    /// Every value 0.
    Zeros,
    /// Every value the same.
    Constant {
        /// That value.
        value: f64,
    },
    /// Uniform between two bounds.
    Uniform {
        /// The lower bound.
        low: f64,
        /// The upper bound, above `low`.
        high: f64,
    },
    /// A normal distribution.
    Normal {
        /// Its mean; default 0.
        #[serde(default)]
        mean: f64,
        /// Its standard deviation, at least 0.
        deviation: f64,
    },
    /// Uniform within `±sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010, eq. 16).
    GlorotUniform,
    /// Normal with variance `2 / (fan_in + fan_out)` (Glorot & Bengio 2010, eq. 12), not truncated.
    GlorotNormal,
    /// Uniform within `±sqrt(6 / fan_in)`: the variance of [`Self::HeNormal`].
    HeUniform,
    /// Normal with variance `2 / fan_in`, for rectifiers (He et al. 2015, eq. 10), not truncated.
    HeNormal,
    /// Uniform within `±sqrt(3 / fan_in)`: the variance of [`Self::LecunNormal`].
    LecunUniform,
    /// Normal with variance `1 / fan_in` (LeCun et al. 1998, *Efficient BackProp*, eq. 16), which self-normalizing networks
    /// need (Klambauer et al. 2017), not truncated.
    LecunNormal,
    /// `gain` times a matrix drawn evenly from those with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014;
    /// the draw is Mezzadri's, 2007). The tensor counts as a matrix of its first dimension by all others.
    Orthogonal {
        /// The factor, above 0; default 1.
        #[serde(default = "one")]
        gain: f64,
    },
    /// What a caller's function writes; not in configurations.
    #[serde(skip)]
    Function(Fill),
}
word_or_table!(Initializer);

/// A caller's function that gets the shape of a parameter and writes its values, in row-major order; see
/// [`Initializer::function`].
#[derive(Clone)]
pub struct Fill(Arc<FillFn>);

type FillFn = dyn Fn(&[usize], &mut [f32]) + Send + Sync;

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fill(..)")
    }
}

impl PartialEq for Fill {
    /// Whether both are clones of one function.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

fn one() -> f64 {
    1.0
}

impl Initializer {
    /// What `fill` writes into a slice of zeros, given the shape of the parameter.
    ///
    /// ```
    /// # use trainer::Initializer;
    /// // The identity, where the layer is square.
    /// let identity = Initializer::function(|shape, values| {
    ///     values.iter_mut().step_by(shape[1] + 1).for_each(|value| *value = 1.0);
    /// });
    /// ```
    pub fn function(fill: impl Fn(&[usize], &mut [f32]) + Send + Sync + 'static) -> Self {
        Self::Function(Fill(Arc::new(fill)))
    }

    /// Checks the settings; `setting` is what the configuration calls this one.
    pub(crate) fn check(&self, setting: &str) -> Result<()> {
        match *self {
            Self::Constant { value } => ranges::finite(&format!("{setting}.value"), value),
            Self::Uniform { low, high } => {
                ranges::finite(&format!("{setting}.low"), low)?;
                ranges::finite(&format!("{setting}.high"), high)?;
                if low < high {
                    Ok(())
                } else {
                    Err(Error::setting(format!("{setting}.high"), high, format!("above `low`, which is {low}")))
                }
            }
            Self::Normal { mean, deviation } => {
                ranges::finite(&format!("{setting}.mean"), mean)?;
                ranges::not_negative(&format!("{setting}.deviation"), deviation)
            }
            Self::Orthogonal { gain } => ranges::positive(&format!("{setting}.gain"), gain),
            Self::Zeros
            | Self::GlorotUniform
            | Self::GlorotNormal
            | Self::HeUniform
            | Self::HeNormal
            | Self::LecunUniform
            | Self::LecunNormal
            | Self::Function(_) => Ok(()),
        }
    }

    /// The values of a parameter of `shape`, in row-major order.
    ///
    /// The draws depend on nothing but the generator, so that one seed gives the same values on every machine.
    pub(crate) fn fill(&self, shape: &[usize], fan_in: usize, fan_out: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let count = shape.iter().product();
        let (inputs, both) = (fan_in.max(1) as f64, fan_in.saturating_add(fan_out).max(1) as f64);
        match self {
            Self::Zeros => vec![0.0; count],
            Self::Constant { value } => vec![*value as f32; count],
            Self::Uniform { low, high } => uniform(count, *low, *high, rng),
            Self::Normal { mean, deviation } => normal(count, *mean, *deviation, rng),
            Self::GlorotUniform => within(count, (6.0 / both).sqrt(), rng),
            Self::GlorotNormal => normal(count, 0.0, (2.0 / both).sqrt(), rng),
            Self::HeUniform => within(count, (6.0 / inputs).sqrt(), rng),
            Self::HeNormal => normal(count, 0.0, (2.0 / inputs).sqrt(), rng),
            Self::LecunUniform => within(count, (3.0 / inputs).sqrt(), rng),
            Self::LecunNormal => normal(count, 0.0, (1.0 / inputs).sqrt(), rng),
            Self::Orthogonal { gain } => orthogonal(shape, *gain, rng),
            Self::Function(Fill(fill)) => {
                let mut values = vec![0.0; count];
                fill(shape, &mut values);
                values
            }
        }
    }
}

fn uniform(count: usize, low: f64, high: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| (low + (high - low) * rng.random::<f64>()) as f32).collect()
}

fn within(count: usize, limit: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    uniform(count, -limit, limit, rng)
}

fn normal(count: usize, mean: f64, deviation: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    StandardNormals::of(rng).take(count).map(|z| (mean + deviation * z) as f32).collect()
}

/// Draws from the normal distribution with mean 0 and deviation 1: Box & Muller 1958, two from every two uniform draws.
pub(crate) struct StandardNormals<'a> {
    rng: &'a mut ChaCha8Rng,
    second: Option<f64>,
}

impl<'a> StandardNormals<'a> {
    pub(crate) fn of(rng: &'a mut ChaCha8Rng) -> Self {
        Self { rng, second: None }
    }

    pub(crate) fn draw(&mut self) -> f64 {
        if let Some(second) = self.second.take() {
            return second;
        }
        // 1 - [0, 1) is never 0, whose logarithm is infinite.
        let radius = (-2.0 * libm::log(1.0 - self.rng.random::<f64>())).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * self.rng.random::<f64>());
        self.second = Some(radius * sine);
        radius * cosine
    }
}

impl Iterator for StandardNormals<'_> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        Some(self.draw())
    }
}

/// Gram-Schmidt on vectors of independent normals: orthonormal, and in every direction alike because all norms that it divides
/// by are positive (Mezzadri 2007, section 5). In f64 such vectors lose nothing that f32 would show.
fn orthogonal(shape: &[usize], gain: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let rows = shape.first().copied().unwrap_or(1);
    let columns: usize = shape.iter().skip(1).product();
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<f64> = StandardNormals::of(rng).take(vectors * length).collect();
    let mut rest = &mut basis[..];
    while !rest.is_empty() {
        let (vector, later) = rest.split_at_mut(length);
        let scale = 1.0 / dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|value| *value *= scale);
        later.par_chunks_exact_mut(length).for_each(|other| {
            let overlap = dot(vector, other);
            other.iter_mut().zip(&*vector).for_each(|(other, value)| *other -= overlap * value);
        });
        rest = later;
    }
    let value = |row: usize, column: usize| {
        let at = if rows <= columns { row * length + column } else { column * length + row };
        (gain * basis[at]) as f32
    };
    (0..rows * columns).map(|index| value(index / columns, index % columns)).collect()
}

/// In eight chains, so that neither a processor's vectors nor the thread count decide the order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.0.iter().zip(b.0) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f64 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests;

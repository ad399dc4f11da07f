//! How a gradient changes the parameters.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The update rule and its constants: the `[optimizer]` table of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum: `v = momentum * v + g`, `w = w - rate * v`
    /// (Polyak 1964, in the form of Sutskever et al. 2013 with the rate outside of `v`).
    Sgd {
        /// Step size, above 0.
        learning_rate: f64,
        /// Share of the velocity kept from step to step, in `[0, 1)`; 0 is plain gradient descent.
        #[serde(default)]
        momentum: f64,
    },
    /// Adam with bias correction (Kingma & Ba 2015, algorithm 1), and decoupled weight decay, which makes it AdamW
    /// (Loshchilov & Hutter 2019, algorithm 2).
    Adam {
        /// Step size, above 0.
        learning_rate: f64,
        /// Decay of the mean of the gradient, in `[0, 1)`.
        #[serde(default = "default_beta1")]
        beta1: f64,
        /// Decay of the mean of the squared gradient, in `[0, 1)`.
        #[serde(default = "default_beta2")]
        beta2: f64,
        /// Added to the root of the second moment, above 0.
        #[serde(default = "default_epsilon")]
        epsilon: f64,
        /// Before each step every parameter is multiplied by `1 - rate * weight_decay`;
        /// at least 0, the default, and below `1 / learning_rate`.
        #[serde(default)]
        weight_decay: f64,
    },
}

fn default_beta1() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.999
}

fn default_epsilon() -> f64 {
    1e-8
}

impl Optimizer {
    /// Stochastic gradient descent with the given rate and momentum.
    pub fn sgd(learning_rate: f64, momentum: f64) -> Self {
        Self::Sgd { learning_rate, momentum }
    }

    /// Adam with the constants its authors recommend.
    pub fn adam(learning_rate: f64) -> Self {
        Self::Adam {
            learning_rate,
            beta1: default_beta1(),
            beta2: default_beta2(),
            epsilon: default_epsilon(),
            weight_decay: 0.0,
        }
    }

    /// The configured step size, before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match *self {
            Self::Sgd { learning_rate, .. } | Self::Adam { learning_rate, .. } => learning_rate,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        positive("optimizer.learning_rate", self.learning_rate())?;
        match *self {
            Self::Sgd { momentum, .. } => share("optimizer.momentum", momentum),
            Self::Adam { learning_rate, beta1, beta2, epsilon, weight_decay } => {
                share("optimizer.beta1", beta1)?;
                share("optimizer.beta2", beta2)?;
                positive("optimizer.epsilon", epsilon)?;
                if (0.0..1.0).contains(&(learning_rate * weight_decay)) {
                    Ok(())
                } else {
                    let expected = "from 0 to less than 1 / learning_rate";
                    Err(Error::setting("optimizer.weight_decay", weight_decay, expected))
                }
            }
        }
    }
}

fn positive(setting: &str, value: f64) -> Result<()> {
    // Below the smallest normal f32 the step would be flushed or zero, and above f32::MAX infinite.
    if value >= f64::from(f32::MIN_POSITIVE) && value <= f64::from(f32::MAX) {
        Ok(())
    } else {
        Err(Error::setting(setting, value, "a finite number above 0"))
    }
}

fn share(setting: &str, value: f64) -> Result<()> {
    // As f32, in which the means are kept: what rounds to 1 there would never forget.
    if (0.0..1.0).contains(&(value as f32)) {
        Ok(())
    } else {
        Err(Error::setting(setting, value, "a number from 0 up to, but not including, 1"))
    }
}

/// What an optimizer remembers between two steps.
pub(crate) struct OptimizerState {
    rule: Optimizer,
    steps: i32,
    moments: Vec<Moments>,
}

/// The running means of one parameter tensor; `second` stays empty for a rule that has none.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl OptimizerState {
    /// `sizes` are the element counts of the parameter tensors, in the order [`Self::step`] gets them.
    pub(crate) fn new(rule: Optimizer, sizes: impl IntoIterator<Item = usize>) -> Self {
        let moments = sizes
            .into_iter()
            .map(|size| Moments {
                first: vec![0.0; size],
                second: match rule {
                    Optimizer::Sgd { .. } => Vec::new(),
                    Optimizer::Adam { .. } => vec![0.0; size],
                },
            })
            .collect();
        Self { rule, steps: 0, moments }
    }

    /// Takes one step of size `rate` on all `parameters`, each given as (values, gradient).
    pub(crate) fn step<'a>(&mut self, rate: f64, parameters: impl Iterator<Item = (&'a mut [f32], &'a [f32])>) {
        // The corrections are 1 to the last bit long before this saturates.
        self.steps = self.steps.saturating_add(1);
        for (moments, (values, gradient)) in self.moments.iter_mut().zip(parameters) {
            match self.rule {
                Optimizer::Sgd { momentum, .. } => {
                    sgd(rate as f32, momentum as f32, moments, values, gradient);
                }
                Optimizer::Adam { beta1, beta2, epsilon, weight_decay, .. } => {
                    let adam = Adam {
                        rate: (rate / (1.0 - beta1.powi(self.steps))) as f32,
                        root_correction: (1.0 / (1.0 - beta2.powi(self.steps)).sqrt()) as f32,
                        beta1: beta1 as f32,
                        beta2: beta2 as f32,
                        epsilon: epsilon as f32,
                        kept: (1.0 - rate * weight_decay) as f32,
                    };
                    adam.update(moments, values, gradient);
                }
            }
        }
    }
}

fn sgd(rate: f32, momentum: f32, moments: &mut Moments, values: &mut [f32], gradient: &[f32]) {
    for ((value, velocity), &g) in values.iter_mut().zip(&mut moments.first).zip(gradient) {
        *velocity = momentum * *velocity + g;
        *value -= rate * *velocity;
    }
}

/// Adam's constants for one step; both bias corrections are the same for all parameters.
struct Adam {
    rate: f32,
    root_correction: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// The share of a parameter that weight decay leaves.
    kept: f32,
}

impl Adam {
    fn update(&self, moments: &mut Moments, values: &mut [f32], gradient: &[f32]) {
        let means = moments.first.iter_mut().zip(&mut moments.second);
        for ((value, (m, v)), &g) in values.iter_mut().zip(means).zip(gradient) {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            let step = self.rate * *m / (v.sqrt() * self.root_correction + self.epsilon);
            *value = self.kept * *value - step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn steps(rule: Optimizer, start: f32, gradients: &[f32]) -> f32 {
        let mut state = OptimizerState::new(rule, [1]);
        let mut values = [start];
        for &gradient in gradients {
            state.step(rule.learning_rate(), std::iter::once((&mut values[..], &[gradient][..])));
        }
        values[0]
    }

    fn decaying(weight_decay: f64) -> Optimizer {
        Optimizer::Adam { learning_rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay }
    }

    #[test]
    fn sgd_accumulates_velocity() {
        // v1 = 2, v2 = 0.9 * 2 - 1 = 0.8; w = 1 - 0.1 * 2 - 0.1 * 0.8.
        assert_relative_eq!(steps(Optimizer::sgd(0.1, 0.9), 1.0, &[2.0, -1.0]), 0.72, epsilon = 1e-6);
    }

    #[test]
    fn sgd_without_momentum_forgets() {
        assert_relative_eq!(steps(Optimizer::sgd(0.1, 0.0), 1.0, &[2.0, -1.0]), 0.9, epsilon = 1e-6);
    }

    #[test]
    fn first_adam_step_has_the_size_of_the_rate_whatever_the_gradient() {
        for gradient in [1e-3, 4.0, -250.0_f32] {
            let moved = steps(Optimizer::adam(0.01), 1.0, &[gradient]) - 1.0;
            assert_relative_eq!(moved, -0.01 * gradient.signum(), epsilon = 1e-6);
        }
    }

    #[test]
    fn adam_follows_the_algorithm_of_the_papers() {
        let gradients = [0.5, -0.2, 3.0, 0.0, -1.5_f32];
        let (rate, beta1, beta2, epsilon, weight_decay) = (0.05, 0.8_f64, 0.95_f64, 1e-4, 2.0);
        let (mut w, mut m, mut v) = (0.3_f64, 0.0, 0.0);
        for (t, &g) in (1..).zip(&gradients) {
            let g = f64::from(g);
            m = beta1 * m + (1.0 - beta1) * g;
            v = beta2 * v + (1.0 - beta2) * g * g;
            let m_hat = m / (1.0 - beta1.powi(t));
            let v_hat = v / (1.0 - beta2.powi(t));
            w -= rate * weight_decay * w + rate * m_hat / (v_hat.sqrt() + epsilon);
        }
        let rule = Optimizer::Adam { learning_rate: rate, beta1, beta2, epsilon, weight_decay };
        assert_relative_eq!(steps(rule, 0.3, &gradients), w as f32, max_relative = 1e-5);
    }

    #[test]
    fn weight_decay_alone_shrinks_parameters_by_a_factor() {
        assert_relative_eq!(steps(decaying(0.5), 2.0, &[0.0, 0.0]), 2.0 * 0.95 * 0.95, epsilon = 1e-6);
    }

    #[test]
    fn each_tensor_has_its_own_moments() {
        let rule = Optimizer::sgd(1.0, 0.5);
        let mut state = OptimizerState::new(rule, [1, 2]);
        let (mut a, mut b) = ([0.0], [0.0, 0.0]);
        for _ in 0..2 {
            let pairs = [(&mut a[..], &[1.0][..]), (&mut b[..], &[0.0, 10.0][..])];
            state.step(1.0, pairs.into_iter());
        }
        assert_eq!((a, b), ([-2.5], [0.0, -25.0]));
    }

    #[test]
    fn constants_outside_their_range_are_named() {
        for (rule, name) in [
            (Optimizer::sgd(0.0, 0.0), "optimizer.learning_rate"),
            (Optimizer::sgd(-1.0, 0.0), "optimizer.learning_rate"),
            (Optimizer::adam(f64::NAN), "optimizer.learning_rate"),
            (Optimizer::adam(f64::INFINITY), "optimizer.learning_rate"),
            (Optimizer::adam(1e-60), "optimizer.learning_rate"),
            (Optimizer::sgd(0.1, 1.0), "optimizer.momentum"),
            (Optimizer::sgd(0.1, f64::NAN), "optimizer.momentum"),
            (Optimizer::sgd(0.1, 1.0 - 1e-12), "optimizer.momentum"),
            (decaying(-0.1), "optimizer.weight_decay"),
            (decaying(100.0), "optimizer.weight_decay"),
            (decaying(f64::NAN), "optimizer.weight_decay"),
        ] {
            let message = rule.check().unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        Optimizer::sgd(0.1, 0.9).check().unwrap();
        Optimizer::adam(1e-3).check().unwrap();
    }
}

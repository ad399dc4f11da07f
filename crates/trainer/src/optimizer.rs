//! How a gradient changes the parameters.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::evolution::Evolution;
use crate::ranges;
use table::Table;

mod state;
mod table;
mod update;

pub(crate) use state::{OptimizerState, ParameterInfo};

/// The update rule with its settings: the `[optimizer]` table of a configuration.
///
/// ```
/// # use trainer::{Clip, Optimizer};
/// let optimizer = Optimizer::adam(1e-3).weight_decay(0.01).clip(Clip::GlobalNorm(1.0));
/// let read: Optimizer = toml::from_str(
///     r#"
///     kind = "adamw"
///     learning_rate = 1e-3
///     clip = { global_norm = 1 }
///     "#,
/// )?;
/// assert_eq!(read, optimizer);
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// In one step a gradient gets the penalties' derivatives, is clipped, enters the rule's means, and the rule moves the parameter,
/// which weight decay has shrunk before. Penalties and decay concern weights only, neither biases nor what scales or shifts.
/// The reported loss is that of the data alone, so that training and validation, and runs with other penalties, compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Optimizer {
    /// What is done with the gradient: the `kind` in a configuration, with its constants beside it.
    pub rule: Rule,
    /// Step size, above 0; a schedule multiplies it.
    pub learning_rate: f64,
    /// Decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2): before each step every weight is multiplied by
    /// `1 - rate * weight_decay`. At least 0 and below `1 / learning_rate`; default 0, and 0.01 for `kind = "adamw"`.
    pub weight_decay: f64,
    /// Weight of the penalty `l1 * sum(|w|)`, whose derivative is `l1 * sign(w)`; at least 0, the default.
    pub l1: f64,
    /// Weight of the penalty `l2 * sum(w^2)`, whose derivative is `2 * l2 * w`; at least 0, the default.
    pub l2: f64,
    /// The bound on the gradient; default none.
    pub clip: Option<Clip>,
}

/// An update rule. Below, `g` is the gradient, `w` the parameter, `t` counts the steps from 1, and all means start at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Stochastic gradient descent (`kind = "sgd"`): `v = momentum * v + g`, `w = w - rate * v` (Polyak 1964, with the rate
    /// outside of `v`).
    Sgd {
        /// Share of the velocity kept from step to step, in `[0, 1)`; 0, the default, is plain gradient descent.
        momentum: f64,
        /// Whether the velocity looks one step ahead, `w = w - rate * (g + momentum * v)` (Nesterov 1983 in the form of Bengio
        /// et al. 2013, eq. 7); needs a momentum. Default false.
        nesterov: bool,
    },
    /// RMSProp (`kind = "rmsprop"`): `v = decay * v + (1 - decay) * g^2`, `w = w - rate * g / (sqrt(v) + epsilon)`
    /// (Tieleman & Hinton 2012, lecture 6.5).
    RmsProp {
        /// Share of the mean of the squared gradient kept from step to step, in `[0, 1)`; default 0.9.
        decay: f64,
        /// Added to the root, above 0; default 1e-8.
        epsilon: f64,
    },
    /// Adam with bias correction (`kind = "adam"`, Kingma & Ba 2015, algorithm 1); with weight decay it is AdamW
    /// (`kind = "adamw"`).
    Adam(Betas),
    /// Adam with Nesterov momentum (`kind = "nadam"`, Dozat 2016, algorithm 2 with his schedule
    /// `mu(t) = beta1 * (1 - 0.5 * 0.96^(t / 250))` of the momentum).
    Nadam(Betas),
    /// Adam with the largest of the decayed gradients in place of the root (`kind = "adamax"`, Kingma & Ba 2015, algorithm 2).
    Adamax(Betas),
    /// An evolution strategy (`kind = "evolution"`), whose `learning_rate` is the first step size: about how far the parameters are from
    /// where they should be. It adapts itself, so there is no schedule, and without a gradient there is nothing to clip or to penalize.
    Evolution(Evolution),
}

/// The constants of [`Rule::Adam`] and its relatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Betas {
    /// Share of the mean of the gradient kept from step to step, in `[0, 1)`; default 0.9.
    pub beta1: f64,
    /// Share of the mean of the squared gradient kept from step to step, in `[0, 1)`; default 0.999.
    pub beta2: f64,
    /// Added to the divisor, above 0; default 1e-8.
    pub epsilon: f64,
}

impl Default for Betas {
    /// The constants that Adam's authors recommend.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// A bound on the gradient, above 0 (Pascanu et al. 2013).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Clip {
    /// Each element is brought into `[-value, value]`.
    Value(f64),
    /// A tensor with a larger Euclidean norm is scaled down to it.
    Norm(f64),
    /// If all tensors together have a larger Euclidean norm, all are scaled down by one factor.
    GlobalNorm(f64),
}

impl Optimizer {
    /// A rule with a step size and nothing else.
    pub fn new(rule: Rule, learning_rate: f64) -> Self {
        Self { rule, learning_rate, weight_decay: 0.0, l1: 0.0, l2: 0.0, clip: None }
    }

    /// Stochastic gradient descent with the given momentum; 0 for none.
    pub fn sgd(learning_rate: f64, momentum: f64) -> Self {
        Self::new(Rule::Sgd { momentum, nesterov: false }, learning_rate)
    }

    /// Gradient descent with Nesterov's momentum.
    pub fn nesterov(learning_rate: f64, momentum: f64) -> Self {
        Self::new(Rule::Sgd { momentum, nesterov: true }, learning_rate)
    }

    /// RMSProp with its usual constants.
    pub fn rms_prop(learning_rate: f64) -> Self {
        Self::new(Rule::RmsProp { decay: 0.9, epsilon: 1e-8 }, learning_rate)
    }

    /// Adam with the constants its authors recommend.
    pub fn adam(learning_rate: f64) -> Self {
        Self::new(Rule::Adam(Betas::default()), learning_rate)
    }

    /// Nadam with Adam's constants.
    pub fn nadam(learning_rate: f64) -> Self {
        Self::new(Rule::Nadam(Betas::default()), learning_rate)
    }

    /// Adamax with Adam's constants.
    pub fn adamax(learning_rate: f64) -> Self {
        Self::new(Rule::Adamax(Betas::default()), learning_rate)
    }

    /// The evolution strategy with its usual constants and the given first step size.
    pub fn evolution(step_size: f64) -> Self {
        Self::new(Rule::Evolution(Evolution::default()), step_size)
    }

    /// The same with decoupled weight decay.
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }

    /// The same with an L1 penalty.
    pub fn l1(self, l1: f64) -> Self {
        Self { l1, ..self }
    }

    /// The same with an L2 penalty.
    pub fn l2(self, l2: f64) -> Self {
        Self { l2, ..self }
    }

    /// The same with a bound on the gradient.
    pub fn clip(self, clip: Clip) -> Self {
        Self { clip: Some(clip), ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        ranges::positive("optimizer.learning_rate", self.learning_rate)?;
        match self.rule {
            Rule::Sgd { momentum, nesterov } => {
                ranges::share("optimizer.momentum", momentum)?;
                if nesterov && momentum == 0.0 {
                    return Err(Error::setting("optimizer.nesterov", true, "left out where there is no momentum"));
                }
            }
            Rule::RmsProp { decay, epsilon } => {
                ranges::share("optimizer.decay", decay)?;
                ranges::positive("optimizer.epsilon", epsilon)?;
            }
            Rule::Adam(betas) | Rule::Nadam(betas) | Rule::Adamax(betas) => {
                ranges::share("optimizer.beta1", betas.beta1)?;
                ranges::share("optimizer.beta2", betas.beta2)?;
                ranges::positive("optimizer.epsilon", betas.epsilon)?;
            }
            Rule::Evolution(evolution) => {
                evolution.check()?;
                let given = [("weight_decay", self.weight_decay), ("l1", self.l1), ("l2", self.l2)];
                if let Some((setting, value)) = given.into_iter().find(|(_, value)| *value != 0.0) {
                    let expected = "left out: evolution has no gradient";
                    return Err(Error::setting(format!("optimizer.{setting}"), value, expected));
                }
                if self.clip.is_some() {
                    return Err(Error::setting("optimizer.clip", "a bound", "left out: evolution has no gradient"));
                }
            }
        }
        if !(0.0..1.0).contains(&(self.learning_rate * self.weight_decay)) {
            let expected = "from 0 to less than 1 / learning_rate";
            return Err(Error::setting("optimizer.weight_decay", self.weight_decay, expected));
        }
        ranges::not_negative("optimizer.l1", self.l1)?;
        // Twice this is a factor of the derivative.
        ranges::not_negative("optimizer.l2", 2.0 * self.l2)?;
        match self.clip {
            None => Ok(()),
            Some(Clip::Value(bound)) => ranges::positive("optimizer.clip.value", bound),
            Some(Clip::Norm(bound)) => ranges::positive("optimizer.clip.norm", bound),
            Some(Clip::GlobalNorm(bound)) => ranges::positive("optimizer.clip.global_norm", bound),
        }
    }
}

#[cfg(test)]
mod tests;

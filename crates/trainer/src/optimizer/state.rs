//! What an optimizer remembers from step to step.

use rayon::prelude::*;

use super::update::{Run, Shaping, Update, sum_of_squares};
use super::{Betas, Clip, Optimizer, Rule};
use crate::error::{Error, Result};

/// Elements that one thread works on at a time, and whose squares are summed before the sums are: four arrays of them fit in a
/// processor's second cache. A constant, so that no thread count changes a norm.
const RUN: usize = 1 << 14;

/// What an optimizer must know of a parameter tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParameterInfo {
    /// How many elements it has.
    pub(crate) size: usize,
    /// Whether penalties and weight decay concern it.
    pub(crate) decays: bool,
}

/// The running means of all parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OptimizerState {
    optimizer: Optimizer,
    steps: u64,
    /// Nadam's product of all momenta so far.
    momenta: f64,
    parameters: Vec<Means>,
}

/// The means of one parameter; those that the rule does not keep stay empty.
#[derive(Clone, Debug, PartialEq)]
struct Means {
    decays: bool,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl OptimizerState {
    /// The state before the first step, for `parameters` in the order in which [`Self::step`] will get them.
    pub(crate) fn new(optimizer: Optimizer, parameters: impl IntoIterator<Item = ParameterInfo>) -> Self {
        let (first, second) = match optimizer.rule {
            Rule::Sgd { momentum, .. } => (momentum != 0.0, false),
            Rule::Evolution(_) => (false, false),
            Rule::RmsProp { .. } => (true, false),
            Rule::Adam(_) | Rule::Nadam(_) | Rule::Adamax(_) => (true, true),
        };
        let zeros = |kept: bool, size: usize| vec![0.0; if kept { size } else { 0 }];
        let means =
            |ParameterInfo { size, decays }| Means { decays, first: zeros(first, size), second: zeros(second, size) };
        Self { optimizer, steps: 0, momenta: 1.0, parameters: parameters.into_iter().map(means).collect() }
    }

    /// Takes one step of size `rate` on all parameters, each given as (values, gradient); evolution takes none.
    ///
    /// The threads of the current pool share the elements; their number changes no bit.
    pub(crate) fn step<'a>(&mut self, rate: f64, parameters: impl IntoIterator<Item = (&'a mut [f32], &'a [f32])>) {
        self.steps = self.steps.saturating_add(1);
        let Some(update) = self.update(rate) else {
            return;
        };
        let parameters: Vec<_> = parameters.into_iter().collect();
        let shapings = self.shapings(&parameters);
        let kept = (1.0 - rate * self.optimizer.weight_decay) as f32;

        let mut runs = Vec::new();
        for ((means, (values, gradient)), shaping) in self.parameters.iter_mut().zip(parameters).zip(shapings) {
            let kept = if means.decays { kept } else { 1.0 };
            let mut first = means.first.chunks_mut(RUN);
            let mut second = means.second.chunks_mut(RUN);
            for (values, gradient) in values.chunks_mut(RUN).zip(gradient.chunks(RUN)) {
                let (first, second) = (first.next().unwrap_or_default(), second.next().unwrap_or_default());
                runs.push(Run { values, gradient, first, second, shaping, kept });
            }
        }
        if runs.iter().map(|run| run.values.len()).sum::<usize>() > RUN {
            runs.into_par_iter().for_each(|run| run.step(update));
        } else {
            runs.into_iter().for_each(|run| run.step(update));
        }
    }

    /// The rule's constants for the step that has just been counted.
    fn update(&mut self, rate: f64) -> Option<Update> {
        let steps = self.steps as f64;
        Some(match self.optimizer.rule {
            Rule::Evolution(_) => return None,
            Rule::Sgd { momentum: 0.0, .. } => Update::Sgd { rate: rate as f32 },
            Rule::Sgd { momentum, nesterov } => Update::Momentum {
                momentum: momentum as f32,
                velocity_rate: if nesterov { rate * momentum } else { rate } as f32,
                gradient_rate: if nesterov { rate } else { 0.0 } as f32,
            },
            Rule::RmsProp { decay, epsilon } => {
                Update::RmsProp { rate: rate as f32, decay: decay as f32, epsilon: epsilon as f32 }
            }
            Rule::Adam(Betas { beta1, beta2, epsilon }) => Update::Adam {
                mean_rate: (rate / (1.0 - libm::pow(beta1, steps))) as f32,
                gradient_rate: 0.0,
                root_correction: (1.0 / (1.0 - libm::pow(beta2, steps)).sqrt()) as f32,
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                epsilon: epsilon as f32,
            },
            Rule::Nadam(Betas { beta1, beta2, epsilon }) => {
                let momentum = |step: f64| beta1 * (1.0 - 0.5 * libm::pow(0.96, step / 250.0));
                let (now, next) = (momentum(steps), momentum(steps + 1.0));
                self.momenta *= now;
                Update::Adam {
                    mean_rate: (rate * next / (1.0 - self.momenta * next)) as f32,
                    gradient_rate: (rate * (1.0 - now) / (1.0 - self.momenta)) as f32,
                    root_correction: (1.0 / (1.0 - libm::pow(beta2, steps)).sqrt()) as f32,
                    beta1: beta1 as f32,
                    beta2: beta2 as f32,
                    epsilon: epsilon as f32,
                }
            }
            Rule::Adamax(Betas { beta1, beta2, epsilon }) => Update::Adamax {
                rate: (rate / (1.0 - libm::pow(beta1, steps))) as f32,
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                epsilon: epsilon as f32,
            },
        })
    }

    /// How each parameter's gradient enters the rule.
    fn shapings(&self, parameters: &[(&mut [f32], &[f32])]) -> Vec<Shaping> {
        let Optimizer { l1, l2, clip, .. } = self.optimizer;
        let limit = match clip {
            Some(Clip::Value(limit)) => limit as f32,
            _ => f32::INFINITY,
        };
        let weights = Shaping { l1: l1 as f32, twice_l2: (2.0 * l2) as f32, limit, scale: 1.0 };
        let others = Shaping { l1: 0.0, twice_l2: 0.0, ..weights };
        let means = self.parameters.iter();
        let mut shapings: Vec<_> = means.map(|means| if means.decays { weights } else { others }).collect();

        let scale = |bound: f64, squares: f64| {
            let norm = squares.sqrt();
            if norm > bound { (bound / norm) as f32 } else { 1.0 }
        };
        match clip {
            None | Some(Clip::Value(_)) => {}
            Some(Clip::Norm(bound)) => {
                let squares = squares(parameters, &shapings);
                for (shaping, squares) in shapings.iter_mut().zip(squares) {
                    shaping.scale = scale(bound, squares);
                }
            }
            Some(Clip::GlobalNorm(bound)) => {
                let scale = scale(bound, squares(parameters, &shapings).into_iter().sum());
                shapings.iter_mut().for_each(|shaping| shaping.scale = scale);
            }
        }
        shapings
    }

    /// The state as bytes, little-endian, that [`Self::restore`] reads.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.byte_count());
        bytes.extend(self.steps.to_le_bytes());
        bytes.extend(self.momenta.to_le_bytes());
        for means in &self.parameters {
            bytes.extend(means.first.iter().chain(&means.second).flat_map(|value| value.to_le_bytes()));
        }
        bytes
    }

    /// Continues where the state that gave `bytes` was, bit for bit; it must have had this optimizer's rule and parameters.
    ///
    /// # Errors
    ///
    /// If there are not as many bytes as this state has.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let wrong = Error::OptimizerState { found: bytes.len(), expected: self.byte_count() };
        if bytes.len() != self.byte_count() {
            return Err(wrong);
        }
        let (Some((&steps, rest)), (values, _)) = (bytes.split_first_chunk(), bytes.as_chunks::<4>()) else {
            return Err(wrong);
        };
        let Some((&momenta, _)) = rest.split_first_chunk() else {
            return Err(wrong);
        };
        self.steps = u64::from_le_bytes(steps);
        self.momenta = f64::from_le_bytes(momenta);
        // The two numbers before the means are as long as four of their values.
        let means = self.parameters.iter_mut().flat_map(|means| means.first.iter_mut().chain(&mut means.second));
        for (mean, &value) in means.zip(values.iter().skip(4)) {
            *mean = f32::from_le_bytes(value);
        }
        Ok(())
    }

    fn byte_count(&self) -> usize {
        let means = self.parameters.iter().map(|means| means.first.len() + means.second.len());
        16 + 4 * means.sum::<usize>()
    }
}

/// The sum of the squares of each parameter's gradient with its penalties: of runs of fixed length first, then of their sums.
fn squares(parameters: &[(&mut [f32], &[f32])], shapings: &[Shaping]) -> Vec<f64> {
    let sum = |((values, gradient), &shaping): (&(&mut [f32], &[f32]), &Shaping)| {
        let runs = values.par_chunks(RUN).zip(gradient.par_chunks(RUN));
        let sums: Vec<f64> = runs.map(|(values, gradient)| sum_of_squares(values, gradient, shaping)).collect();
        sums.iter().sum()
    };
    parameters.iter().zip(shapings).map(sum).collect()
}

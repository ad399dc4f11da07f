//! Which epoch was the best, and when to wait for a better one no longer.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::score::Score;

/// Stops a training that gets no better: the `[early_stopping]` table of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs in a row without a new best after which training stops, at least 1.
    pub patience: u64,
    /// By how much a score has to be better than the best so far to count as a new best; at least 0, the default.
    #[serde(default)]
    pub min_delta: f64,
}

/// The score that tells which epoch is the best: that of the validation part, or of the training part where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// The lowest loss.
    #[default]
    Loss,
    /// The highest accuracy.
    Accuracy,
}

/// Which parameters a training gives in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those after the last epoch.
    #[default]
    Last,
    /// Those after the best epoch.
    Best,
}

impl EarlyStopping {
    pub(crate) fn check(&self) -> Result<()> {
        if self.patience == 0 {
            return Err(Error::setting("early_stopping.patience", 0, "at least 1"));
        }
        if !(self.min_delta >= 0.0 && self.min_delta.is_finite()) {
            return Err(Error::setting("early_stopping.min_delta", self.min_delta, "a finite number of at least 0"));
        }
        Ok(())
    }
}

impl Monitor {
    /// A number that is lower the better the score is.
    pub(crate) fn cost(self, score: &Score) -> Result<f64> {
        match self {
            Self::Loss => Ok(score.loss),
            Self::Accuracy => score
                .accuracy
                .map(|accuracy| -accuracy)
                .ok_or_else(|| Error::setting("monitor", "accuracy", "loss: no output of this network tells classes")),
        }
    }
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Best {
    /// Its cost and its number, from 1.
    pub(crate) found: Option<(f64, u64)>,
}

impl Best {
    /// Takes note of the cost of an epoch; `true` if it is the new best. What is no finite number is none.
    pub(crate) fn take(&mut self, epoch: u64, cost: f64, early_stopping: Option<EarlyStopping>) -> bool {
        let min_delta = early_stopping.map_or(0.0, |stopping| stopping.min_delta);
        let better = cost.is_finite() && self.found.is_none_or(|(best, _)| cost < best - min_delta);
        if better {
            self.found = Some((cost, epoch));
        }
        better
    }

    /// Whether `epoch`, the last one done, was one too many without a new best.
    pub(crate) fn is_stale(&self, epoch: u64, early_stopping: Option<EarlyStopping>) -> bool {
        let best = self.found.map_or(0, |(_, epoch)| epoch);
        early_stopping.is_some_and(|stopping| epoch.saturating_sub(best) >= stopping.patience)
    }
}

/// What a function that follows a training may answer: nothing, or whether to go on.
pub trait Verdict {
    /// Whether the training should stop now.
    fn stops(&self) -> bool;
}

impl Verdict for () {
    fn stops(&self) -> bool {
        false
    }
}

impl Verdict for ControlFlow<()> {
    fn stops(&self) -> bool {
        self.is_break()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(costs: &[f64], patience: u64, min_delta: f64) -> (Option<(f64, u64)>, u64) {
        let stopping = Some(EarlyStopping { patience, min_delta });
        let mut best = Best::default();
        for (epoch, &cost) in (1..).zip(costs) {
            best.take(epoch, cost, stopping);
            if best.is_stale(epoch, stopping) {
                return (best.found, epoch);
            }
        }
        (best.found, costs.len() as u64)
    }

    #[test]
    fn training_stops_after_so_many_epochs_without_a_new_best() {
        assert_eq!(epochs(&[3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 0.5], 2, 0.0), (Some((1.0, 4)), 6));
        assert_eq!(epochs(&[3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 0.5], 3, 0.0), (Some((0.5, 7)), 7));
        assert_eq!(epochs(&[3.0, 2.95, 2.92, 2.85, 2.8], 3, 0.1), (Some((2.85, 4)), 5));
        assert_eq!(epochs(&[f64::NAN, f64::INFINITY, 1.0], 2, 0.0), (None, 2));
        assert_eq!(epochs(&[-90.0, -95.0, -94.0], 1, 0.0), (Some((-95.0, 2)), 3));
    }

    #[test]
    fn without_a_table_nothing_stops() {
        let mut best = Best::default();
        assert!(best.take(1, 1.0, None) && !best.take(2, 1.0, None) && best.take(3, 0.9, None));
        assert!(!best.is_stale(u64::MAX, None));
    }

    #[test]
    fn unusable_settings_are_named() {
        let refusal = |patience, min_delta| EarlyStopping { patience, min_delta }.check().unwrap_err().to_string();
        assert!(refusal(0, 0.0).contains("early_stopping.patience"));
        for min_delta in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(refusal(1, min_delta).contains("early_stopping.min_delta"));
        }
    }
}

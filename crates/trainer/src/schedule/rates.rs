//! Where a schedule stands in a run.

use super::Schedule;

/// A schedule over the batches of one run, with what it has learnt from the losses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rates {
    schedule: Schedule,
    /// How many batches the run has.
    steps: u64,
    /// How many an epoch has.
    batches: u64,
    /// What the plateaus so far multiply the rate by.
    reduced: f64,
    best: f64,
    /// Epochs in a row without a new best.
    waited: u64,
}

impl Rates {
    /// Bytes of a stored state.
    pub(crate) const BYTES: usize = 24;

    pub(crate) fn new(schedule: Schedule, steps: u64, batches: u64) -> Self {
        Self { schedule, steps, batches, reduced: 1.0, best: f64::INFINITY, waited: 0 }
    }

    /// The factor on the learning rate for batch `step` of the run, counted from 0.
    pub(crate) fn factor(&self, step: u64) -> f64 {
        self.schedule.factor(step, self.steps, self.batches) * self.reduced
    }

    /// Takes note of an epoch's loss; to be called after each epoch, also where no plateau is watched for.
    pub(crate) fn epoch_done(&mut self, loss: f64) {
        let Some(&Schedule::ReduceOnPlateau { factor, patience, threshold, minimum }) = self.schedule.plateau() else {
            return;
        };
        // A share of the size, not of the value: likelihoods may be negative. An infinite best has no size to take a share of.
        let margin = if self.best.is_finite() { threshold * self.best.abs() } else { 0.0 };
        if loss < self.best - margin {
            self.best = loss;
            self.waited = 0;
            return;
        }
        self.waited = self.waited.saturating_add(1);
        if self.waited > patience {
            self.reduced = (self.reduced * factor).max(minimum);
            self.waited = 0;
        }
    }

    /// The state as bytes, little-endian.
    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (numbers, _) = bytes.as_chunks_mut();
        let state = [self.reduced.to_le_bytes(), self.best.to_le_bytes(), self.waited.to_le_bytes()];
        numbers.copy_from_slice(&state);
        bytes
    }

    /// Continues where the state that gave `bytes` was.
    pub(crate) fn restore(&mut self, bytes: &[u8; Self::BYTES]) {
        if let ([reduced, best, waited], _) = bytes.as_chunks() {
            self.reduced = f64::from_le_bytes(*reduced);
            self.best = f64::from_le_bytes(*best);
            self.waited = u64::from_le_bytes(*waited);
        }
    }
}

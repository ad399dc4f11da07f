//! How long each step of a plan takes.

use alloc::vec;
use alloc::vec::Vec;
use std::time::{Duration, Instant};

use ndarray::ArrayViewD;

use super::{CHUNK, Session};
use crate::execute::{InputView, run_step};
use crate::{Error, binding};

impl Session {
    /// Runs like [`Session::run_named`] on one thread and returns the time of each step, in the order of [`Session::steps`]; the results are
    /// thrown away.
    ///
    /// The clock is read once between two steps, which takes some 30 ns. Nodes of a float runtime use the session's threads.
    ///
    /// # Errors
    ///
    /// As [`Session::run_named`]; also when the batch is not the model's own where it has one ([`Session::fixed_batch`]).
    pub fn profile(&self, inputs: &[(&str, ArrayViewD<'_, f32>)]) -> Result<Vec<Duration>, Error> {
        let given = binding::bind(&self.plan.inputs, inputs)?;
        let batch = given.first().map_or(1, |array| array.shape()[0]);
        if let Some(fixed) = self.plan.fixed_batch.filter(|&fixed| fixed != batch) {
            return Err(self.wrong_batch(fixed, batch));
        }
        let whole = self.plan.in_one_piece().then_some(batch.max(1));
        let piece = whole.or(self.together(batch)?).unwrap_or(CHUNK);
        let mut times = vec![Duration::ZERO; self.plan.steps.len()];
        for start in (0..batch).step_by(piece) {
            let samples = piece.min(batch - start);
            let rows: Vec<_> = given.iter().map(|array| binding::rows(array, start, samples, samples)).collect();
            let views: Vec<InputView<'_>> = rows
                .iter()
                .zip(&given)
                .map(|(values, array)| InputView { values, sample: &array.shape()[1..], tensor: None })
                .collect();
            self.with_workspace(&views, samples, false, |run, workspace| {
                workspace.fit(&self.plan, samples);
                let mut before = Instant::now();
                for (step, time) in self.plan.steps.iter().zip(&mut times) {
                    run_step(step, run, workspace)?;
                    let now = Instant::now();
                    *time += now - before;
                    before = now;
                }
                Ok(())
            })?;
        }
        Ok(times)
    }
}

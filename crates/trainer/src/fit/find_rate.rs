//! The range of learning rates that a training can have.

use dataset::Dataset;
use rand::seq::SliceRandom;

use super::{Run, Trainer};
use crate::error::{Error, Result};
use crate::optimizer::Rule;
use crate::random::{Purpose, generator};
use crate::rate_finder::RateCurve;
use crate::score::Tally;

impl Trainer {
    /// Trains a new network for up to `batches` batches at learning rates that grow from 1e-6 to 10, and gives the loss over the rate;
    /// [`RateCurve::proposal`] is half of the rate at which it diverges. Schedule, checkpoints and the configured rate play no part.
    ///
    /// # Errors
    ///
    /// Those of [`Self::fit`] before the first batch; if there are fewer than 20 batches; if the optimizer is evolution, whose rate adapts
    /// itself.
    pub fn find_rate(&self, dataset: &Dataset, batches: usize) -> Result<RateCurve> {
        if matches!(self.config.optimizer.rule, Rule::Evolution(_)) {
            let expected = "a rule with a learning rate, which evolution adapts itself";
            return Err(Error::setting("optimizer.kind", "evolution", expected));
        }
        self.pool()?.install(|| {
            let mut run = Run::new(self, dataset)?;
            let size = self.config.batch_size.min(run.training.len());
            let mut order = Vec::new();
            let mut first = 0;
            RateCurve::find(batches, |rate| {
                if first >= order.len() {
                    order.clone_from(&run.training);
                    order.shuffle(&mut generator(self.config.seed, Purpose::Order, run.epochs_done + 1));
                    run.epochs_done += 1;
                    first = 0;
                }
                let rows = &order[first..order.len().min(first + size)];
                first += size;
                let mut tally = Tally::default();
                // Where it breaks down is of no interest here, only that it does.
                Ok(match run.batch(rows, rate, [1, 2], &mut tally)? {
                    Ok(()) => tally.score().loss,
                    Err(_) => f64::NAN,
                })
            })
        })
    }
}

//! How well a network answers.

/// Loss and accuracy over a number of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean softmax cross-entropy, in nats.
    pub loss: f64,
    /// Share of the samples whose largest logit, the first among equals, is at their label; in per cent.
    pub accuracy: f64,
}

/// Adds up a [`Score`] batch by batch.
#[derive(Default)]
pub(crate) struct Tally {
    loss: f64,
    correct: usize,
    samples: usize,
}

impl Tally {
    /// Adds a batch by its mean loss and its count of right answers.
    pub(crate) fn add(&mut self, loss: f64, correct: usize, samples: usize) {
        self.loss += loss * samples as f64;
        self.correct += correct;
        self.samples += samples;
    }

    /// The score of all samples so far, of which there must be at least one.
    pub(crate) fn score(&self) -> Score {
        let samples = self.samples as f64;
        Score { loss: self.loss / samples, accuracy: 100.0 * self.correct as f64 / samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_last_batch_weighs_less() {
        let mut tally = Tally::default();
        tally.add(1.0, 2, 3);
        tally.add(5.0, 1, 1);
        let score = tally.score();
        assert_eq!((score.loss, score.accuracy), (2.0, 75.0));
    }
}

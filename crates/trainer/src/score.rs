//! How well a network answers.

use crate::loss::Targets;

/// How good the answers to a number of samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The mean loss: for cross-entropies in nats; over several outputs, the sum of their weighted losses.
    pub loss: f64,
    /// Share of the right answers of the first output that tells classes, in per cent: the largest value, the first among equals, is at the
    /// label. `None` if no output does.
    pub accuracy: Option<f64>,
    /// Mean absolute error of the first output that predicts values. `None` if no output does.
    pub absolute_error: Option<f64>,
}

/// Adds up a [`Score`] batch by batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    loss: f64,
    samples: usize,
    /// Of the first output that tells classes, by its position.
    classifier: Option<usize>,
    correct: usize,
    answers: usize,
    /// Of the first output that predicts values, by its position.
    predictor: Option<usize>,
    error: f64,
    values: usize,
}

impl Tally {
    /// Adds a batch by its mean loss.
    pub(crate) fn add_loss(&mut self, loss: f64, samples: usize) {
        self.loss += loss * samples as f64;
        self.samples += samples;
    }

    /// Adds the answers `[rows, width]` of the output at position `output` and what is wanted of it.
    pub(crate) fn add_answers(&mut self, output: usize, answers: &[f32], width: usize, targets: Targets<'_>) {
        match targets {
            Targets::Classes(classes) if *self.classifier.get_or_insert(output) == output => {
                self.correct += count_correct(answers, width, classes);
                self.answers += classes.len();
            }
            Targets::Values(values) if *self.predictor.get_or_insert(output) == output => {
                // A predicted variance beside each mean is no answer to compare.
                let per_sample = values.len() / (answers.len() / width);
                let rows = answers.chunks_exact(width).zip(values.chunks_exact(per_sample));
                let error = |(answer, value): (&[f32], &[f32])| -> f64 {
                    answer.iter().zip(value).map(|(a, v)| f64::from(a - v).abs()).sum()
                };
                self.error += rows.map(error).sum::<f64>();
                self.values += values.len();
            }
            _ => {}
        }
    }

    /// The score of all samples so far, of which there must be at least one.
    pub(crate) fn score(&self) -> Score {
        let share = |part: f64, of: usize| (of > 0).then(|| part / of as f64);
        Score {
            loss: self.loss / self.samples as f64,
            accuracy: share(100.0 * self.correct as f64, self.answers),
            absolute_error: share(self.error, self.values),
        }
    }
}

/// How many rows of `answers` have their largest value, the first one among equals, at the label; of a single column, its sign.
fn count_correct(answers: &[f32], width: usize, labels: &[u32]) -> usize {
    let class = |row: &[f32]| if let [logit] = row { usize::from(*logit > 0.0) } else { argmax(row) };
    answers.chunks_exact(width).zip(labels).filter(|(row, label)| class(row) == **label as usize).count()
}

fn argmax(row: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in row.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_last_batch_weighs_less() {
        let mut tally = Tally::default();
        tally.add_loss(1.0, 3);
        tally.add_loss(5.0, 1);
        tally.add_answers(0, &[0.0, 1.0, 2.0, 1.0, 0.0, 0.5], 2, Targets::Classes(&[1, 1, 1]));
        let score = tally.score();
        assert_eq!((score.loss, score.accuracy, score.absolute_error), (2.0, Some(100.0 * 2.0 / 3.0), None));
    }

    #[test]
    fn the_first_of_equal_logits_is_the_answer() {
        let logits = [0.0, 1.0, 1.0, 5.0, 1.0, 2.0, 0.0, 0.0, 0.0];
        assert_eq!(count_correct(&logits, 3, &[1, 0, 0]), 3);
        assert_eq!(count_correct(&logits, 3, &[2, 0, 1]), 1);
    }

    #[test]
    fn a_single_logit_is_for_the_second_class_above_zero() {
        assert_eq!(count_correct(&[-1.0, 0.0, 2.0], 1, &[0, 0, 1]), 3);
    }

    #[test]
    fn a_variance_beside_the_mean_is_no_error() {
        let mut tally = Tally::default();
        tally.add_loss(0.0, 2);
        tally.add_answers(0, &[1.0, 9.0, 3.0, 9.0], 2, Targets::Values(&[2.0, 3.0]));
        assert_eq!(tally.score().absolute_error, Some(0.5));
    }
}

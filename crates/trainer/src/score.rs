//! How well a network answers.

use crate::loss::{Judged, LossFunction, Targets};

/// How good the answers to a number of samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The mean loss: for cross-entropies and likelihoods in nats; over several outputs, the sum of their weighted losses.
    pub loss: f64,
    /// Share of the right answers of the first output that tells classes, in per cent: of rows whose largest value, the first among
    /// equals, is at the label; or, under binary cross-entropy, of values that are above 0 (in front of a sigmoid) exactly where the
    /// target is above 1/2. `None` if no output does.
    pub accuracy: Option<f64>,
    /// Mean absolute error of the first output that predicts values. `None` if no output does.
    pub absolute_error: Option<f64>,
    /// The root of the mean squared error of that output.
    pub root_squared_error: Option<f64>,
    /// The share of its targets' variance that is explained, `1 - sum(error^2) / sum((target - mean)^2)`, in the mean over the columns:
    /// 1 is perfect, 0 as good as the mean. A column of equal targets counts 1 if it is met and else 0.
    pub r_squared: Option<f64>,
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
    columns: Vec<Column>,
}

/// Sums over one column of predicted values.
#[derive(Clone, Debug, Default)]
struct Column {
    count: f64,
    absolute: f64,
    squared: f64,
    /// The targets' running mean and sum of squared deviations from it (Welford 1962).
    mean: f64,
    deviation: f64,
}

impl Tally {
    /// Adds a batch by its mean loss.
    pub(crate) fn add_loss(&mut self, loss: f64, samples: usize) {
        self.loss += loss * samples as f64;
        self.samples += samples;
    }

    /// Adds the answers `[rows, width]` of the output at position `output`, whose loss is `function`, and what is wanted of it.
    pub(crate) fn add_answers(
        &mut self,
        output: usize,
        function: &LossFunction,
        answers: &[f32],
        targets: Targets<'_>,
    ) {
        let width = function.width();
        let rows = answers.chunks_exact(width).enumerate();
        match function.judged() {
            Judged::Classes if *self.classifier.get_or_insert(output) == output => {
                self.answers += rows.len();
                self.correct += rows.filter(|(row, answers)| argmax(answers) == targets.class(*row)).count();
            }
            Judged::YesAndNo if *self.classifier.get_or_insert(output) == output => {
                self.answers += answers.len();
                self.correct += rows
                    .map(|(row, answers)| {
                        let wanted = |column| targets.value(row, column, width) > 0.5;
                        answers.iter().enumerate().filter(|(column, z)| (**z > 0.0) == wanted(*column)).count()
                    })
                    .sum::<usize>();
            }
            Judged::Values { columns } if *self.predictor.get_or_insert(output) == output => {
                self.columns.resize_with(columns, Column::default);
                for (row, answers) in rows {
                    for (column, (sums, &answer)) in self.columns.iter_mut().zip(answers).enumerate() {
                        sums.add(f64::from(answer), targets.value(row, column, columns));
                    }
                }
            }
            _ => {}
        }
    }

    /// The score of all samples so far, of which there must be at least one.
    pub(crate) fn score(&self) -> Score {
        let mean = |of: fn(&Column) -> f64| {
            let count = self.columns.len() as f64;
            (count > 0.0).then(|| self.columns.iter().map(of).sum::<f64>() / count)
        };
        Score {
            loss: self.loss / self.samples as f64,
            accuracy: (self.answers > 0).then(|| 100.0 * self.correct as f64 / self.answers as f64),
            absolute_error: mean(|column| column.absolute / column.count),
            root_squared_error: mean(|column| column.squared / column.count).map(f64::sqrt),
            r_squared: mean(Column::r_squared),
        }
    }
}

impl Column {
    fn add(&mut self, answer: f64, target: f64) {
        let error = answer - target;
        self.count += 1.0;
        self.absolute += error.abs();
        self.squared += error * error;
        let before = target - self.mean;
        self.mean += before / self.count;
        self.deviation += before * (target - self.mean);
    }

    fn r_squared(&self) -> f64 {
        if self.deviation > 0.0 {
            1.0 - self.squared / self.deviation
        } else {
            f64::from(u8::from(self.squared == 0.0))
        }
    }
}

/// Where the largest value is, the first among equals.
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
    use crate::loss::Loss;
    use approx::assert_relative_eq;

    fn scored(loss: &Loss, width: usize, answers: &[f32], targets: Targets<'_>) -> Score {
        let mut tally = Tally::default();
        tally.add_loss(0.0, 1);
        tally.add_answers(0, &loss.fit("out", width, targets).unwrap(), answers, targets);
        tally.score()
    }

    #[test]
    fn a_smaller_last_batch_weighs_less() {
        let function = Loss::cross_entropy().fit("out", 2, Targets::Classes(&[])).unwrap();
        let mut tally = Tally::default();
        tally.add_loss(1.0, 3);
        tally.add_loss(5.0, 1);
        tally.add_answers(0, &function, &[0.0, 1.0, 2.0, 1.0], Targets::Classes(&[1, 1]));
        tally.add_answers(0, &function, &[0.0, 0.5], Targets::Classes(&[1]));
        let score = tally.score();
        assert_eq!((score.loss, score.accuracy, score.absolute_error), (2.0, Some(100.0 * 2.0 / 3.0), None));
    }

    #[test]
    fn only_the_first_output_of_each_kind_counts() {
        let function = |loss: Loss| loss.fit("out", 1, Targets::Classes(&[])).unwrap();
        let mut tally = Tally::default();
        tally.add_loss(0.0, 1);
        for (output, answer) in [(0, 1.0), (1, 2.0), (2, 5.0), (3, -1.0)] {
            let loss = if output % 2 == 0 { Loss::MeanSquaredError } else { Loss::binary_cross_entropy() };
            tally.add_answers(output, &function(loss), &[answer], Targets::Values(&[1.0]));
        }
        let score = tally.score();
        assert_eq!((score.accuracy, score.absolute_error), (Some(100.0), Some(0.0)));
    }

    #[test]
    fn the_first_of_equal_logits_is_the_answer() {
        let logits = [0.0, 1.0, 1.0, 5.0, 1.0, 2.0, 0.0, 0.0, 0.0];
        let accuracy = |labels: &[u32]| scored(&Loss::cross_entropy(), 3, &logits, Targets::Classes(labels)).accuracy;
        assert_eq!(accuracy(&[1, 0, 0]), Some(100.0));
        assert_eq!(accuracy(&[2, 0, 1]), Some(100.0 / 3.0));
    }

    #[test]
    fn a_logit_above_zero_is_a_yes() {
        let accuracy =
            |width, targets| scored(&Loss::binary_cross_entropy(), width, &[0.1, -2.0, 0.0, 3.0], targets).accuracy;
        assert_eq!(accuracy(1, Targets::Classes(&[1, 0, 0, 0])), Some(75.0));
        // Of several columns each counts by itself.
        assert_eq!(accuracy(2, Targets::Values(&[1.0, 0.0, 1.0, 1.0])), Some(75.0));
        assert_eq!(accuracy(2, Targets::Classes(&[0, 1])), Some(100.0));
    }

    #[test]
    fn errors_are_those_of_the_whole_in_any_batches() {
        let answers: Vec<f32> = (0..40).map(|i| ((i * 7) % 11) as f32 + 1000.0).collect();
        let targets: Vec<f32> = (0..20).map(|i| ((i * 7) % 13) as f32 + 1000.0).collect();
        // A variance beside each mean is no answer to compare.
        let function = Loss::gaussian_nll().fit("out", 4, Targets::Values(&targets)).unwrap();
        let mut tally = Tally::default();
        tally.add_loss(1.0, 10);
        for (answers, targets) in answers.chunks(12).zip(targets.chunks(6)) {
            tally.add_answers(0, &function, answers, Targets::Values(targets));
        }
        let pairs: Vec<Vec<(f64, f64)>> = (0..2)
            .map(|column| {
                let pair = |row: usize| (f64::from(answers[4 * row + column]), f64::from(targets[2 * row + column]));
                (0..10).map(pair).collect()
            })
            .collect();
        let all = || pairs.iter().flatten();
        let r_squared = |pairs: &Vec<(f64, f64)>| {
            let mean = pairs.iter().map(|(_, y)| y).sum::<f64>() / 10.0;
            let total: f64 = pairs.iter().map(|(_, y)| (y - mean).powi(2)).sum();
            1.0 - pairs.iter().map(|(z, y)| (z - y).powi(2)).sum::<f64>() / total
        };
        let score = tally.score();
        let absolute = all().map(|(z, y)| (z - y).abs()).sum::<f64>() / 20.0;
        assert_relative_eq!(score.absolute_error.unwrap(), absolute, max_relative = 1e-12);
        let squared = all().map(|(z, y)| (z - y).powi(2)).sum::<f64>() / 20.0;
        assert_relative_eq!(score.root_squared_error.unwrap(), squared.sqrt(), max_relative = 1e-12);
        let explained = (r_squared(&pairs[0]) + r_squared(&pairs[1])) / 2.0;
        assert_relative_eq!(score.r_squared.unwrap(), explained, max_relative = 1e-9);
    }

    #[test]
    fn equal_targets_are_met_or_missed() {
        let r_squared =
            |answers: &[f32]| scored(&Loss::MeanSquaredError, 1, answers, Targets::Values(&[2.0, 2.0])).r_squared;
        assert_eq!(r_squared(&[2.0, 2.0]), Some(1.0));
        assert_eq!(r_squared(&[2.0, 2.5]), Some(0.0));
    }
}

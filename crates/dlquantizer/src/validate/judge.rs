//! How right two models are about the same samples.

use dataset::Dataset;
use ndarray::{ArrayD, Axis};

use super::Metric;
use crate::Error;

/// Counts right answers of both models, or adds up their errors.
pub(super) struct Judge<'a> {
    metric: Metric,
    truth: Truth<'a>,
    /// Above it a single score says yes.
    threshold: f32,
    pub(super) samples: usize,
    answers: usize,
    float: f64,
    int8: f64,
    same: usize,
}

/// What the answers should be.
enum Truth<'a> {
    /// Nobody knows.
    Open,
    /// One class per sample.
    Labels(&'a [u32]),
    /// `[samples, ...]`: classes of the steps of a sequence, yes or no as 1 or 0, or values to predict.
    Array(&'a ArrayD<f32>),
}

impl<'a> Judge<'a> {
    pub(super) fn new(metric: Metric, data: &'a Dataset, target: Option<&str>, threshold: f32) -> Result<Self, Error> {
        let truth = match (metric, target) {
            (Metric::Agreement, _) => Truth::Open,
            (_, Some(name)) => match data.inputs().iter().find(|input| input.name == name) {
                Some(input) => Truth::Array(&input.samples),
                None => {
                    let known: Vec<&str> = data.inputs().iter().map(|input| input.name.as_str()).collect();
                    return Err(Error::NoTarget { target: name.to_owned(), known: known.join(", ") });
                }
            },
            (Metric::RootMeanSquaredError, None) => return Err(Error::TargetNeeded),
            (_, None) => Truth::Labels(data.labels().ok_or(Error::NoLabels)?),
        };
        Ok(Self { metric, truth, threshold, samples: 0, answers: 0, float: 0.0, int8: 0.0, same: 0 })
    }

    /// Judges the answers `[batch, ...]` of both models to the next samples.
    pub(super) fn add(&mut self, float: &ArrayD<f32>, int8: &ArrayD<f32>) -> Result<(), Error> {
        for (float, int8) in float.axis_iter(Axis(0)).zip(int8.axis_iter(Axis(0))) {
            let width = float.shape().last().copied().unwrap_or(1);
            let float: Vec<f32> = float.iter().copied().collect();
            let int8: Vec<f32> = int8.iter().copied().collect();
            if float.len() != int8.len() {
                return Err(Error::ScoreCounts { float: float.len(), int8: int8.len() });
            }
            let truth: Option<Vec<f32>> = match self.truth {
                Truth::Open => None,
                Truth::Labels(labels) => Some(vec![labels[self.samples] as f32]),
                Truth::Array(array) => Some(array.index_axis(Axis(0), self.samples).iter().copied().collect()),
            };
            match self.metric {
                Metric::RootMeanSquaredError => self.errors(&float, &int8, truth.as_deref().unwrap_or_default())?,
                Metric::Binary => self.yes_or_no(&float, &int8, truth.as_deref().unwrap_or_default())?,
                Metric::Top1 | Metric::Top5 | Metric::Agreement => {
                    self.classes(&float, &int8, truth.as_deref(), width)?;
                }
            }
            self.samples += 1;
        }
        Ok(())
    }

    /// The first columns are compared: a predicted variance may follow.
    fn errors(&mut self, float: &[f32], int8: &[f32], truth: &[f32]) -> Result<(), Error> {
        if truth.len() > float.len() {
            return Err(self.misfit(float.len(), truth.len()));
        }
        let squares = |answers: &[f32]| -> f64 {
            answers.iter().zip(truth).map(|(a, t)| (f64::from(*a) - f64::from(*t)).powi(2)).sum()
        };
        self.float += squares(float);
        self.int8 += squares(int8);
        self.answers += truth.len();
        Ok(())
    }

    fn yes_or_no(&mut self, float: &[f32], int8: &[f32], truth: &[f32]) -> Result<(), Error> {
        if truth.len() != float.len() {
            return Err(self.misfit(float.len(), truth.len()));
        }
        for ((&float, &int8), &truth) in float.iter().zip(int8).zip(truth) {
            let wanted = self.class(truth, 2)? == 1;
            let right = |score: f32| f64::from(u8::from(!score.is_nan() && (score > self.threshold) == wanted));
            let (float_right, int8_right) = (right(float), right(int8));
            self.float += float_right;
            self.int8 += int8_right;
            self.same += usize::from((float > self.threshold) == (int8 > self.threshold));
            self.answers += 1;
        }
        Ok(())
    }

    /// One answer per sample; of sequences with a class for each step, one per step.
    fn classes(&mut self, float: &[f32], int8: &[f32], truth: Option<&[f32]>, width: usize) -> Result<(), Error> {
        let width = match truth {
            Some([_]) | None => float.len(),
            Some(steps) if steps.len() * width == float.len() => width,
            Some(steps) => return Err(self.misfit(float.len(), steps.len())),
        };
        let places = if self.metric == Metric::Top5 { 5 } else { 1 };
        for (index, (float, int8)) in float.chunks_exact(width).zip(int8.chunks_exact(width)).enumerate() {
            if let Some(truth) = truth {
                let class = self.class(truth[index], float.len())?;
                let right = |scores| f64::from(u8::from(rank(scores, class).is_some_and(|rank| rank < places)));
                self.float += right(float);
                self.int8 += right(int8);
            }
            self.same += usize::from(best(float) == best(int8));
            self.answers += 1;
        }
        Ok(())
    }

    /// A whole number below the count of classes.
    fn class(&self, truth: f32, classes: usize) -> Result<usize, Error> {
        if truth.fract() == 0.0 && truth >= 0.0 && (truth as usize) < classes {
            return Ok(truth as usize);
        }
        Err(Error::Label { label: truth, classes, sample: self.samples })
    }

    fn misfit(&self, answers: usize, wanted: usize) -> Error {
        Error::TargetSize { answers, wanted, sample: self.samples }
    }

    /// The measure of both models: per cent of right answers, or the root of the mean squared error.
    pub(super) fn measures(&self) -> (f64, f64) {
        let mean = |sum: f64| sum / self.answers.max(1) as f64;
        // In this order, so that whole percentages come out whole.
        let percent = |right: f64| mean(100.0 * right);
        match self.metric {
            Metric::RootMeanSquaredError => (mean(self.float).sqrt(), mean(self.int8).sqrt()),
            Metric::Agreement => (100.0, percent(self.same as f64)),
            Metric::Top1 | Metric::Top5 | Metric::Binary => (percent(self.float), percent(self.int8)),
        }
    }

    /// Per cent of the answers that are the same class; `None` where answers are values.
    pub(super) fn agreement(&self) -> Option<f64> {
        let share = 100.0 * self.same as f64 / self.answers.max(1) as f64;
        (self.metric != Metric::RootMeanSquaredError).then_some(share)
    }
}

/// How many classes come before `class`: those of higher score, and of equal score and lower number. `None` if its own score is NaN.
fn rank(scores: &[f32], class: usize) -> Option<usize> {
    let own = scores[class];
    let before = |(other, &score): (usize, &f32)| score > own || (score == own && other < class);
    (!own.is_nan()).then(|| scores.iter().enumerate().filter(|&entry| before(entry)).count())
}

/// The class of the highest score, the lowest of several; `None` if all are NaN.
fn best(scores: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (class, &score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        if best.is_none_or(|(_, highest)| score > highest) {
            best = Some((class, score));
        }
    }
    best.map(|(class, _)| class)
}

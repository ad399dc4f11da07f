//! Which learning rate a training should have.

use std::fmt::Write;

use crate::error::{Error, Result};

/// The first rate tried.
const LOWEST: f64 = 1e-6;
/// The last one.
const HIGHEST: f64 = 10.0;
/// Share of the smoothed loss kept from batch to batch: single batches differ, three in a row tell.
const SMOOTHING: f64 = 0.7;
/// The same of how far losses are from it, which takes longer to tell.
const SMOOTHING_OF_NOISE: f64 = 0.9;
/// Batches at the start, at rates that teach nothing yet.
const CALM: usize = 10;
/// How many times the mean distance of a batch's loss from the smoothed one counts as a rise. Smoothed losses of batches that are alike, but
/// for chance, stay within this of their smallest over hundreds of batches.
const MARGIN: f64 = 4.0;

/// The loss of a training over a learning rate that grows by a constant factor from batch to batch (the range test of Smith 2017,
/// *Cyclical learning rates for training neural networks*, on a logarithmic axis).
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// The rate of each batch with the loss of that batch, before it changed the weights.
    pub points: Vec<RatePoint>,
    /// The rate from which on the loss stays high, if it came to that: half of the way from the start to the best is lost again.
    pub diverged: Option<f64>,
}

/// One batch of a [`RateCurve`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// The learning rate.
    pub rate: f64,
    /// The loss of the batch.
    pub loss: f64,
    /// The mean of the losses up to here, of which the last ones count most.
    pub smoothed: f64,
}

impl RateCurve {
    /// Takes up to `batches` steps, each at a larger rate, from 1e-6 to 10, and stops where the loss diverges.
    ///
    /// `step` trains on one batch at the given rate and gives its loss from before; a loss that is no finite number has diverged.
    ///
    /// # Errors
    ///
    /// If there are fewer than 20 batches, or `step` fails.
    pub(crate) fn find(batches: usize, mut step: impl FnMut(f64) -> Result<f64>) -> Result<Self> {
        if batches < 2 * CALM {
            return Err(Error::setting("batches of the learning-rate finder", batches, "at least 20"));
        }
        let growth = libm::log(HIGHEST / LOWEST) / (batches - 1) as f64;
        let mut points: Vec<RatePoint> = Vec::new();
        let (mut mean, mut noise) = (Smoothed::new(SMOOTHING), Smoothed::new(SMOOTHING_OF_NOISE));
        // The smallest smoothed loss, and the noise around it.
        let (mut best, mut noise_at_best) = (f64::INFINITY, 0.0);
        let mut start = 0.0;
        for batch in 0..batches {
            let rate = LOWEST * libm::exp(growth * batch as f64);
            let loss = step(rate)?;
            if batch > 0 {
                noise.add((loss - mean.value()).abs());
            }
            mean.add(loss);
            let smoothed = mean.value();
            points.push(RatePoint { rate, loss, smoothed });
            if batch < CALM {
                start += loss / CALM as f64;
            }
            if !loss.is_finite() {
                return Ok(Self { diverged: Some(rate), points });
            }
            if batch + 1 < CALM {
                continue;
            }
            if smoothed < best {
                (best, noise_at_best) = (smoothed, noise.value());
            }
            let bound = best + (0.5 * (start - best)).max(MARGIN * noise_at_best);
            if smoothed > bound {
                return Ok(Self { diverged: Some(start_of_rise(&points, bound)), points });
            }
        }
        Ok(Self { points, diverged: None })
    }

    /// Half of the rate at which the loss diverges; `None` if it does not up to a rate of 10.
    pub fn proposal(&self) -> Option<f64> {
        self.diverged.map(|rate| rate / 2.0)
    }

    /// The curve as text with the columns `rate`, `loss` and `smoothed`.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("rate,loss,smoothed\n");
        for RatePoint { rate, loss, smoothed } in &self.points {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{rate:e},{loss},{smoothed}");
        }
        text
    }

    /// The curve as a picture of its own, the rate on a logarithmic axis, with lines where the loss diverges and at the proposal.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }
}

/// A mean of which the last values count most, corrected for its start from 0 as Adam's means are.
struct Smoothed {
    kept: f64,
    sum: f64,
    weight: f64,
}

impl Smoothed {
    fn new(kept: f64) -> Self {
        Self { kept, sum: 0.0, weight: 0.0 }
    }

    fn add(&mut self, value: f64) {
        self.sum = self.kept * self.sum + (1.0 - self.kept) * value;
        self.weight = self.kept * self.weight + (1.0 - self.kept);
    }

    fn value(&self) -> f64 {
        self.sum / self.weight
    }
}

/// The rate of the first batch of those at the end whose losses are all above `bound`.
fn start_of_rise(points: &[RatePoint], bound: f64) -> f64 {
    let rising = points.iter().rev().take_while(|point| point.loss > bound).last();
    rising.or(points.last()).map_or(LOWEST, |point| point.rate)
}

mod svg;

#[cfg(test)]
mod tests;

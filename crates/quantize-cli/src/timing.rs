//! Times models against each other in one run.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use int8_inference::Session;
use ndarray::ArrayD;

/// A model runs this long before the other one has its turn: long enough to have its weights in the cache again, short enough for
/// both to see the same clock and the same neighbours.
const TURN: Duration = Duration::from_millis(5);

/// Turns every model has at least.
const MIN_TURNS: usize = 5;

/// Bounds the memory that a batch takes.
const MAX_VALUES: usize = 1 << 28;

/// Time of one run of one batch, in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) median_us: f64,
    pub(crate) min_us: f64,
}

/// Times each model on `batch` samples, taken over and over from `samples`, for `budget` each, turn by turn.
pub(crate) fn time(
    sessions: &[&Session],
    samples: &ArrayD<f32>,
    batch: usize,
    budget: Duration,
) -> Result<Vec<Timing>> {
    let width = samples.len() / samples.shape()[0];
    ensure!(
        batch.checked_mul(width).is_some_and(|values| values <= MAX_VALUES),
        "a batch of {batch} samples of {width} values is too large to time; pass a smaller --batch"
    );
    let x: Vec<f32> = samples.iter().copied().cycle().take(batch * width).collect();
    let mut shape = samples.shape().to_vec();
    shape[0] = batch;
    let view = ndarray::ArrayViewD::from_shape(shape, &x)?;
    let mut outputs = Vec::with_capacity(sessions.len());
    for session in sessions {
        // The first run tells the size of the result and grows the buffers.
        outputs.push(vec![0.0; session.run(&view)?.len()]);
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sessions.len()];
    let mut turns = 0;
    let start = Instant::now();
    while turns < MIN_TURNS || start.elapsed() < budget * sessions.len() as u32 {
        for ((session, y), times) in sessions.iter().zip(&mut outputs).zip(&mut times) {
            // What another model left in the caches is not this one's to pay for.
            session.run_into(&x, y, batch)?;
            let turn = Instant::now();
            while turn.elapsed() < TURN {
                let run = Instant::now();
                session.run_into(&x, y, batch)?;
                times.push(run.elapsed().as_secs_f64() * 1e6);
            }
        }
        turns += 1;
    }
    Ok(times.into_iter().map(Timing::of).collect())
}

impl Timing {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let middle = times.len() / 2;
        let median_us = match times.len() % 2 {
            0 if middle > 0 => (times[middle - 1] + times[middle]) / 2.0,
            _ => times.get(middle).copied().unwrap_or(f64::NAN),
        };
        Self { median_us, min_us: times.first().copied().unwrap_or(f64::NAN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_minimum() {
        let timing = |times: &[f64]| {
            let Timing { median_us, min_us } = Timing::of(times.to_vec());
            (median_us, min_us)
        };
        assert_eq!(timing(&[3.0]), (3.0, 3.0));
        assert_eq!(timing(&[9.0, 1.0]), (5.0, 1.0));
        assert_eq!(timing(&[9.0, 1.0, 2.0]), (2.0, 1.0));
    }
}

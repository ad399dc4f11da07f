//! Times models against each other in one run, or the steps of one model.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use dataset::Input;
use int8_inference::Session;
use ndarray::{ArrayD, ArrayViewD};

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
pub(crate) fn time(sessions: &[&Session], samples: &[Input], batch: usize, budget: Duration) -> Result<Vec<Timing>> {
    let batches = sessions.iter().map(|session| Batch::new(session, samples, batch)).collect::<Result<Vec<_>>>()?;
    let mut runs =
        sessions.iter().zip(&batches).map(|(session, batch)| Run::new(session, batch)).collect::<Result<Vec<_>>>()?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sessions.len()];
    let mut turns = 0;
    let start = Instant::now();
    while turns < MIN_TURNS || start.elapsed() < budget * sessions.len() as u32 {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            // What another model left in the caches is not this one's to pay for.
            run.once()?;
            let turn = Instant::now();
            while turn.elapsed() < TURN {
                let start = Instant::now();
                run.once()?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        turns += 1;
    }
    Ok(times.into_iter().map(Timing::of).collect())
}

/// Times the steps of a model on one thread, and all of them together, for `budget`.
pub(crate) fn time_steps(
    session: &Session,
    samples: &[Input],
    batch: usize,
    budget: Duration,
) -> Result<(Vec<Timing>, Timing)> {
    let batch = Batch::new(session, samples, batch)?;
    let views = batch.views();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); session.profile(&views)?.len()];
    let mut whole = Vec::new();
    let start = Instant::now();
    while whole.len() < MIN_TURNS || start.elapsed() < budget {
        let taken = session.profile(&views)?;
        whole.push(taken.iter().sum::<Duration>().as_secs_f64() * 1e6);
        for (times, time) in times.iter_mut().zip(taken) {
            times.push(time.as_secs_f64() * 1e6);
        }
    }
    Ok((times.into_iter().map(Timing::of).collect(), Timing::of(whole)))
}

/// What a model is given: for each of its inputs the samples of the same name, or the only ones there are.
struct Batch {
    size: usize,
    inputs: Vec<(String, ArrayD<f32>)>,
}

impl Batch {
    fn new(session: &Session, samples: &[Input], size: usize) -> Result<Self> {
        let names: Vec<&str> = session.inputs().map(|(name, _)| name).collect();
        let mut inputs = Vec::with_capacity(names.len());
        for name in &names {
            let same = samples.iter().find(|input| input.name == *name);
            let only = samples.first().filter(|_| names.len() == 1 && samples.len() == 1);
            let Some(Input { samples, .. }) = same.or(only) else {
                let has: Vec<&str> = samples.iter().map(|input| input.name.as_str()).collect();
                bail!("the samples have no array for input \"{name}\", they have {has:?}");
            };
            let count = *samples.shape().first().filter(|&&count| count > 0).context("the data has no samples")?;
            let width = samples.len() / count;
            ensure!(
                size.checked_mul(width).is_some_and(|values| values <= MAX_VALUES),
                "a batch of {size} samples of {width} values is too large to time; pass a smaller --batch"
            );
            let values = samples.iter().copied().cycle().take(size * width).collect();
            let mut shape = samples.shape().to_vec();
            shape[0] = size;
            inputs.push(((*name).to_owned(), ArrayD::from_shape_vec(shape, values)?));
        }
        Ok(Self { size, inputs })
    }

    fn views(&self) -> Vec<(&str, ArrayViewD<'_, f32>)> {
        self.inputs.iter().map(|(name, values)| (name.as_str(), values.view())).collect()
    }
}

/// The way a model is run: on slices where it can be, as nothing is allocated there.
enum Run<'a> {
    Slices { session: &'a Session, x: &'a [f32], y: Vec<f32>, batch: usize },
    Named { session: &'a Session, inputs: Vec<(&'a str, ArrayViewD<'a, f32>)> },
}

impl<'a> Run<'a> {
    /// Runs once as well, which grows the buffers.
    fn new(session: &'a Session, batch: &'a Batch) -> Result<Self> {
        if let [(_, values)] = batch.inputs.as_slice()
            && let Some(x) = values.as_slice()
            && let Ok(y) = session.run(&values.view())
        {
            return Ok(Self::Slices { session, x, y: vec![0.0; y.len()], batch: batch.size });
        }
        let inputs = batch.views();
        session.run_named(&inputs)?;
        Ok(Self::Named { session, inputs })
    }

    fn once(&mut self) -> Result<()> {
        match self {
            Self::Slices { session, x, y, batch } => session.run_into(x, y, *batch)?,
            Self::Named { session, inputs } => drop(session.run_named(inputs)?),
        }
        Ok(())
    }
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

//! What a training tells while it runs: a progress bar, records of metrics, warnings about layers.

use std::mem::Discriminant;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use trainer::{Ailment, MetricsLog, Progress, Record, Score};

use crate::console::warn;
use crate::interruption;
use crate::{format, progress};

/// Opens the log of a training, if it has one.
pub(super) type Begin<'a> = Box<dyn FnOnce() -> Result<Option<MetricsLog>> + Send + 'a>;

/// Follows one training.
pub(super) struct Follower<'a> {
    /// Called with the first batch: from then on the training is known to run.
    begin: Option<Begin<'a>>,
    bar: ProgressBar,
    /// One per epoch, those of a training that is gone on with included.
    records: Vec<Record>,
    log: Option<MetricsLog>,
    /// What is wrong with layers and has been told.
    told: Vec<(String, Discriminant<Ailment>)>,
    /// When the epoch began and when learning did.
    epoch_start: Instant,
    start: Instant,
    /// Learnt from since `start`, up to the epoch.
    samples: usize,
    failure: Option<anyhow::Error>,
    /// Epochs done when the user wanted to stop.
    interrupted: Option<usize>,
}

/// How a training ended.
pub(super) struct Followed {
    /// One per epoch.
    pub(super) records: Vec<Record>,
    /// Epochs done when the user stopped it; `None` if nobody did.
    pub(super) interrupted: Option<usize>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(begin: Begin<'a>) -> Self {
        let now = Instant::now();
        Self {
            begin: Some(begin),
            bar: progress::training_bar(),
            records: Vec::new(),
            log: None,
            interrupted: None,
            told: Vec::new(),
            epoch_start: now,
            start: now,
            samples: 0,
            failure: None,
        }
    }

    /// Takes note of a batch; breaks off if the user wants to stop or a record cannot be written.
    pub(super) fn see(&mut self, progress: &Progress) -> ControlFlow<()> {
        self.show(progress);
        if let Err(error) = self.take(progress) {
            self.failure = Some(error);
            return ControlFlow::Break(());
        }
        let all_done = progress.epoch_done() && progress.epoch == progress.epochs;
        if interruption::requested() && !all_done {
            self.interrupted = Some(progress.epoch - usize::from(!progress.epoch_done()));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Takes the bar off the terminal, for an error.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn finish(mut self) -> Result<Followed> {
        self.bar.finish_and_clear();
        // Without a batch, as there was nothing left to learn, nothing has begun.
        self.begin()?;
        match self.failure {
            Some(error) => Err(error),
            None => Ok(Followed { records: self.records, interrupted: self.interrupted }),
        }
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(begin) = self.begin.take() {
            self.log = begin()?;
            self.records = self.log.as_ref().map(|log| log.records().to_vec()).unwrap_or_default();
        }
        Ok(())
    }

    fn take(&mut self, progress: &Progress) -> Result<()> {
        self.begin()?;
        if progress.epoch_done() {
            self.warn(progress);
            let record = self.record(progress);
            self.records.push(record.clone());
            self.log.as_mut().map_or(Ok(()), |log| log.append(record))?;
        }
        Ok(())
    }

    fn show(&mut self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let steps = (progress.epochs as u64).saturating_mul(progress.batches as u64);
        if self.bar.length() != Some(steps) {
            self.bar.set_length(steps);
            // Batches of an earlier run would make the rest seem near.
            self.bar.set_position(progress.step.saturating_sub(1));
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.step);
        let rate = (self.samples + progress.samples) as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let mut message = format!("epoch {}/{} loss {:.4}", progress.epoch, progress.epochs, progress.training.loss);
        if let Some(accuracy) = progress.training.accuracy {
            message += &format!(" accuracy {}", format::percent(accuracy));
        }
        self.bar.set_message(format!("{message} {} samples/s", format::count(rate as usize)));
    }

    /// Tells what is wrong with a layer when it is seen first.
    fn warn(&mut self, progress: &Progress) {
        for gradient in &progress.gradients {
            let Some(ailment) = &gradient.ailment else { continue };
            let kind = (gradient.layer.clone(), std::mem::discriminant(ailment));
            if !self.told.contains(&kind) {
                self.told.push(kind);
                let text = format!("epoch {}: layer `{}`: {ailment}", progress.epoch, gradient.layer);
                self.bar.suspend(|| warn(&text));
            }
        }
    }

    fn record(&mut self, progress: &Progress) -> Record {
        let mut scalars = named(&progress.training, "");
        scalars.extend(progress.validation.iter().flat_map(|score| named(score, "validation_")));
        let seconds = self.epoch_start.elapsed().as_secs_f64().max(1e-9);
        scalars.push(("learning_rate".to_owned(), progress.learning_rate));
        scalars.push(("samples_per_second".to_owned(), progress.samples as f64 / seconds));
        let norm = |gradient: &trainer::LayerGradient| (format!("gradient_norm/{}", gradient.layer), gradient.norm);
        scalars.extend(progress.gradients.iter().map(norm));
        self.epoch_start = Instant::now();
        self.samples += progress.samples;
        Record { epoch: progress.epoch as u64, step: progress.step, seconds: progress.seconds, scalars }
    }
}

/// The numbers of a score under their names.
fn named(score: &Score, prefix: &str) -> Vec<(String, f64)> {
    let all = [
        ("loss", Some(score.loss)),
        ("accuracy", score.accuracy),
        ("absolute_error", score.absolute_error),
        ("root_squared_error", score.root_squared_error),
        ("r_squared", score.r_squared),
    ];
    all.into_iter().filter_map(|(name, value)| Some((format!("{prefix}{name}"), value?))).collect()
}

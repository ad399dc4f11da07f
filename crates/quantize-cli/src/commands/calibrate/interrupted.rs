//! Calibrations that are interrupted and go on later.

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dataset::Position;
use dlquantizer::{Calibrator, Checkpoint};

use crate::console::warn;
use crate::data::Pieces;
use crate::interruption::{self, Interruption};

/// Writes checkpoints of one calibration, after so many samples and on Ctrl-C.
pub(super) struct Interrupted<'a> {
    checkpoint: PathBuf,
    every: Option<NonZeroU64>,
    /// Samples at which the next checkpoint is due.
    due: u64,
    /// Tells apart runs that must not be mixed.
    describe: &'a dyn Fn() -> Result<String>,
    /// What that said.
    run: Option<String>,
}

impl<'a> Interrupted<'a> {
    /// Checkpoints lie beside `output`; `describe`, asked only when there is one, tells apart runs that must not be mixed.
    pub(super) fn new(
        output: &Path,
        every: Option<NonZeroU64>,
        describe: &'a dyn Fn() -> Result<String>,
    ) -> Result<Self> {
        interruption::watch()?;
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".checkpoint");
        Ok(Self {
            checkpoint: output.with_file_name(name),
            every,
            due: every.map_or(u64::MAX, NonZeroU64::get),
            describe,
            run: None,
        })
    }

    /// Goes on from the checkpoint of an interrupted run, if there is one.
    pub(super) fn resume<'m>(&mut self, calibrator: Calibrator<'m>, pieces: &mut Pieces) -> Result<Calibrator<'m>> {
        if !self.checkpoint.exists() {
            return Ok(calibrator);
        }
        let checkpoint = Checkpoint::load(&self.checkpoint)?;
        let file = self.checkpoint.display().to_string();
        let in_file = || format!("{file} cannot be continued");
        checkpoint.check_run(&self.run()?).with_context(in_file)?;
        let [samples, skipped] = checkpoint.position();
        pieces.advance(Position { samples, skipped }, checkpoint.samples()).with_context(in_file)?;
        let calibrator = calibrator.resume(checkpoint).with_context(in_file)?;
        warn(&format!("going on after {} samples from {file}", calibrator.samples()));
        self.plan(calibrator.samples());
        Ok(calibrator)
    }

    /// Writes a checkpoint if one is due or the user wants to stop; the latter is an error, for there is no calibration.
    pub(super) fn look(&mut self, calibrator: &mut Calibrator<'_>, pieces: &Pieces) -> Result<()> {
        let stop = interruption::requested();
        if stop || calibrator.samples() >= self.due {
            let Position { samples, skipped } = pieces.position();
            calibrator.checkpoint(self.run()?, [samples, skipped])?.save(&self.checkpoint)?;
            self.plan(calibrator.samples());
        }
        match stop {
            true => Err(Interruption {
                done: format!("{} samples", calibrator.samples()),
                checkpoint: self.checkpoint.clone(),
                continued_by: "the same command",
            }
            .into()),
            false => Ok(()),
        }
    }

    /// The calibration is written, so its checkpoint is of no more use.
    pub(super) fn done(&self) {
        interruption::work_done();
        // One that cannot be removed is found out about by the next run, which says what to do.
        let _ = fs::remove_file(&self.checkpoint);
    }

    /// The description of this run.
    fn run(&mut self) -> Result<String> {
        let run = match self.run.take() {
            Some(run) => run,
            None => (self.describe)()?,
        };
        Ok(self.run.insert(run).clone())
    }

    fn plan(&mut self, samples: u64) {
        self.due = self.every.map_or(u64::MAX, |every| samples.saturating_add(every.get()));
    }
}

//! Ctrl-C during work that can be gone on with, and the error of having been stopped by it.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether there is work that can be gone on with; what a command does before and after it ends at once.
static AT_WORK: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C, which [`requested`] tells until [`work_done`].
pub(crate) fn watch() -> Result<()> {
    AT_WORK.store(true, Ordering::Relaxed);
    // A second Ctrl-C ends the program at once, should a piece of work take forever.
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) || !AT_WORK.load(Ordering::Relaxed) {
            std::process::exit(Interruption::EXIT_CODE.into());
        }
    })
    .context("cannot watch for Ctrl-C")
}

/// Whether the user wants to stop.
pub(crate) fn requested() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// From now on Ctrl-C ends the program at once.
pub(crate) fn work_done() {
    AT_WORK.store(false, Ordering::Relaxed);
}

/// Work stopped by Ctrl-C.
#[derive(Debug)]
pub(crate) struct Interruption {
    /// How far it came, as in "137 samples".
    pub(crate) done: String,
    pub(crate) checkpoint: PathBuf,
    /// What goes on with it, as in "the same command".
    pub(crate) continued_by: &'static str,
}

impl Interruption {
    /// 128 + SIGINT, as shells have it.
    pub(crate) const EXIT_CODE: u8 = 130;
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, checkpoint, continued_by } = self;
        write!(f, "interrupted after {done}; {continued_by} goes on from {}", checkpoint.display())
    }
}

impl std::error::Error for Interruption {}

//! Work that its user interrupted and can go on with.

use std::fmt;
use std::path::PathBuf;

/// Calibration stopped by Ctrl-C.
#[derive(Debug)]
pub(crate) struct Interruption {
    pub(crate) samples: u64,
    pub(crate) checkpoint: PathBuf,
}

impl Interruption {
    /// 128 + SIGINT, as shells have it.
    pub(crate) const EXIT_CODE: u8 = 130;
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "interrupted after {} samples; the same command goes on from {}",
            self.samples,
            self.checkpoint.display()
        )
    }
}

impl std::error::Error for Interruption {}

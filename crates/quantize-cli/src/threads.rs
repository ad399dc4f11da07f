//! The flag of every command that runs a model.

use clap::builder::RangedU64ValueParser;

/// How many threads work.
#[derive(clap::Args, Clone, Copy, Default)]
pub(crate) struct ThreadsArgs {
    /// Worker threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) threads: Option<usize>,
}

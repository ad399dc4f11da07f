//! `quantize calibration`: looks at calibration files.

mod diff;
mod show;
mod tensor;

use crate::console::Console;

/// Looks at calibration files.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Show(show::Args),
    Diff(diff::Args),
}

impl Command {
    /// Runs the command and shows its report.
    pub(crate) fn run(&self, console: &Console) -> anyhow::Result<bool> {
        match self {
            Self::Show(args) => match args.tensor() {
                Some(name) => console.finish(&tensor::report(args, name)?),
                None => console.finish(&show::run(args)?),
            },
            Self::Diff(args) => console.finish(&diff::run(args)?),
        }
    }
}

//! The commands: each a file with its arguments, the work, and a report that prints itself.

mod bench;
mod calibrate;
mod calibration;
mod demo;
mod doctor;
mod emit;
mod inspect;
mod merge;
mod prepare;
mod run;
mod runs;
mod train;
mod validate;
mod verify;

use crate::console::Console;

/// What the first argument names.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Train(train::Args),
    Runs(runs::Args),
    Prepare(prepare::Args),
    Calibrate(calibrate::Args),
    Merge(merge::Args),
    #[command(subcommand)]
    Calibration(calibration::Command),
    Emit(emit::Args),
    Validate(validate::Args),
    Verify(verify::Args),
    Run(run::Args),
    Bench(bench::Args),
    Inspect(inspect::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
}

impl Command {
    /// Runs the command and shows its report; `false` when a gate failed.
    pub(crate) fn run(&self, console: &Console) -> anyhow::Result<bool> {
        match self {
            Self::Train(args) => train::run(args, console),
            Self::Runs(args) => console.finish(&runs::run(args)?),
            Self::Prepare(args) => console.finish(&prepare::run(args)?),
            Self::Calibrate(args) => console.finish(&calibrate::run(args)?),
            Self::Merge(args) => console.finish(&merge::run(args)?),
            Self::Calibration(command) => command.run(console),
            Self::Emit(args) => console.finish(&emit::run(args)?),
            Self::Validate(args) => console.finish(&validate::run(args)?),
            Self::Verify(args) => console.finish(&verify::run(args)?),
            Self::Run(args) => console.finish(&run::run(args)?),
            Self::Bench(args) => bench::run(args, console),
            Self::Inspect(args) => console.finish(&inspect::run(args)?),
            Self::Doctor(args) => console.finish(&doctor::run(args)?),
            Self::Demo(args) => console.finish(&demo::run(args, console)?),
        }
    }
}

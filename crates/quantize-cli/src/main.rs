//! `quantize`: post-training quantization from the command line.
//!
//! Arguments are parsed, checked and turned into ready objects before any work starts; results go to standard output, everything else to
//! standard error. Exit codes: 0 done, 1 a gate failed (`validate`, `verify`, `calibrate --check`, `demo`, the self-check of `doctor`), 2 usage or input
//! error, 130 interrupted by Ctrl-C, to be continued.

mod arrays;
mod batches;
mod commands;
mod console;
mod data;
mod files;
mod fingerprint;
mod format;
mod histogram;
mod image_args;
mod interruption;
mod machine;
mod progress;
mod run_directory;
mod test_data;
mod threads;
mod timing;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::console::Console;
use crate::interruption::Interruption;

/// Calibrates float ONNX models, emits them in int8, proves that they are as accurate, and runs them.
#[derive(Parser)]
#[command(name = "quantize", version, after_help = EXAMPLE)]
struct Cli {
    /// Prints one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "\
Example, everything on built-in data in a few seconds:
  quantize demo

Exit codes: 0 done; 1 a gate failed; 2 usage or input error; 130 interrupted by Ctrl-C, to be continued.
Environment: QUANTIZE_ISA=scalar|avx2|avx512bw|avxvnni|avx512vnni forces an instruction set.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Console::new(cli.json);
    match cli.command.run(&console) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            console::report_error(&error);
            ExitCode::from(if error.is::<Interruption>() { Interruption::EXIT_CODE } else { 2 })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}

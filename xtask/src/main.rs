//! Developer chores that need more than cargo: `cargo xtask --help`.

mod interop;
mod peers;
mod python;
mod quantize;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Developer chores.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Judges models and engine by ONNX's checker and ONNX Runtime; needs Python 3.11 or later and a package index.
    Interop,
    /// Measures other tools and us on the same files in turns and prints the tables of the README; needs what interop needs.
    Peers {
        #[command(subcommand)]
        comparison: peers::Comparison,
    },
    /// Our side of `peers training`.
    #[command(hide = true)]
    TrainOurs(peers::Ours),
}

fn main() -> ExitCode {
    let passed = match Chore::parse() {
        Chore::Interop => interop::run(),
        Chore::Peers { comparison } => peers::run(&comparison).map(|()| true),
        Chore::TrainOurs(ours) => peers::train_ours(&ours).map(|()| true),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

//! Developer chores that need more than cargo: `cargo xtask --help`.

mod interop;

use std::process::ExitCode;

use clap::Parser;

/// Developer chores.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Judges models and engine by ONNX's checker and ONNX Runtime; needs Python 3.11 or later and a package index.
    Interop,
}

fn main() -> ExitCode {
    let passed = match Chore::parse() {
        Chore::Interop => interop::run(),
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

//! The `quantize` binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::python::run;
use crate::workspace::Workspace;

/// The binary, built from this workspace.
pub(crate) struct Quantize(PathBuf);

/// What `emit` tells of a layer.
#[derive(Deserialize)]
struct EmittedLayer {
    precision: String,
}

impl Quantize {
    pub(crate) fn built(workspace: &Workspace) -> Result<Self> {
        let build = ["build", "--quiet", "--release", "--package", "quantize-cli"];
        run(Command::new(env!("CARGO")).current_dir(&workspace.root).args(build))?;
        Ok(Self(workspace.target.join("release").join(format!("quantize{}", std::env::consts::EXE_SUFFIX))))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Runs a command line to whatever end.
    pub(crate) fn output<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Output> {
        let program = self.0.display();
        Command::new(&self.0).args(arguments).output().with_context(|| format!("cannot start {program}"))
    }

    /// Runs a command line, which has to succeed.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>> {
        run(Command::new(&self.0).args(arguments))
    }

    /// Quantizes `model` and returns how many layers became int8.
    pub(crate) fn emit(&self, model: &Path, calibration: &Path, recipe: Option<&Path>, output: &Path) -> Result<usize> {
        let mut command = Command::new(&self.0);
        command.args(["--json", "emit"]).arg(model).arg("--calibration").arg(calibration).arg("-o").arg(output);
        if let Some(recipe) = recipe {
            command.arg("--recipe").arg(recipe);
        }
        #[derive(Deserialize)]
        struct Emitted {
            layers: Vec<EmittedLayer>,
        }
        let emitted: Emitted = serde_json::from_slice(&run(&mut command)?)?;
        Ok(emitted.layers.iter().filter(|layer| layer.precision == "int8").count())
    }
}

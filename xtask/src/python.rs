//! Python with pinned packages, and its answers.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use crate::workspace::Workspace;

/// The interpreter of a virtual environment with the packages that some scripts need.
pub(crate) struct Python {
    interpreter: PathBuf,
    scripts: PathBuf,
    requirements: String,
}

impl Python {
    /// Makes an environment with what `requirements.txt` beside the scripts in the directory `scripts` of the workspace
    /// names, or takes the one of an earlier run if it has the same packages.
    pub(crate) fn installed(workspace: &Workspace, scripts: &str) -> Result<Self> {
        let environment = workspace.target.join(format!("venv-{}", scripts.replace('/', "-")));
        let scripts = workspace.root.join(scripts);
        let wanted = scripts.join("requirements.txt");
        let requirements = fs::read_to_string(&wanted).with_context(|| wanted.display().to_string())?;
        let interpreter = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        // Written last: an environment whose installation was interrupted is made anew.
        let installed = environment.join("requirements.txt");
        if fs::read_to_string(&installed).ok().as_ref() != Some(&requirements) {
            println!("installing {}", requirements.split_whitespace().collect::<Vec<_>>().join(", "));
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
            run(Command::new(&interpreter).args(install).arg(&wanted))?;
            fs::write(&installed, &requirements).with_context(|| installed.display().to_string())?;
        }
        Ok(Self { interpreter, scripts, requirements })
    }

    /// The packages and their versions.
    pub(crate) fn packages(&self) -> Vec<&str> {
        self.requirements.split_whitespace().collect()
    }

    /// Runs a script that writes files.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, script: &str, arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>> {
        run(self.command(script).args(arguments))
    }

    /// A command that runs a script.
    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        // No bytecode beside the sources.
        command.arg("-B").arg(self.scripts.join(script));
        command
    }

    /// Runs a script that prints JSON.
    pub(crate) fn ask<T: DeserializeOwned, A: AsRef<OsStr>>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<T> {
        let answer = self.run(script, arguments)?;
        serde_json::from_slice(&answer)
            .with_context(|| format!("{script} answered {:?}", String::from_utf8_lossy(&answer)))
    }
}

/// The standard output of a command, which has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}\n{}", arguments.join(" "), output.status, errors.trim_end());
    }
    Ok(output.stdout)
}

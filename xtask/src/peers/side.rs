//! A Python process that runs models in bursts (`benches/peers/bursts.py`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::python::Python;

/// The process; it ends when this is dropped.
pub(crate) struct Side {
    script: &'static str,
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Side {
    pub(crate) fn start(python: &Python, script: &'static str) -> Result<Self> {
        let mut command = python.command(script);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {script}"))?;
        let commands = process.stdin.take();
        let answers = process.stdout.take().with_context(|| format!("{script} has no standard output"))?;
        Ok(Self { script, process, commands, answers: BufReader::new(answers) })
    }

    /// Makes something ready to run.
    pub(crate) fn load(&mut self, what: &Value) -> Result<()> {
        self.ask(&json!({ "load": what }))
    }

    /// Microseconds of each run of a burst of so many seconds.
    pub(crate) fn burst(&mut self, seconds: f64) -> Result<Vec<f64>> {
        self.ask(&json!({ "burst": seconds }))
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &Value) -> Result<T> {
        let script = self.script;
        let ended = || format!("{script} ended; what it said is above");
        let commands = self.commands.as_mut().with_context(ended)?;
        writeln!(commands, "{command}").and_then(|()| commands.flush()).with_context(ended)?;
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).with_context(ended)?;
        ensure!(read > 0, ended());
        serde_json::from_str(&answer).with_context(|| format!("{script} answered {answer:?}"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It ends with its input; its status has nothing to say that its answers did not.
        self.commands = None;
        let _ = self.process.wait();
    }
}

//! What reaches the user: reports on standard output, errors and warnings on standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;

use anstyle::Style;
use anyhow::Context;
use serde::Serialize;

/// The result of a command, as JSON or as text.
pub(crate) trait Report: Serialize {
    /// The text for people, with a line feed at its end.
    fn text(&self) -> String;

    /// Whether the gate of the command, if it has one, let the result pass.
    fn passed(&self) -> bool {
        true
    }
}

/// Standard output in the form that was asked for.
pub(crate) struct Console {
    json: bool,
}

impl Console {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows the report of a command and returns whether its gate passed.
    pub(crate) fn finish(&self, report: &impl Report) -> anyhow::Result<bool> {
        let text = match self.json {
            true => serde_json::to_string_pretty(report)? + "\n",
            false => report.text(),
        };
        write_out(&text)?;
        Ok(report.passed())
    }

    /// Shows text of a command that is still at work; JSON waits for the end.
    pub(crate) fn show(&self, text: &str) -> anyhow::Result<()> {
        if !self.json {
            write_out(text)?;
        }
        Ok(())
    }
}

/// Text in a style, on a terminal whose user did not turn colours off (NO_COLOR); plain otherwise.
pub(crate) fn paint(style: Style, text: &str) -> String {
    static COLOURED: LazyLock<bool> = LazyLock::new(|| {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
    });
    if *COLOURED { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

/// Writes to standard output. A reader that has seen enough, as `head`, is no error.
fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Prints `error: …` with its causes, each as far as the text before does not tell it already.
pub(crate) fn report_error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "error: {}", text.trim_end());
}

/// Prints `warning: …`.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

//! What was asked, what was measured, and whether that is enough.

use std::path::Path;
use std::{fmt, fs};

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

/// One question about one subject, answered.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) subject: String,
    pub(crate) question: &'static str,
    pub(crate) asked: String,
    pub(crate) measured: String,
    /// What else the measurement showed.
    pub(crate) note: String,
    /// How far the measurement is from perfect, in the unit of the question.
    pub(crate) shortfall: f64,
    pub(crate) passed: bool,
    /// The figures behind the answer.
    pub(crate) details: Value,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: asked {}, measured {}", self.question, self.asked, self.measured)?;
        if self.note.is_empty() { Ok(()) } else { write!(f, " ({})", self.note) }
    }
}

/// All checks of a run.
#[derive(Default)]
pub(crate) struct Report(Vec<Check>);

impl Report {
    /// Prints and keeps the check.
    pub(crate) fn add(&mut self, check: Check) {
        let verdict = if check.passed { "ok    " } else { "FAILED" };
        println!("  {verdict} {check}");
        self.0.push(check);
    }

    pub(crate) fn total(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn failed(&self) -> Vec<&Check> {
        self.0.iter().filter(|check| !check.passed).collect()
    }

    /// The worst answer to each question.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        let header = ["Question", "Asked", "Subjects", "Worst Measured", "Where", "Failed"];
        table.load_style(presets::NOTHING).set_header(header);
        let mut questions: Vec<(&str, &str)> = Vec::new();
        for check in &self.0 {
            let question = (check.question, check.asked.as_str());
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
        for (question, asked) in questions {
            let checks = || self.0.iter().filter(|check| (check.question, check.asked.as_str()) == (question, asked));
            let failed = checks().filter(|check| !check.passed).count();
            // The first of several equally bad ones.
            let worst = checks().reduce(|worst, check| if check.shortfall > worst.shortfall { check } else { worst });
            if let Some(worst) = worst {
                let (subjects, failed) = (checks().count().to_string(), failed.to_string());
                let place = if worst.shortfall > 0.0 { worst.subject.as_str() } else { "everywhere" };
                table.add_row([question, asked, &subjects, &worst.measured, place, &failed]);
            }
        }
        table.trim_fmt() + "\n"
    }

    pub(crate) fn save(&self, path: &Path, packages: Vec<&str>) -> Result<()> {
        let report = json!({ "packages": packages, "passed": self.failed().is_empty(), "checks": self.0 });
        fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| path.display().to_string())
    }
}

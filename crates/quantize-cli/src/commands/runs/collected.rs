//! Runs read from their directories, and in what their configurations differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use trainer::{Record, flat_settings};

use crate::console;
use crate::run_directory::{RunDirectory, RunInfo};

/// What one training left in its directory.
pub(super) struct Run {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    /// Every value of the configuration under its way there, as `optimizer.learning_rate` or `layer.fc1.units`.
    pub(super) settings: BTreeMap<String, String>,
    /// How many epochs were asked for, if the configuration tells.
    pub(super) planned: Option<u64>,
    pub(super) info: Option<RunInfo>,
    /// At least one.
    pub(super) records: Vec<Record>,
}

/// A setting that is not the same in all runs.
#[derive(Serialize)]
pub(super) struct Difference {
    pub(super) setting: String,
    /// One for each run; `null` where it is left out.
    pub(super) values: Vec<Option<String>>,
}

/// Reads the runs of the directories. One that holds no run itself stands for all runs right below it that have done an epoch.
pub(super) fn collect(directories: &[PathBuf]) -> Result<Vec<Run>> {
    let mut paths = Vec::new();
    for directory in directories {
        if RunDirectory::new(directory).is_used() {
            paths.push(directory.clone());
            continue;
        }
        let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
        let mut below: Vec<PathBuf> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()
            .with_context(|| format!("cannot read {}", directory.display()))?;
        below.retain(|path| RunDirectory::new(path).is_used());
        below.sort();
        below.retain(|path| {
            let begun = !RunDirectory::new(path).is_before_first_epoch();
            if !begun {
                console::warn(&format!("{} has done no epoch yet and is left out", path.display()));
            }
            begun
        });
        if below.is_empty() {
            bail!(
                "{} holds no run with an epoch done, and neither does a directory in it; runs are written by `quantize train --run-dir`",
                directory.display()
            );
        }
        paths.extend(below);
    }
    let names = names(&paths);
    paths.iter().zip(names).map(|(path, name)| Run::read(path, name)).collect()
}

/// The last part of each path, or the whole path where another one ends alike.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = |path: &PathBuf| match last(path) {
        Some(name) if paths.iter().filter(|other| last(other).as_ref() == Some(&name)).count() == 1 => name,
        _ => path.display().to_string(),
    };
    paths.iter().map(name).collect()
}

impl Run {
    fn read(path: &Path, name: String) -> Result<Self> {
        let directory = RunDirectory::new(path);
        let settings =
            flat_settings(&directory.config()?).with_context(|| path.join("config.toml").display().to_string())?;
        let metrics = directory.metrics()?;
        if metrics.cut_off {
            console::warn(&format!(
                "{}: the last line is cut off, as when a run is killed; it is left out",
                path.join("metrics.jsonl").display()
            ));
        }
        Ok(Self {
            name,
            directory: path.to_owned(),
            planned: settings.get("epochs").and_then(|epochs| epochs.parse().ok()),
            settings,
            info: directory.info()?,
            records: metrics.records,
        })
    }

    pub(super) fn epochs(&self) -> u64 {
        self.records.last().map_or(0, |record| record.epoch)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.records.last().map_or(0.0, |record| record.seconds)
    }
}

pub(super) fn differences(runs: &[Run]) -> Vec<Difference> {
    let mut names: Vec<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    names.sort();
    names.dedup();
    let values = |name: &String| runs.iter().map(|run| run.settings.get(name).cloned()).collect();
    let all = names.into_iter().map(|name| Difference { setting: name.clone(), values: values(name) });
    all.filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: &str) -> Run {
        Run {
            name: String::new(),
            directory: PathBuf::new(),
            settings: flat_settings(config).unwrap(),
            planned: None,
            info: None,
            records: Vec::new(),
        }
    }

    #[test]
    fn only_settings_that_differ_are_told() {
        let a = run("seed = 1\nepochs = 3\n[[layer]]\nname = 'fc1'\nunits = 4\n[[layer]]\nunits = 5\nsize = [2, 2]");
        let b = run("seed = 1\nepochs = 4\n[[layer]]\nname = 'fc1'\nunits = 4\n[[layer]]\nunits = 5\nsize = [2, 3]");
        let c = run("seed = 1\nepochs = 3\n[optimizer]\nrate = 0.5");
        let found = differences(&[a, b, c]);
        let names: Vec<&str> = found.iter().map(|difference| difference.setting.as_str()).collect();
        let expected =
            ["epochs", "layer.2.size", "layer.2.units", "layer.fc1.name", "layer.fc1.units", "optimizer.rate"];
        assert_eq!(names, expected);
        assert_eq!(found[0].values, [Some("3".to_owned()), Some("4".to_owned()), Some("3".to_owned())]);
        assert_eq!(found[5].values, [None, None, Some("0.5".to_owned())]);
    }

    #[test]
    fn a_name_is_as_short_as_it_can_be_told_apart() {
        let paths = ["a/x", "b/x", "b/y"].map(PathBuf::from);
        assert_eq!(names(&paths), ["a/x", "b/x", "y"]);
    }
}

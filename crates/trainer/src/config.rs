//! What a training is asked to do.

mod parse;
mod settings;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use self::settings::first_difference;
pub use self::settings::flat_settings;
use crate::augment::Augment;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::loss::Loss;
use crate::normalize::Normalize;
use crate::optimizer::{Optimizer, Rule};
use crate::schedule::Schedule;
use crate::stopping::{EarlyStopping, Keep, Monitor};

/// Larger than any configuration a person writes; keeps a wrong path from being read into memory.
const MAX_BYTES: u64 = 1 << 20;

/// A training run: what the TOML file given to `quantize train --config` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Decides the first weights, the validation part and the order of the samples. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// How often every training sample is seen.
    pub epochs: usize,
    /// Samples per step; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// How samples are brought to mean 0 and standard deviation 1. Default [`Normalize::Global`].
    #[serde(default)]
    pub normalize: Normalize,
    /// Fraction of the samples, above 0 and below 1, kept out of training and scored after every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How the learning rate changes from batch to batch. Default [`Schedule::Constant`].
    #[serde(default)]
    pub schedule: Schedule,
    /// Which score tells the best epoch. Default [`Monitor::Loss`].
    #[serde(default)]
    pub monitor: Monitor,
    /// Which epoch's parameters the training gives. Default [`Keep::Last`].
    #[serde(default)]
    pub keep: Keep,
    /// When to stop before the last epoch. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How training samples are varied, which must be images then. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The loss of the one output, which is the last layer. Default [`Loss::CrossEntropy`]; not beside `outputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The array of the data set that the one output should predict. Default: its labels; not beside `outputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the loss sees that array brought to mean 0 and standard deviation 1; the model still answers in its units. Default false; not
    /// beside `outputs`.
    #[serde(default)]
    pub normalize_target: bool,
    /// The layers, each after those it reads; none to train a network further that is there already.
    #[serde(rename = "layer", default)]
    pub layers: Vec<Layer>,
    /// The outputs of a network that has several, or whose output is not the last layer.
    #[serde(rename = "output", default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
}

/// One `[[output]]` of a configuration: an answer of the network and what it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The layer that gives the answer.
    pub layer: String,
    /// How wrong answers are counted. Default [`Loss::CrossEntropy`].
    #[serde(default)]
    pub loss: Loss,
    /// The share of this loss in the sum of all, above 0. Default 1.
    #[serde(default = "one")]
    pub weight: f64,
    /// The array of the data set that says what the answers should be. Default: its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the loss sees that array brought to mean 0 and standard deviation 1, over the training part and for each column; the model
    /// still answers in its units. Default false.
    #[serde(default)]
    pub normalize_target: bool,
}

fn one() -> f64 {
    1.0
}

impl TrainConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is larger than 1 MiB, or [`Self::from_toml`] refuses its text.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read_error = |cause| Error::Read { path: path.to_owned(), cause };
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)).map_err(read_error)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
        }
        Self::from_toml(&text).map_err(|error| match error {
            Error::Parse { reason, .. } => Error::Parse { path: Some(path.to_owned()), reason },
            other => other,
        })
    }

    /// Parses a configuration and checks it as [`Self::check`] does.
    ///
    /// # Errors
    ///
    /// If the text is no TOML, has unknown or missing keys (the message shows the line and the keys there are) or unusable values.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = parse::parse(text).map_err(|reason| Error::Parse { path: None, reason })?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as text that [`Self::from_toml`] reads.
    ///
    /// # Errors
    ///
    /// If a number is larger than TOML has them: a seed of 2^63 or more.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Toml { reason: error.to_string() })
    }

    /// Checks all that can be checked without data.
    ///
    /// # Errors
    ///
    /// If a count is 0, a rate is not a finite number above 0, a name is empty or used twice, or a setting of a layer,
    /// loss or output is out of its range.
    pub fn check(&self) -> Result<()> {
        if self.epochs == 0 {
            return Err(Error::setting("epochs", 0, "at least 1"));
        }
        if self.batch_size == 0 {
            return Err(Error::setting("batch_size", 0, "at least 1"));
        }
        if let Some(fraction) = self.validation
            && !(fraction > 0.0 && fraction < 1.0)
        {
            return Err(Error::setting("validation", fraction, "above 0 and below 1, or left out"));
        }
        self.early_stopping.map_or(Ok(()), |stopping| stopping.check())?;
        self.augment.map_or(Ok(()), |augment| augment.check())?;
        self.optimizer.check()?;
        self.schedule.check()?;
        if matches!(self.optimizer.rule, Rule::Evolution(_)) && self.schedule != Schedule::Constant {
            return Err(Error::setting("schedule", "another", "left out: the step size of evolution adapts itself"));
        }
        self.check_layers()?;
        self.check_outputs()
    }

    fn check_layers(&self) -> Result<()> {
        let mut names = HashSet::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if layer.name.is_empty() {
                let setting = format!("name of layer {}", index + 1);
                return Err(Error::setting(setting, "\"\"", "a name that is not empty"));
            }
            if !names.insert(&layer.name) {
                return Err(Error::DuplicateLayer { name: layer.name.clone() });
            }
            layer.check()?;
        }
        Ok(())
    }

    fn check_outputs(&self) -> Result<()> {
        let alone = [
            ("loss", self.loss.is_some()),
            ("target", self.target.is_some()),
            ("normalize_target", self.normalize_target),
        ];
        if let Some((setting, _)) = alone.iter().find(|(_, given)| *given && !self.outputs.is_empty()) {
            return Err(Error::setting(
                *setting,
                "a value",
                "left out where there is an [[output]], which has its own",
            ));
        }
        for output in self.heads() {
            if output.normalize_target && output.loss.takes_labels() {
                return Err(Error::setting("normalize_target", true, "left out under a loss of classes"));
            }
            if !(output.weight > 0.0 && output.weight <= f64::from(f32::MAX)) {
                let setting = format!("weight of output {}", output.layer);
                return Err(Error::setting(setting, output.weight, "a finite number above 0"));
            }
            let setting =
                if self.outputs.is_empty() { "loss".to_owned() } else { format!("loss of output {}", output.layer) };
            output.loss.check(&setting)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! What a training is asked to do.

mod parse;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layer::Activation;
use crate::normalize::Normalize;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;

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
    /// The update rule.
    pub optimizer: Optimizer,
    /// The layers from input to output; the last one gives the logits.
    #[serde(rename = "layer", default)]
    pub layers: Vec<LayerConfig>,
}

/// One `[[layer]]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum LayerConfig {
    /// A fully connected layer.
    Dense {
        /// Names the layer in messages and its node in the ONNX model.
        name: String,
        /// The width of the layer; the last one may omit it and gets one unit per class of the data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<usize>,
        /// Applied to each output; the last layer must have none. Default [`Activation::Linear`].
        #[serde(default)]
        activation: Activation,
    },
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

    /// Checks all that can be checked without data.
    ///
    /// # Errors
    ///
    /// If a count is 0, a rate is not a finite number above 0, there are no layers, a name is empty or used twice,
    /// a layer other than the last one has no width, or the last one has an activation.
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
        self.optimizer.check()?;
        self.check_layers()
    }

    fn check_layers(&self) -> Result<()> {
        let last = self.layers.len().checked_sub(1).ok_or(Error::NoLayers)?;
        let mut names = HashSet::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let LayerConfig::Dense { name, units, activation } = layer;
            if name.is_empty() {
                let setting = format!("name of layer {}", index + 1);
                return Err(Error::setting(setting, "\"\"", "a name that is not empty"));
            }
            if !names.insert(name) {
                return Err(Error::DuplicateLayer { name: name.clone() });
            }
            match units {
                Some(0) => {
                    return Err(Error::setting(format!("{name}.units"), 0, "at least 1"));
                }
                None if index != last => {
                    return Err(Error::setting(
                        format!("{name}.units"),
                        "nothing",
                        "given: only the last layer takes its width from the data",
                    ));
                }
                _ => {}
            }
            if index == last && *activation != Activation::Linear {
                return Err(Error::setting(
                    format!("{name}.activation"),
                    format!("{activation:?}").to_lowercase(),
                    "left out: the last layer gives the logits of the softmax",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

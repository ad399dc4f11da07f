//! A training under way to a checkpoint, and back.

use std::path::Path;

use super::Run;
use crate::checkpoint::{Checkpoint, Head, Tensor};
use crate::config::{first_difference, flat_settings};
use crate::error::{Error, Result};
use crate::op::Parameter;
use crate::samples::{Samples, Wanted};
use crate::trained::Trained;

const OPTIMIZER: &str = "optimizer";
const RATES: &str = "rates";
const EVOLUTION: &str = "evolution";

/// A setting in which a resumed training may differ: how long it goes on.
const EPOCHS: &str = "epochs";

impl Run<'_> {
    /// Writes the state after the last epoch done.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let tensor = |parameter: &Parameter| Tensor {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: parameter.values.clone(),
        };
        let checkpoint = Checkpoint {
            head: Head {
                config: self.config.to_toml()?,
                data: self.data_digest.clone().unwrap_or_else(|| digest(&self.samples)),
                surroundings: surroundings(&self.trained),
                epoch: self.epochs_done,
                seconds: self.seconds(),
                best: self.best.found,
            },
            parameters: self.network.parameters.iter().map(tensor).collect(),
            // If this epoch is the best, its parameters are there already.
            best: match self.best.found {
                Some((_, epoch)) if epoch == self.epochs_done => Vec::new(),
                _ => self.best_parameters.iter().flatten().map(tensor).collect(),
            },
            states: [
                Some((OPTIMIZER.to_owned(), self.optimizer.to_bytes())),
                Some((RATES.to_owned(), self.rates.to_bytes().to_vec())),
                self.evolving.as_ref().map(|evolving| (EVOLUTION.to_owned(), evolving.population.to_bytes().to_vec())),
            ]
            .into_iter()
            .flatten()
            .collect(),
        };
        checkpoint.save(path)
    }

    /// Goes on from the state in a file, in whose training nothing but the number of epochs may have been another.
    pub(super) fn restore(&mut self, path: &Path) -> Result<()> {
        let checkpoint = Checkpoint::load(path)?;
        let Head { config, data, surroundings: around, epoch, seconds, best } = checkpoint.head;
        let refuse = |reason: String| Error::OtherTraining { path: path.to_owned(), reason };
        let settings = |text: &str| flat_settings(text).map_err(|error| refuse(error.message().to_owned()));
        let (theirs, ours) = (settings(&config)?, settings(&self.config.to_toml()?)?);
        if let Some((setting, [theirs, ours])) = first_difference(&theirs, &ours, &[EPOCHS]) {
            let told = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
            return Err(refuse(format!(
                "its training set `{setting}` to {}, this one to {}",
                told(theirs),
                told(ours)
            )));
        }
        let digest = digest(&self.samples);
        if data != digest {
            return Err(refuse("its training had other samples".to_owned()));
        }
        if around != surroundings(&self.trained) {
            return Err(refuse(
                "its training started from another network, or was quantized in another way".to_owned(),
            ));
        }
        let parameters = put(&self.network.parameters, checkpoint.parameters).map_err(refuse)?;
        self.best_parameters = match best {
            None => None,
            Some((_, best)) if best == epoch => Some(parameters.clone()),
            Some(_) => Some(put(&parameters, checkpoint.best).map_err(refuse)?),
        };
        self.network.parameters = parameters;
        for (name, bytes) in checkpoint.states {
            match (name.as_str(), &mut self.evolving) {
                (OPTIMIZER, _) => self.optimizer.restore(&bytes)?,
                (RATES, _) => match bytes.first_chunk() {
                    Some(bytes) => self.rates.restore(bytes),
                    None => return Err(refuse("its state of the schedule is cut off".to_owned())),
                },
                (EVOLUTION, Some(evolving)) => match bytes.first_chunk() {
                    Some(bytes) => evolving.population.restore(bytes),
                    None => return Err(refuse("its state of the evolution is cut off".to_owned())),
                },
                _ => return Err(refuse(format!("it has a state of `{name}`"))),
            }
        }
        self.data_digest = Some(digest);
        self.epochs_done = epoch;
        self.seconds_before = seconds;
        self.step =
            epoch.checked_mul(self.batches() as u64).ok_or_else(|| refuse(format!("it is of epoch {epoch}")))?;
        self.best.found = best;
        Ok(())
    }
}

/// The parameters with the values of tensors, which must be of the same names and shapes.
fn put(parameters: &[Parameter], tensors: Vec<Tensor>) -> Result<Vec<Parameter>, String> {
    if let Some(tensor) = tensors.iter().find(|tensor| parameters.iter().all(|known| known.name != tensor.name)) {
        return Err(format!("it has a parameter `{}`, which this network has not", tensor.name));
    }
    let value = |parameter: &Parameter| {
        let tensor = tensors.iter().find(|tensor| tensor.name == parameter.name);
        let tensor = tensor.ok_or_else(|| format!("it lacks the parameter `{}`", parameter.name))?;
        if tensor.shape != parameter.shape {
            let (name, theirs, ours) = (&parameter.name, &tensor.shape, &parameter.shape);
            return Err(format!("its parameter `{name}` has the shape {theirs:?}, that of this network {ours:?}"));
        }
        Ok(Parameter { values: tensor.values.clone(), ..parameter.clone() })
    };
    parameters.iter().map(value).collect()
}

/// Tells apart what networks of the same layers have beside their parameters. The text of a number is that of no other.
fn surroundings(trained: &Trained) -> String {
    blake3::hash(format!("{:?} {:?}", trained.inputs, trained.quantization).as_bytes()).to_hex().to_string()
}

/// Tells apart data sets: blake3 of names, shapes and values of all arrays in use.
fn digest(samples: &Samples) -> String {
    let mut hasher = blake3::Hasher::new();
    for input in &samples.inputs {
        hasher.update(format!("{:?} {:?} {}\n", input.name, input.shape, input.values.len()).as_bytes());
        update(&mut hasher, input.values, f32::to_le_bytes);
    }
    for target in &samples.targets {
        match target {
            Wanted::Classes(classes, size) => {
                hasher.update(format!("classes {size} {}\n", classes.len()).as_bytes());
                update(&mut hasher, classes, u32::to_le_bytes);
            }
            Wanted::Values(values, size) => {
                hasher.update(format!("values {size} {}\n", values.len()).as_bytes());
                update(&mut hasher, values, f32::to_le_bytes);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Hashes values by blocks that blake3 can work on side by side.
fn update<T: Copy>(hasher: &mut blake3::Hasher, values: &[T], bytes: fn(T) -> [u8; 4]) {
    let mut block = Vec::with_capacity(1 << 16);
    for values in values.chunks(1 << 14) {
        block.clear();
        block.extend(values.iter().flat_map(|&value| bytes(value)));
        hasher.update(&block);
    }
}

#[cfg(test)]
mod tests;

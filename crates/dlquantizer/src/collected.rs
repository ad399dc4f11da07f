//! What calibration keeps of the activations: a commutative monoid, so that order, cuts and threads leave no trace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sketch::Sketch;
use crate::statistics::{ChannelStatistics, TensorStatistics};
use crate::texture::Texture;

/// Everything that was observed of some samples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collected {
    pub(crate) samples: u64,
    pub(crate) sketch: Sketch,
    /// By the tensor's name.
    pub(crate) activations: BTreeMap<String, Activation>,
}

/// What was observed of one activation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    /// The values of the samples with an even hash, and of those with an odd one: two random halves, the same in any order.
    pub(crate) halves: [TensorStatistics; 2],
    /// By channel, for the outputs of dense layers and convolutions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<ChannelStatistics>,
    /// How alike neighbouring values are, for inputs of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) texture: Option<Texture>,
}

impl Activation {
    /// The values of both halves.
    ///
    /// # Errors
    ///
    /// When they are more than can be counted.
    pub(crate) fn statistics(&self) -> Result<TensorStatistics, String> {
        let [mut all, odd] = self.halves.clone();
        all.merge(&odd).map_err(|error| error.to_string())?;
        Ok(all)
    }

    /// Adds what was observed of the same tensor on other samples.
    ///
    /// # Errors
    ///
    /// When the values are more than can be counted, or the channels differ in number.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), String> {
        for (ours, theirs) in self.halves.iter_mut().zip(&other.halves) {
            ours.merge(theirs).map_err(|error| error.to_string())?;
        }
        match (&mut self.channels, &other.channels) {
            (Some(ours), Some(theirs)) => ours.merge(theirs).map_err(|error| error.to_string())?,
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
        match (&mut self.texture, &other.texture) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours, theirs) => *ours = ours.or(*theirs),
        }
        Ok(())
    }
}

impl Collected {
    /// Adds what was observed of other samples.
    ///
    /// # Errors
    ///
    /// Naming the tensor that could not be merged.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), String> {
        self.samples = self.samples.checked_add(other.samples).ok_or("more than 2^64 samples")?;
        self.sketch.merge(&other.sketch);
        for (name, theirs) in &other.activations {
            match self.activations.get_mut(name) {
                Some(ours) => ours.merge(theirs).map_err(|error| format!("tensor \"{name}\": {error}"))?,
                None => drop(self.activations.insert(name.clone(), theirs.clone())),
            }
        }
        Ok(())
    }
}

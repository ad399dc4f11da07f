//! What a network can be made of.

mod activate;
mod add;
mod avg_pool;
mod batch_norm;
mod concat;
mod conv2d;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod global_avg_pool;
mod gru;
mod layer_norm;
mod lstm;
mod max_pool;
mod padding;
mod pair;
mod recurrent;
mod reshape;
mod window;

use serde::{Deserialize, Serialize};

pub use self::activate::{Activate, activate};
pub use self::add::{Add, add};
pub use self::avg_pool::{AvgPool, avg_pool};
pub use self::batch_norm::{BatchNorm, batch_norm};
pub use self::concat::{Concat, concat};
pub use self::conv2d::{Conv2d, conv2d, dense_to_conv};
pub use self::dense::{Dense, dense};
pub use self::dropout::{AlphaDropout, Dropout, alpha_dropout, dropout};
pub use self::embedding::{Embedding, embedding};
pub use self::flatten::{Flatten, flatten};
pub use self::global_avg_pool::{GlobalAvgPool, global_avg_pool};
pub use self::gru::{Gru, gru};
pub use self::layer_norm::{LayerNorm, layer_norm};
pub use self::lstm::{Lstm, lstm};
pub use self::max_pool::{MaxPool, max_pool};
pub use self::padding::Padding;
pub use self::pair::Pair;
pub use self::recurrent::Returns;
pub use self::reshape::{Reshape, reshape};

use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::op::Built;

/// One layer of a network: one `[[layer]]` of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Names the layer in messages and its node in the ONNX model.
    pub name: String,
    /// Whose answers it reads: layers before it, or inputs of the network. Empty, the default, for the layer before it; the first layer
    /// then reads the network's one input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// What it computes.
    #[serde(flatten)]
    pub kind: LayerKind,
}

/// What a layer computes: `kind` in a configuration, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerKind {
    /// A fully connected layer.
    Dense(Dense),
    /// A convolution of images.
    #[serde(rename = "conv2d")]
    Conv2d(Conv2d),
    /// The largest value under a window.
    MaxPool(MaxPool),
    /// The mean under a window.
    AvgPool(AvgPool),
    /// The mean of each channel.
    GlobalAvgPool(GlobalAvgPool),
    /// Normalization of each feature or channel over the batch.
    BatchNorm(BatchNorm),
    /// Normalization of the features of each sample.
    LayerNorm(LayerNorm),
    /// Values left out at random in training.
    Dropout(Dropout),
    /// Dropout for networks of SELU activations.
    AlphaDropout(AlphaDropout),
    /// A vector for each index.
    Embedding(Embedding),
    /// A long short-term memory.
    Lstm(Lstm),
    /// A gated recurrent unit.
    Gru(Gru),
    /// A function of each value.
    Activation(Activate),
    /// All values of a sample in one row.
    Flatten(Flatten),
    /// The values of a sample in another shape.
    Reshape(Reshape),
    /// The sum of several answers of one shape.
    Add(Add),
    /// Several answers side by side.
    Concat(Concat),
}

/// What a layer may need to know beside the shapes of its inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context {
    /// The width of a layer that gives an output of the network and has none of its own.
    pub(crate) width: Option<usize>,
    /// The position of the layer among all, which tells its noise from that of others.
    pub(crate) position: u32,
}

impl Layer {
    /// A layer that reads the answer of the one before it.
    pub fn new(name: impl Into<String>, kind: impl Into<LayerKind>) -> Self {
        Self { name: name.into(), inputs: Vec::new(), kind: kind.into() }
    }

    /// The same layer reading the answers of the named layers or inputs instead.
    #[must_use]
    pub fn after<S: Into<String>>(mut self, inputs: impl IntoIterator<Item = S>) -> Self {
        self.inputs = inputs.into_iter().map(Into::into).collect();
        self
    }

    /// Checks what can be checked without shapes.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.kind {
            LayerKind::Dense(layer) => layer.check(&self.name),
            LayerKind::Conv2d(layer) => layer.check(&self.name),
            LayerKind::MaxPool(layer) => layer.check(&self.name),
            LayerKind::AvgPool(layer) => layer.check(&self.name),
            LayerKind::BatchNorm(layer) => layer.check(&self.name),
            LayerKind::LayerNorm(layer) => layer.check(&self.name),
            LayerKind::Dropout(layer) => layer.check(&self.name),
            LayerKind::AlphaDropout(layer) => layer.check(&self.name),
            LayerKind::Embedding(layer) => layer.check(&self.name),
            LayerKind::Lstm(layer) => layer.check(&self.name),
            LayerKind::Gru(layer) => layer.check(&self.name),
            LayerKind::Reshape(layer) => layer.check(&self.name),
            LayerKind::GlobalAvgPool(_)
            | LayerKind::Activation(_)
            | LayerKind::Flatten(_)
            | LayerKind::Add(_)
            | LayerKind::Concat(_) => Ok(()),
        }
    }

    /// The computation for samples of the given shapes, without the activation.
    pub(crate) fn build(&self, inputs: &[&[usize]], context: Context) -> Result<Built> {
        match &self.kind {
            LayerKind::Dense(layer) => layer.build(&self.name, self.one(inputs)?, context),
            LayerKind::Conv2d(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::MaxPool(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::AvgPool(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::GlobalAvgPool(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::BatchNorm(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::LayerNorm(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::Dropout(layer) => Ok(layer.build(self.one(inputs)?, context)),
            LayerKind::AlphaDropout(layer) => Ok(layer.build(self.one(inputs)?, context)),
            LayerKind::Embedding(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::Lstm(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::Gru(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::Activation(layer) => Ok(layer.build(self.one(inputs)?)),
            LayerKind::Flatten(layer) => Ok(layer.build(self.one(inputs)?)),
            LayerKind::Reshape(layer) => layer.build(&self.name, self.one(inputs)?),
            LayerKind::Add(layer) => layer.build(&self.name, inputs),
            LayerKind::Concat(layer) => layer.build(&self.name, inputs),
        }
    }

    /// The function applied to what [`Self::build`] computes.
    pub(crate) fn activation(&self) -> Activation {
        match &self.kind {
            LayerKind::Dense(layer) => layer.activation,
            LayerKind::Conv2d(layer) => layer.activation,
            LayerKind::BatchNorm(layer) => layer.activation,
            LayerKind::LayerNorm(layer) => layer.activation,
            LayerKind::Add(layer) => layer.activation,
            LayerKind::MaxPool(_)
            | LayerKind::AvgPool(_)
            | LayerKind::GlobalAvgPool(_)
            | LayerKind::Dropout(_)
            | LayerKind::AlphaDropout(_)
            | LayerKind::Embedding(_)
            | LayerKind::Lstm(_)
            | LayerKind::Gru(_)
            | LayerKind::Activation(_)
            | LayerKind::Flatten(_)
            | LayerKind::Reshape(_)
            | LayerKind::Concat(_) => Activation::Linear,
        }
    }

    /// The one input of a layer that takes no more.
    fn one<'a>(&self, inputs: &[&'a [usize]]) -> Result<&'a [usize]> {
        match inputs {
            [input] => Ok(input),
            _ => {
                Err(Error::InputCountOfLayer { layer: self.name.clone(), count: inputs.len(), expected: "exactly one" })
            }
        }
    }
}

#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;

//! Which tensors of a prepared model have a range.

use std::collections::{HashMap, HashSet};

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto, ValueInfoProto};
use onnx_model::{DataType, ValueInfo};

use crate::constants::{dynamic, float_constant};
use crate::convolutions::Convolution;
use crate::layers::Layer;
use crate::node::{node_name, operator};
use crate::prepare::Origins;
use crate::statistics::ChannelStatistics;
use crate::{Error, TensorKind, TensorStatistics};

/// A tensor to collect, with its place in the model.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) layer: String,
    pub(crate) network_layer: String,
    pub(crate) kind: TensorKind,
    /// Of an activation that has channels: how they lie, and how many there are.
    pub(crate) channels: Option<(ChannelAxis, usize)>,
    /// Of a constant, which needs no data.
    pub(crate) constant: Option<Constant>,
    /// The activation that has the very same values, in another shape; only that one is observed.
    pub(crate) same_as: Option<String>,
}

/// The statistics of a constant.
pub(crate) struct Constant {
    pub(crate) statistics: TensorStatistics,
    pub(crate) channels: Option<ChannelStatistics>,
}

/// The axis of a layer's output that its channels lie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelAxis {
    /// Of a convolution, `[batch, channels, ...]`.
    Second,
    /// Of a dense layer, `[batch, ..., channels]`.
    Last,
}

impl ChannelAxis {
    /// The channels of a tensor of this shape and the values of one that lie side by side; none if the axis is not within a sample, the
    /// samples lying along `batch_axis`.
    pub(crate) fn layout(self, shape: &[usize], batch_axis: usize) -> Option<(usize, usize)> {
        let axis = match self {
            Self::Second => 1,
            Self::Last => shape.len().checked_sub(1)?,
        };
        let channels = *shape.get(axis)?;
        (batch_axis < axis).then(|| (channels, shape[axis + 1..].iter().product()))
    }
}

/// A layer with weights.
struct Weighted<'g> {
    layer: String,
    network_layer: String,
    weights: &'g str,
    /// Whether the channels are the first axis of the weights; otherwise they are the last.
    channels_first: bool,
    bias: Option<&'g str>,
    channels: (ChannelAxis, usize),
}

/// The model's inputs, the weights and biases of its dense layers and convolutions, and the result of every node that depends on an
/// input; of a layer with a fused activation only the result behind it.
pub(crate) fn list(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    layers: &[Layer],
    origins: &Origins,
) -> Result<Vec<Tensor>, Error> {
    let mut tensors = Vec::new();
    let dynamic = dynamic(graph, index);
    for input in graph.input.iter().filter(|input| dynamic.contains(input.name()) && is_real(input)) {
        tensors.push(Tensor::activation(input.name(), input.name(), input.name(), None));
    }
    let mut weighted: HashMap<&str, Weighted<'_>> = HashMap::new();
    let mut made_by_layers: HashSet<&str> = HashSet::new();
    for layer in layers {
        made_by_layers.extend(layer.tensors.iter().map(String::as_str));
        weighted.insert(&layer.output, Weighted::dense(layer));
    }
    for node in index.order().iter().map(|&position| &graph.node[position]) {
        if let Some(convolution) = Convolution::at(graph, index, node)? {
            made_by_layers.extend(&convolution.tensors);
            if let (Some(first), Some(last)) = (convolution.tensors.first(), convolution.tensors.last()) {
                let name = node_name(node);
                let mut network = origins.of(first, &name);
                network.extend(convolution.activations.iter().cloned());
                weighted.insert(last, Weighted::convolution(&convolution, name, network.join(" + ")));
            }
        }
    }
    let mut constants: HashSet<&str> = HashSet::new();
    for &position in index.order() {
        let node = &graph.node[position];
        for output in node.output.iter().map(String::as_str).filter(|name| dynamic.contains(name)) {
            if let Some(layer) = weighted.get(output) {
                let learnables =
                    [Some((layer.weights, TensorKind::Weight)), layer.bias.map(|name| (name, TensorKind::Bias))];
                for (name, kind) in learnables.into_iter().flatten() {
                    // A constant that two layers share is listed once, with the first.
                    if constants.insert(name) {
                        tensors.push(layer.learnable(index, name, kind)?);
                    }
                }
                let (name, network) = (&layer.layer, &layer.network_layer);
                tensors.push(Tensor::activation(output, name, network, Some(layer.channels)));
            } else if !made_by_layers.contains(output) {
                let name = node_name(node);
                let network = origins.of(output, &name).join(" + ");
                let same_as = reshaped(node).and_then(|source| observed(&tensors, source));
                tensors.push(Tensor { same_as, ..Tensor::activation(output, &name, &network, None) });
            }
        }
    }
    Ok(tensors)
}

/// The tensor that a node only gives another shape.
fn reshaped(node: &NodeProto) -> Option<&str> {
    let moves = matches!(operator(node), "Flatten" | "Identity" | "Reshape" | "Squeeze" | "Transpose" | "Unsqueeze");
    node.input.first().map(String::as_str).filter(|_| moves)
}

/// The tensor that is observed for this one, if it is an activation.
fn observed(tensors: &[Tensor], name: &str) -> Option<String> {
    let tensor = tensors.iter().find(|tensor| tensor.name == name && tensor.kind == TensorKind::Activation)?;
    Some(tensor.same_as.clone().unwrap_or_else(|| name.to_owned()))
}

/// Whether an input holds real numbers; others, as token ids and masks, have no range.
pub(crate) fn is_real(input: &ValueInfoProto) -> bool {
    use DataType::{Bfloat16, Double, Float, Float16};
    matches!(ValueInfo::from(input).element_type, Float | Double | Float16 | Bfloat16)
}

impl<'g> Weighted<'g> {
    fn dense(layer: &'g Layer) -> Self {
        Self {
            layer: layer.name.clone(),
            network_layer: layer.network.join(" + "),
            weights: &layer.weights,
            channels_first: layer.transposed,
            bias: layer.bias.as_deref(),
            channels: (ChannelAxis::Last, layer.outputs),
        }
    }

    fn convolution(convolution: &Convolution<'g>, layer: String, network_layer: String) -> Self {
        Self {
            layer,
            network_layer,
            weights: convolution.weights,
            channels_first: true,
            bias: convolution.bias,
            channels: (ChannelAxis::Second, convolution.channels),
        }
    }

    fn learnable(&self, index: &GraphIndex<'_>, name: &str, kind: TensorKind) -> Result<Tensor, Error> {
        let (shape, values) = float_constant(index, name)?.unwrap_or_default();
        let channels_first = self.channels_first && kind == TensorKind::Weight;
        let channels = if channels_first { shape.first() } else { shape.last() };
        let channels = channels.filter(|&&channels| channels > 0).and_then(|&channels| {
            let inner = if channels_first { values.len() / channels } else { 1 };
            ChannelStatistics::of(&values, channels, inner).ok()
        });
        let constant = Some(Constant { statistics: TensorStatistics::of(&values), channels });
        Ok(Tensor { kind, constant, ..Tensor::activation(name, &self.layer, &self.network_layer, None) })
    }
}

impl Tensor {
    fn activation(name: &str, layer: &str, network_layer: &str, channels: Option<(ChannelAxis, usize)>) -> Self {
        Self {
            name: name.to_owned(),
            layer: layer.to_owned(),
            network_layer: network_layer.to_owned(),
            kind: TensorKind::Activation,
            channels,
            constant: None,
            same_as: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_lie_within_a_sample() {
        assert_eq!(ChannelAxis::Second.layout(&[8, 32, 28, 28], 0), Some((32, 784)));
        assert_eq!(ChannelAxis::Last.layout(&[8, 10], 0), Some((10, 1)));
        assert_eq!(ChannelAxis::Last.layout(&[5, 8, 10], 1), Some((10, 1)));
        assert_eq!(ChannelAxis::Last.layout(&[10, 8], 1), None);
        assert_eq!(ChannelAxis::Last.layout(&[], 0), None);
        assert_eq!(ChannelAxis::Second.layout(&[8], 0), None);
    }
}

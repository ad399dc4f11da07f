//! The convolutions of a prepared model.

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};

use crate::Error;
use crate::constants::float_shape;
use crate::layers::{fused_activation, is_bias, only_reader};
use crate::node::{node_name, only_output, operator};

/// A convolution with constant weights, and the Relu or Clip behind it.
pub(crate) struct Convolution<'g> {
    /// Name of the weights, `[output channels, input channels / group, ...]`.
    pub(crate) weights: &'g str,
    pub(crate) bias: Option<&'g str>,
    /// Output channels.
    pub(crate) channels: usize,
    /// The nodes behind the convolution that belong to it.
    pub(crate) activations: Vec<String>,
    /// What its nodes make, from the convolution to the last activation.
    pub(crate) tensors: Vec<&'g str>,
}

impl<'g> Convolution<'g> {
    /// The convolution that `node` is, if it is one (ONNX operator Conv).
    ///
    /// # Errors
    ///
    /// When its constants cannot be read.
    pub(crate) fn at(
        graph: &'g GraphProto,
        index: &GraphIndex<'g>,
        node: &'g NodeProto,
    ) -> Result<Option<Self>, Error> {
        let ("Conv", [_, weights, rest @ ..], Some(mut output)) =
            (operator(node), node.input.as_slice(), only_output(node))
        else {
            return Ok(None);
        };
        let channels = match float_shape(index, weights)?.as_deref() {
            Some([channels, _, ..]) if *channels > 0 => *channels,
            _ => return Ok(None),
        };
        let bias = rest.first().filter(|name| !name.is_empty()).map(String::as_str);
        if !bias.map(|name| is_bias(index, name, channels)).transpose()?.unwrap_or(true) {
            return Ok(None);
        }
        let mut activations = Vec::new();
        let mut tensors = vec![output];
        while let Some((next, made)) = only_reader(graph, index, output)
            && fused_activation(graph, index, next, output).is_some()
        {
            activations.push(node_name(next));
            tensors.push(made);
            output = made;
        }
        Ok(Some(Self { weights, bias, channels, activations, tensors }))
    }
}

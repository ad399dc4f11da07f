//! Which tensors of a prepared model have a range.

use std::collections::{HashMap, HashSet};

use onnx_model::graph::GraphIndex;
use onnx_model::proto::GraphProto;

use crate::constants::{dynamic, float_constant};
use crate::layers::Layer;
use crate::node::node_name;
use crate::prepare::Origins;
use crate::{Error, TensorKind, TensorStatistics};

/// A tensor to collect, with its place in the model.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) layer: String,
    pub(crate) network_layer: String,
    pub(crate) kind: TensorKind,
    /// Statistics of a constant, which need no data.
    pub(crate) constant: Option<TensorStatistics>,
}

/// The model's inputs, the weights and biases of its layers, and the result of every node that depends on an input; of a layer with a
/// fused activation only the result behind it.
pub(crate) fn list(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    layers: &[Layer],
    origins: &Origins,
) -> Result<Vec<Tensor>, Error> {
    let mut tensors = Vec::new();
    let dynamic = dynamic(graph, index);
    for input in graph.input.iter().map(|input| input.name()).filter(|name| dynamic.contains(name)) {
        tensors.push(Tensor::activation(input, input, input));
    }
    let by_output: HashMap<&str, &Layer> = layers.iter().map(|layer| (layer.output.as_str(), layer)).collect();
    let made_by_layers: HashSet<&str> = layers.iter().flat_map(|layer| &layer.tensors).map(String::as_str).collect();
    let mut constants: HashSet<&str> = HashSet::new();
    for &position in index.order() {
        let node = &graph.node[position];
        for output in node.output.iter().map(String::as_str).filter(|name| dynamic.contains(name)) {
            if let Some(layer) = by_output.get(output) {
                let network = layer.network.join(" + ");
                let weights = (&layer.weights, TensorKind::Weight);
                for (name, kind) in
                    [weights].into_iter().chain(layer.bias.as_ref().map(|name| (name, TensorKind::Bias)))
                {
                    // A constant that two layers share is listed once, with the first.
                    if constants.insert(name) {
                        let (_, values) = float_constant(index, name)?.unwrap_or_default();
                        let constant = Some(TensorStatistics::of(&values));
                        tensors.push(Tensor { kind, constant, ..Tensor::activation(name, &layer.name, &network) });
                    }
                }
                tensors.push(Tensor::activation(output, &layer.name, &network));
            } else if !made_by_layers.contains(output) {
                let name = node_name(node);
                tensors.push(Tensor::activation(output, &name, &origins.of(output, &name).join(" + ")));
            }
        }
    }
    Ok(tensors)
}

impl Tensor {
    fn activation(name: &str, layer: &str, network_layer: &str) -> Self {
        Self {
            name: name.to_owned(),
            layer: layer.to_owned(),
            network_layer: network_layer.to_owned(),
            kind: TensorKind::Activation,
            constant: None,
        }
    }
}

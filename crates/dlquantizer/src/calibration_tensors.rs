//! Which tensors of a prepared model have a range.

use std::collections::{HashMap, HashSet};

use onnx_model::graph::GraphIndex;
use onnx_model::proto::GraphProto;

use crate::layers::{Layer, node_name};
use crate::prepare::{Origins, float_constant};
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
    let mut depends: HashSet<&str> = HashSet::new();
    for input in graph.input.iter().map(|input| input.name()).filter(|name| index.initializer(name).is_none()) {
        depends.insert(input);
        tensors.push(activation(input, input, input));
    }
    let by_output: HashMap<&str, &Layer> = layers.iter().map(|layer| (layer.output.as_str(), layer)).collect();
    let inside = inside_layers(graph, index, layers);
    for &position in index.order() {
        let node = &graph.node[position];
        let dynamic = onnx_model::graph::reads_of(node).iter().any(|name| depends.contains(name));
        for output in node.output.iter().map(String::as_str).filter(|name| dynamic && !name.is_empty()) {
            depends.insert(output);
            match by_output.get(output) {
                Some(layer) => {
                    for (name, kind) in
                        [(Some(&layer.weights), TensorKind::Weight), (layer.bias.as_ref(), TensorKind::Bias)]
                    {
                        // A constant that two layers share is listed once, with the first.
                        if let Some(name) =
                            name.filter(|name| tensors.iter().all(|tensor: &Tensor| tensor.name != **name))
                        {
                            let (_, values) = float_constant(index, name)?.unwrap_or_default();
                            let constant = Some(TensorStatistics::of(&values));
                            tensors.push(Tensor {
                                kind,
                                constant,
                                ..activation(name, &layer.name, &layer.network.join(" + "))
                            });
                        }
                    }
                    tensors.push(activation(output, &layer.name, &layer.network.join(" + ")));
                }
                None if inside.contains(output) => {}
                None => {
                    let name = node_name(node);
                    let network = origins.of(output, &name).join(" + ");
                    tensors.push(activation(output, &name, &network));
                }
            }
        }
    }
    Ok(tensors)
}

fn activation(name: &str, layer: &str, network_layer: &str) -> Tensor {
    Tensor {
        name: name.to_owned(),
        layer: layer.to_owned(),
        network_layer: network_layer.to_owned(),
        kind: TensorKind::Activation,
        constant: None,
    }
}

/// Tensors between a layer's product and its output, which the layer alone reads.
fn inside_layers<'a>(graph: &'a GraphProto, index: &GraphIndex<'_>, layers: &[Layer]) -> HashSet<&'a str> {
    let mut inside = HashSet::new();
    for layer in layers {
        let mut current = layer.output.as_str();
        while let Some(node) = index.producer(current).map(|producer| &graph.node[producer]) {
            if matches!(node.op_type(), "Gemm" | "MatMul") {
                break;
            }
            let Some(previous) =
                node.input.iter().find(|name| index.initializer(name).is_none() && index.producer(name).is_some())
            else {
                break;
            };
            inside.insert(previous.as_str());
            current = previous;
        }
    }
    inside
}

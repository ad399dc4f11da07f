//! Networks from ONNX models, to be trained further.

mod constants;
mod images;
mod linear;
mod normalization;
mod normalizers;
mod operators;

use std::collections::{BTreeMap, BTreeSet};

use onnx_model::graph::{GraphIndex, describe};
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{Dim, Model, Shapes, ValueInfo};

use crate::activation::Activation;
use crate::config::Output;
use crate::error::{Error, Result};
use crate::layers::{Layer, LayerKind};
use crate::loss::{Loss, Targets};
use crate::network::Network;
use crate::random::{Purpose, generator};
use crate::trained::{NetworkInput, Trained, requests};

impl Trained {
    /// The network of a float ONNX model, to be scored or trained further.
    ///
    /// Takes over `Gemm`, `MatMul` with `Add`, `Conv`, `MaxPool`, `AveragePool`, `GlobalAveragePool` with `Flatten`, `BatchNormalization`, `LayerNormalization`, `Gather` from a table, `Flatten`, `Reshape`, `Add` of several answers, `Concat`, the functions that
    /// [`Activation`] has, `Sub` and `Div` that normalize an input, and drops `Identity` and `Dropout`. What [`Self::to_model`] writes is
    /// read back as it was: the same bytes come out again.
    ///
    /// # Errors
    ///
    /// [`Error::Import`] with the node that no layer of the trainer stands for, and what to do about it.
    pub fn from_model(model: &Model) -> Result<Self> {
        let graph = model.graph();
        let index = GraphIndex::new(graph)?;
        let mut reader = Reader {
            graph,
            index: &index,
            shapes: Shapes::of_one_sample(graph, &index)?,
            inputs: model.inputs().into_iter().map(input).collect::<Result<_>>()?,
            layers: Vec::new(),
            parameters: BTreeMap::new(),
            answers: BTreeMap::new(),
            done: BTreeSet::new(),
        };
        for input in &graph.input {
            reader.answers.insert(input.name(), input.name().to_owned());
        }
        for &position in index.order() {
            if !reader.done.contains(&position) {
                reader.node(position, &graph.node[position])?;
            }
        }
        reader.finish()
    }
}

/// An input of the model, with the shape of a sample.
fn input(value: ValueInfo) -> Result<NetworkInput> {
    let sample = value.shape.as_deref().and_then(<[_]>::split_first).and_then(|(_, sample)| {
        sample.iter().map(|dim| if let Dim::Fixed(size) = dim { Some(*size) } else { None }).collect()
    });
    match sample {
        Some(shape) => Ok(NetworkInput { name: value.name, shape, normalization: None }),
        None => Err(Error::Import {
            node: format!("input \"{}\"", value.name),
            reason: "its shape has to be known but for the batch; export the model with fixed sizes".to_owned(),
        }),
    }
}

/// A graph on its way to layers.
struct Reader<'g> {
    graph: &'g GraphProto,
    index: &'g GraphIndex<'g>,
    shapes: Shapes<'g>,
    inputs: Vec<NetworkInput>,
    layers: Vec<Layer>,
    /// Values of the layers' parameters, by name.
    parameters: BTreeMap<String, Vec<f32>>,
    /// The input or layer that gives each tensor.
    answers: BTreeMap<&'g str, String>,
    /// Nodes that belong to the layer of another one.
    done: BTreeSet<usize>,
}

impl<'g> Reader<'g> {
    /// Adds a layer for a node and what `output` it makes.
    fn layer(
        &mut self,
        node: &NodeProto,
        output: &'g str,
        kind: impl Into<LayerKind>,
        reads: &[&str],
    ) -> Result<String> {
        let name = match node.name() {
            "" => output.to_owned(),
            name => name.to_owned(),
        };
        let sources = reads.iter().map(|tensor| self.source(node, tensor)).collect::<Result<Vec<_>>>()?;
        let mut layer = Layer::new(name.clone(), kind);
        let default = match self.layers.last() {
            Some(before) => Some(before.name.as_str()),
            None if self.inputs.len() == 1 => self.inputs.first().map(|input| input.name.as_str()),
            None => None,
        };
        if sources.len() != 1 || sources.first().map(String::as_str) != default {
            layer = layer.after(sources);
        }
        self.layers.push(layer);
        self.answers.insert(output, name.clone());
        Ok(name)
    }

    /// The input or layer that gives a tensor.
    fn source(&self, node: &NodeProto, tensor: &str) -> Result<String> {
        let refused = || refuse(node, format!("it reads \"{tensor}\", which does not follow from the samples"));
        self.answers.get(tensor).cloned().ok_or_else(refused)
    }

    /// The one node that reads a tensor which nothing else does.
    fn only_reader(&self, tensor: &str) -> Option<(usize, &'g NodeProto)> {
        match self.index.consumers(tensor) {
            [position] if !self.index.is_graph_output(tensor) => Some((*position, &self.graph.node[*position])),
            _ => None,
        }
    }

    fn finish(self) -> Result<Trained> {
        let Self { graph, inputs, layers, mut parameters, answers, .. } = self;
        let mut outputs = Vec::new();
        for output in &graph.output {
            let layer = answers.get(output.name()).and_then(|name| layers.iter().find(|layer| layer.name == *name));
            let layer = layer.ok_or_else(|| Error::Import {
                node: format!("output \"{}\"", output.name()),
                reason: "no layer gives it".to_owned(),
            })?;
            outputs.push(Output {
                layer: layer.name.clone(),
                loss: scored_by(layer, output.name()),
                weight: 1.0,
                target: None,
                normalize_target: false,
            });
        }
        layers.iter().try_for_each(Layer::check)?;
        let widths = vec![None; outputs.len()];
        let shapes: Vec<_> = inputs.iter().map(|input| (input.name.as_str(), &input.shape[..])).collect();
        // The first values drawn are replaced.
        let mut unused = generator(0, Purpose::Weights, 0);
        let mut network = Network::new(&layers, &shapes, &requests(&outputs, &widths), &mut unused)?;
        for parameter in &mut network.parameters {
            match parameters.remove(&parameter.name) {
                Some(values) if values.len() == parameter.values.len() => parameter.values = values,
                Some(values) => {
                    let reason = format!(
                        "it has {} values where the shape of its input asks for {}; check the model",
                        values.len(),
                        parameter.values.len()
                    );
                    return Err(Error::Import { node: format!("the constant of \"{}\"", parameter.name), reason });
                }
                None => return Err(Error::NameTaken { name: parameter.name.clone() }),
            }
        }
        let functions = outputs.iter().zip(&network.heads).map(|(output, head)| {
            let width = network.value(head.scored).shape.last().copied().unwrap_or(1);
            output.loss.fit(&head.layer, width, Targets::Classes(&[]))
        });
        let losses = functions.collect::<Result<_>>()?;
        Ok(Trained { inputs, layers, outputs, losses, widths, parameters: network.parameters, quantization: None })
    }
}

/// The loss that an export calls an output so for; several outputs are called like their layers.
fn scored_by(layer: &Layer, output: &str) -> Loss {
    let last = match &layer.kind {
        LayerKind::Activation(layer) => layer.function,
        _ => layer.activation(),
    };
    match (output, last) {
        ("probabilities", Activation::Sigmoid) => Loss::binary_cross_entropy(),
        ("logits" | "probabilities", _) => Loss::default(),
        _ => Loss::MeanSquaredError,
    }
}

fn refuse(node: &NodeProto, reason: impl Into<String>) -> Error {
    Error::Import { node: describe(node), reason: reason.into() }
}

/// What a layer applies to its answer, if it can be told to apply something.
fn function_of(layer: &mut Layer) -> Option<&mut Activation> {
    match &mut layer.kind {
        LayerKind::Dense(layer) => Some(&mut layer.activation),
        LayerKind::Add(layer) => Some(&mut layer.activation),
        LayerKind::BatchNorm(layer) => Some(&mut layer.activation),
        LayerKind::Conv2d(layer) => Some(&mut layer.activation),
        LayerKind::LayerNorm(layer) => Some(&mut layer.activation),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

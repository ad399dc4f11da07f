//! How a trained network is written as an ONNX model.

use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};

use crate::error::{Error, Result};
use crate::normalize::Normalization;
use crate::op::Parameter;
use crate::trained::Trained;

/// Goes with IR version 10, which runtimes have read since 2024.
const OPSET: i64 = 21;

impl Trained {
    /// The network as an ONNX model that takes raw samples.
    ///
    /// The inputs have the names and shapes of the training data's, `[N, ...]`. A single output is called `logits` where a cross-entropy
    /// looks at it as it is, `probabilities` behind a softmax or sigmoid, `output` otherwise; several are called like their layers.
    /// The nodes are `Sub` and `Div` for the normalization, then those of each layer, named like it, with its parameters
    /// `<layer>.weight`, `<layer>.bias` and so on; a `Gemm` has its weights as `[inputs, units]`. There are no times or paths in the model:
    /// equal networks give equal bytes.
    ///
    /// # Errors
    ///
    /// If two nodes or two values of the model would have one name, for example an input `fc1.bias` beside a layer `fc1`.
    pub fn to_model(&self) -> Result<Model> {
        let network = self.network()?;
        let mut graph = GraphWriter::default();
        let mut values = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let prefix = if self.inputs.len() == 1 { String::new() } else { format!("{}.", input.name) };
            values.push(match &input.normalization {
                Some(normalization) => graph.normalize(&prefix, &input.name, &input.shape, normalization)?,
                None => input.name.clone(),
            });
        }
        let answers = network.export(&mut graph, values)?;
        let mut outputs = Vec::with_capacity(answers.len());
        for ((answer, output), head) in answers.into_iter().zip(&self.outputs).zip(&network.heads) {
            let name = match (self.outputs.len(), output.loss.absorbs()) {
                (2.., _) => &output.layer,
                (_, Some(_)) if head.scored != head.given => "probabilities",
                (_, Some(_)) => "logits",
                (_, None) => "output",
            };
            graph.rename(&answer, name);
            outputs.push((&batch_of(name, &network.value(head.given).shape)).into());
        }
        let graph = GraphProto {
            name: Some("network".to_owned()),
            input: self.inputs.iter().map(|input| (&batch_of(&input.name, &input.shape)).into()).collect(),
            output: outputs,
            initializer: graph.initializers,
            node: graph.nodes,
            ..GraphProto::default()
        };
        let model = Model::new(graph, OPSET).with_producer("quantize", env!("CARGO_PKG_VERSION"));
        model.check()?;
        // An initializer named like an input is legal ONNX, but makes it the input's default value.
        let inputs = model.inputs();
        match self.inputs.iter().find(|wanted| inputs.iter().all(|input| input.name != wanted.name)) {
            Some(hidden) => Err(Error::NameTaken { name: hidden.name.clone() }),
            None => Ok(model),
        }
    }
}

/// A graph in the making.
#[derive(Default)]
pub(crate) struct GraphWriter {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl GraphWriter {
    /// Adds a node; gives the name of its one output, which is named after it.
    pub(crate) fn push(&mut self, mut node: NodeProto) -> Result<String> {
        if self.nodes.iter().any(|other| other.name() == node.name()) {
            return Err(Error::NameTaken { name: node.name().to_owned() });
        }
        let value = format!("{}.output", node.name());
        // Outputs asked for already stay, such as the states in front of an LSTM's.
        node.output.push(value.clone());
        self.nodes.push(node);
        Ok(value)
    }

    /// Adds a constant; nodes read it by its name.
    pub(crate) fn constant(&mut self, tensor: Tensor) {
        self.initializers.push(tensor.to_proto());
    }

    /// Adds parameters as they are; gives their names.
    pub(crate) fn parameters<'a>(&mut self, parameters: &'a [Parameter]) -> Result<Vec<&'a str>> {
        let add = |parameter: &'a Parameter| {
            self.constant(Tensor::f32(&parameter.name, &parameter.shape, parameter.values.clone())?);
            Ok(parameter.name.as_str())
        };
        parameters.iter().map(add).collect()
    }

    /// One value broadcasts over all features, as many as a sample has over all samples.
    fn normalize(&mut self, prefix: &str, input: &str, shape: &[usize], by: &Normalization) -> Result<String> {
        let Normalization { mean, std } = by;
        let shape = if mean.len() == 1 { &[1][..] } else { shape };
        let [mean_name, std_name] = ["mean", "std"].map(|what| format!("{prefix}normalize.{what}"));
        self.constant(Tensor::f32(&mean_name, shape, mean.clone())?);
        self.constant(Tensor::f32(&std_name, shape, std.clone())?);
        let centred = self.push(node("Sub", &format!("{prefix}normalize.sub"), &[input, &mean_name], &[]))?;
        self.push(node("Div", &format!("{prefix}normalize.div"), &[&centred, &std_name], &[]))
    }

    #[cfg(test)]
    pub(crate) fn into_parts(self) -> (Vec<NodeProto>, Vec<TensorProto>) {
        (self.nodes, self.initializers)
    }

    /// Gives a value another name, for all that give and read it.
    fn rename(&mut self, from: &str, to: &str) {
        for name in self.nodes.iter_mut().flat_map(|node| node.input.iter_mut().chain(&mut node.output)) {
            if name == from {
                to.clone_into(name);
            }
        }
    }
}

/// A float tensor of any number of samples.
fn batch_of(name: &str, shape: &[usize]) -> ValueInfo {
    let batch = std::iter::once(Dim::Symbolic("N".to_owned()));
    ValueInfo {
        name: name.to_owned(),
        element_type: DataType::Float,
        shape: Some(batch.chain(shape.iter().map(|&size| Dim::Fixed(size))).collect()),
    }
}

#[cfg(test)]
mod tests;

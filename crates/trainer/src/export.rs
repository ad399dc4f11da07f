//! How a trained network is written as an ONNX model.

use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};

use crate::error::{Error, Result};
use crate::layer::{Activation, Dense};
use crate::normalize::Normalization;
use crate::trained::Trained;

/// Goes with IR version 10, which runtimes have read since 2024.
const OPSET: i64 = 21;
const LOGITS: &str = "logits";

impl Trained {
    /// The network as an ONNX model that takes raw samples and gives logits `[N, classes]`, without a softmax.
    ///
    /// The input has the name and shape of the training data's, `[N, ...]`. The nodes are a `Flatten` for samples that are not
    /// rows of features already, `Sub` and `Div` for the normalization, then for each layer a `Gemm` named like it, with
    /// `<layer>.weight` `[inputs, units]` and `<layer>.bias` `[units]`, and a `Relu` if it has one. There are no times or paths
    /// in the model: equal networks give equal bytes.
    ///
    /// # Errors
    ///
    /// If two nodes or two values of the model would have one name, for example an input `fc1.bias` beside a layer `fc1`.
    pub fn to_model(&self) -> Result<Model> {
        let mut chain = Chain { nodes: Vec::new(), initializers: Vec::new(), value: self.input.clone() };
        if self.shape.len() != 1 {
            chain.push(node("Flatten", "flatten", &[&chain.value], &[]))?;
        }
        if let Some(normalization) = &self.normalization {
            chain.normalize(normalization)?;
        }
        for layer in self.network.layers() {
            chain.dense(layer)?;
        }
        if let Some(last) = chain.nodes.last_mut() {
            last.output = vec![LOGITS.to_owned()];
        }
        let units = self.network.last().units();
        let graph = GraphProto {
            name: Some("network".to_owned()),
            input: vec![(&batch_of(&self.input, &self.shape)).into()],
            output: vec![(&batch_of(LOGITS, &[units])).into()],
            initializer: chain.initializers,
            node: chain.nodes,
            ..GraphProto::default()
        };
        let model = Model::new(graph, OPSET).with_producer("quantize", env!("CARGO_PKG_VERSION"));
        model.check()?;
        // An initializer named like the input is legal ONNX, but makes it the input's default value.
        if model.inputs().is_empty() {
            return Err(Error::NameTaken { name: self.input.clone() });
        }
        Ok(model)
    }
}

/// A graph in the making, each node of which reads what the one before gives.
struct Chain {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    /// What the last node gives; at first the input.
    value: String,
}

impl Chain {
    /// Adds a node; its one output is named after it.
    fn push(&mut self, mut node: NodeProto) -> Result<()> {
        if self.nodes.iter().any(|other| other.name() == node.name()) {
            return Err(Error::NameTaken { name: node.name().to_owned() });
        }
        self.value = format!("{}.output", node.name());
        node.output = vec![self.value.clone()];
        self.nodes.push(node);
        Ok(())
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: Vec<f32>) -> Result<()> {
        self.initializers.push(Tensor::f32(name, shape, values)?.to_proto());
        Ok(())
    }

    /// One value broadcasts over all features, `[features]` over all samples.
    fn normalize(&mut self, normalization: &Normalization) -> Result<()> {
        let Normalization { mean, std } = normalization;
        self.constant("normalize.mean", &[mean.len()], mean.clone())?;
        self.constant("normalize.std", &[std.len()], std.clone())?;
        self.push(node("Sub", "normalize.sub", &[&self.value, "normalize.mean"], &[]))?;
        self.push(node("Div", "normalize.div", &[&self.value, "normalize.std"], &[]))
    }

    fn dense(&mut self, layer: &Dense) -> Result<()> {
        let (weight, bias) = (format!("{}.weight", layer.name), format!("{}.bias", layer.name));
        self.constant(&weight, layer.weights.shape(), layer.weights.iter().copied().collect())?;
        self.constant(&bias, layer.bias.shape(), layer.bias.to_vec())?;
        self.push(node("Gemm", &layer.name, &[&self.value, &weight, &bias], &[]))?;
        match layer.activation {
            Activation::Linear => Ok(()),
            Activation::Relu => self.push(node("Relu", &format!("{}.relu", layer.name), &[&self.value], &[])),
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

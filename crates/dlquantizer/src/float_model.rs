//! A float model as the quantizer sees it.

use std::path::Path;

use dataset::Dataset;
use int8_inference::{Session, SessionOptions};
use onnx_model::Model;
use onnx_model::graph::GraphIndex;

use crate::layers::{self, Layer};
use crate::node::{node_name, operator};
use crate::prepare::{Prepared, prepare};
use crate::{Error, adapt, calibration_tensors};

/// A float network, as given and prepared for quantization.
///
/// Preparation folds BatchNormalization and constant scale and shift into dense layers, turns MatMul + Add into Gemm and drops
/// Identity and Dropout; the result computes the same function and keeps the names of the tensors that remain.
pub struct FloatModel {
    network: Model,
    prepared: Model,
    layers: Vec<Layer>,
    tensors: Vec<calibration_tensors::Tensor>,
    digest: String,
}

impl FloatModel {
    /// Reads and prepares an ONNX file.
    ///
    /// # Errors
    ///
    /// When the file is not a valid model, or is quantized already.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(Model::open(path)?)
    }

    /// Prepares a model.
    ///
    /// # Errors
    ///
    /// As [`FloatModel::open`].
    pub fn new(network: Model) -> Result<Self, Error> {
        if let Some(node) = network.graph().node.iter().find(|node| operator(node) == "QuantizeLinear") {
            return Err(Error::AlreadyQuantized { node: node_name(node) });
        }
        let Prepared { model: mut prepared, origins } = prepare(&network)?;
        // Of the graph alone, so that metadata or a producer's version make no other model of it; moved there and back, not copied.
        let graph = std::mem::take(prepared.graph_mut());
        let mut bare = prepared.with_graph(graph);
        let digest = blake3::hash(&bare.to_bytes()).to_hex().to_string();
        *prepared.graph_mut() = std::mem::take(bare.graph_mut());
        let graph = prepared.graph();
        let index = GraphIndex::new(graph)?;
        let layers = layers::find(graph, &index, &origins)?;
        let tensors = calibration_tensors::list(graph, &index, &layers, &origins)?;
        Ok(Self { network, prepared, layers, tensors, digest })
    }

    /// The network as given.
    pub fn network(&self) -> &Model {
        &self.network
    }

    /// The network as it is calibrated and quantized.
    pub fn prepared(&self) -> &Model {
        &self.prepared
    }

    /// The layers that can be quantized, in topological order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// BLAKE3 digest of the prepared graph, hexadecimal: what ties a calibration to its model.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn tensors(&self) -> &[calibration_tensors::Tensor] {
        &self.tensors
    }

    /// The network as given, compiled for float execution.
    ///
    /// # Errors
    ///
    /// When the float runtime lacks one of its operators.
    pub fn session(&self, options: &SessionOptions) -> Result<Session, Error> {
        Ok(Session::new(&self.network, options)?)
    }

    /// The data in the form the model takes, as [`adapt`](crate::adapt) does for any model.
    ///
    /// # Errors
    ///
    /// As [`adapt`](crate::adapt).
    pub fn adapt(&self, data: Dataset) -> Result<Dataset, Error> {
        adapt(&self.network, data)
    }
}

//! A float model as the quantizer sees it.

use std::path::Path;

use dataset::{Dataset, Normalization};
use int8_inference::{Session, SessionOptions};
use onnx_model::graph::GraphIndex;
use onnx_model::{Dim, Model};

use crate::layers::{self, Layer};
use crate::prepare::prepare;
use crate::{Error, calibration_tensors};

/// Metadata key of the mean that inference subtracts from raw samples: one number, or one per feature, separated by commas.
pub const INPUT_MEAN_KEY: &str = "quantize.input_mean";
/// Metadata key of the standard deviation that inference divides by, in the form of [`INPUT_MEAN_KEY`].
pub const INPUT_STD_KEY: &str = "quantize.input_std";

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
        if let Some(node) = network.graph().node.iter().find(|node| node.op_type() == "QuantizeLinear") {
            return Err(Error::AlreadyQuantized { node: layers::node_name(node) });
        }
        let prepared = prepare(&network)?;
        let graph = prepared.model.graph();
        let index = GraphIndex::new(graph)?;
        let layers = layers::find(graph, &index, &prepared.origins)?;
        let tensors = calibration_tensors::list(graph, &index, &layers, &prepared.origins)?;
        // The graph alone, so that metadata or a producer's version make no other model of it.
        let digest = blake3::hash(&prepared.model.with_graph(graph.clone()).to_bytes()).to_hex().to_string();
        Ok(Self { network, prepared: prepared.model, layers, tensors, digest })
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

    /// The data in the form the model takes: normalised by the mean and deviation in the model's metadata, if it has any, and each
    /// sample in the declared shape, if the number of values agrees.
    ///
    /// # Errors
    ///
    /// When the data lacks one of the model's inputs, a sample has another number of values, or the metadata is not numbers.
    pub fn adapt(&self, mut data: Dataset) -> Result<Dataset, Error> {
        if let Some(normalization) = self.normalization()? {
            data = data.normalize(&normalization)?;
        }
        for input in self.network.inputs() {
            let shape: Option<Vec<usize>> =
                input.shape.as_deref().and_then(|shape| shape.split_first()).and_then(|(_, rest)| {
                    rest.iter().map(|dim| if let Dim::Fixed(size) = dim { Some(*size) } else { None }).collect()
                });
            match shape {
                Some(shape) => data = data.shape_samples(&input.name, &shape)?,
                None => drop(data.input(&input.name)?),
            }
        }
        Ok(data)
    }

    fn normalization(&self) -> Result<Option<Normalization>, Error> {
        let numbers = |key: &'static str| -> Result<Option<Vec<f32>>, Error> {
            let Some(text) = self.network.metadata(key) else { return Ok(None) };
            let parsed: Result<Vec<f32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
            parsed.map(Some).map_err(|_| Error::Metadata { key, value: text.to_owned() })
        };
        match (numbers(INPUT_MEAN_KEY)?, numbers(INPUT_STD_KEY)?) {
            (None, None) => Ok(None),
            (mean, std) => {
                Ok(Some(Normalization::new(mean.unwrap_or_else(|| vec![0.0]), std.unwrap_or_else(|| vec![1.0]))?))
            }
        }
    }
}

//! Writes the int8 model: QDQ ONNX that any runtime reads and the integer engine fuses.

mod dynamic;
mod graph;
mod opset;
mod placement;
mod weight_only;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;

use int8_inference::{Session, SessionOptions};
use onnx_model::Model;
use serde::Serialize;

use crate::probe::{PROBE_KEY, Probe};
use crate::{Calibration, Error, FloatModel, Layer, LayerRecipe, MIN_SCALE, Precision, QuantParams, QuantType, Recipe};

/// Metadata key of the recipe, as TOML.
pub const RECIPE_KEY: &str = "quantize.recipe";
/// Metadata key of the version of this tool.
pub const VERSION_KEY: &str = "quantize.version";
/// Metadata key of the BLAKE3 digest of the calibration.
pub const CALIBRATION_KEY: &str = "quantize.calibration";
/// Metadata key of hashes of some of the samples that calibrated, so that nobody validates on them by mistake.
pub const CALIBRATION_SAMPLES_KEY: &str = "quantize.calibration_samples";
/// Metadata key of the BLAKE3 digest of the prepared float graph.
pub const MODEL_KEY: &str = "quantize.float_model";

/// An emitted model and what was chosen for each of its layers.
pub struct Int8Model {
    model: Model,
    layers: Vec<EmittedLayer>,
}

/// What became of a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmittedLayer {
    /// The layer's name.
    pub name: String,
    /// What it is: `dense`, `dense+relu`, ...
    pub kind: String,
    /// The arithmetic it computes in.
    pub precision: Precision,
    /// The scales of its weights: a single one, that of each output channel, or of each block; empty for a layer left in float.
    pub weight_scales: Vec<f32>,
    /// How its input is quantized, where the file says that.
    pub input: Option<QuantParams>,
    /// How its output is quantized; `None` where it stays float, as outputs of the graph do.
    pub output: Option<QuantParams>,
}

impl Recipe {
    /// Emits the int8 model: weights int8, bias int32, activations 8-bit between quantized layers, graph inputs and outputs float; layers of
    /// another [`Precision`] as that says.
    ///
    /// The result is compiled once by the integer engine before it is returned, so that whatever is emitted also runs; the hash of what it
    /// makes of a fixed input is written into its metadata ([`probe`](crate::probe)).
    ///
    /// # Errors
    ///
    /// When the calibration belongs to another model, a pattern of the recipe matches no layer, no layer can be quantized, a weight is
    /// not finite, or the model's operator set is too old to be raised.
    pub fn emit(&self, model: &FloatModel, calibration: &Calibration) -> Result<Int8Model, Error> {
        self.emit_by(model, &self.activations(model, calibration)?, Some(calibration))
    }

    /// How the activations are quantized that the int8 layers of a model read, and those that these are made of in 8 bits: what
    /// [`Recipe::emit`] does, by the names of the tensors.
    ///
    /// # Errors
    ///
    /// When the calibration belongs to another model or lacks a tensor, or a pattern of the recipe matches no layer.
    pub fn activations(
        &self,
        model: &FloatModel,
        calibration: &Calibration,
    ) -> Result<BTreeMap<String, QuantParams>, Error> {
        calibration.check_model(model.digest())?;
        let chosen = self.chosen(model)?;
        let raised = opset::raised(model.prepared(), chosen.iter().map(|(_, choice)| choice))?;
        match chosen.iter().any(|(_, choice)| choice.precision == Precision::Int8) {
            true => placement::activations(&raised, &chosen, self, calibration),
            false => Ok(BTreeMap::new()),
        }
    }

    /// [`Recipe::emit`] with activations quantized as given, by the names of the tensors, instead of read off a calibration: what a
    /// training with simulated quantization found out.
    ///
    /// # Errors
    ///
    /// As [`Recipe::emit`]; also when parameters are of another type than the recipe's activations, or no usable ones, or those of an int8
    /// layer's input are missing.
    pub fn emit_with(
        &self,
        model: &FloatModel,
        activations: &BTreeMap<String, QuantParams>,
    ) -> Result<Int8Model, Error> {
        let quant_type = QuantType::from(self.activations);
        let usable = |params: &QuantParams| {
            params.quant_type == quant_type
                && params.scale.is_finite()
                && params.scale >= MIN_SCALE
                && (quant_type.min()..=quant_type.max()).contains(&params.zero_point)
        };
        match activations.iter().find(|(_, params)| !usable(params)) {
            Some((tensor, params)) => Err(Error::UnusableParams { tensor: tensor.clone(), params: *params }),
            None => self.emit_by(model, activations, None),
        }
    }

    /// [`Recipe::emit`] of a recipe that needs no calibration: none of its layers is [`Precision::Int8`].
    ///
    /// # Errors
    ///
    /// As [`Recipe::emit`]; also when a layer does need a calibration.
    pub fn emit_uncalibrated(&self, model: &FloatModel) -> Result<Int8Model, Error> {
        match self.chosen(model)?.iter().find(|(_, choice)| choice.precision == Precision::Int8) {
            Some((layer, _)) => Err(Error::NeedsCalibration { layer: layer.name.clone() }),
            None => self.emit_by(model, &BTreeMap::new(), None),
        }
    }

    /// The layers of a model with what the recipe says of each.
    fn chosen<'m>(&self, model: &'m FloatModel) -> Result<Vec<(&'m Layer, LayerRecipe)>, Error> {
        let layers = model.layers();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        Ok(layers.iter().zip(self.for_layers(&names)?).collect())
    }

    fn emit_by(
        &self,
        model: &FloatModel,
        params: &BTreeMap<String, QuantParams>,
        calibration: Option<&Calibration>,
    ) -> Result<Int8Model, Error> {
        let chosen = self.chosen(model)?;
        if chosen.iter().all(|(_, choice)| choice.precision == Precision::Float) {
            return Err(Error::NothingToQuantize { layers: chosen.len() });
        }
        let raised = opset::raised(model.prepared(), chosen.iter().map(|(_, choice)| choice))?;
        let (graph, layers) = graph::quantized(&raised, &chosen, params, self.activations)?;
        let mut emitted = raised.with_graph(graph).with_producer("quantize", env!("CARGO_PKG_VERSION"));
        for entry in &raised.proto().metadata_props {
            emitted.set_metadata(entry.key(), entry.value());
        }
        for (key, value) in [
            (RECIPE_KEY, self.to_toml()),
            (VERSION_KEY, env!("CARGO_PKG_VERSION").to_owned()),
            (MODEL_KEY, model.digest().to_owned()),
        ] {
            emitted.set_metadata(key, &value);
        }
        if let Some(calibration) = calibration {
            emitted.set_metadata(CALIBRATION_KEY, &calibration.digest());
            emitted.set_metadata(CALIBRATION_SAMPLES_KEY, &calibration.sketch().to_metadata());
        }
        emitted.check()?;
        let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
        let session = Session::new(&emitted, &options)?;
        if let Some(probe) = Probe::of(&emitted, &session)? {
            let hash = probe.hash(&probe.session(&options)?, probe.samples())?;
            emitted.set_metadata(PROBE_KEY, &probe.to_metadata(&hash));
        }
        Ok(Int8Model { model: emitted, layers })
    }
}

impl Int8Model {
    /// The ONNX model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What became of each layer, in topological order.
    pub fn layers(&self) -> &[EmittedLayer] {
        &self.layers
    }

    /// Writes the file, all or nothing.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        Ok(self.model.save(path)?)
    }
}

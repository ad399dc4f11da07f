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
use crate::{Calibration, Error, FloatModel, Layer, LayerRecipe, Precision, QuantParams, Recipe};

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
        calibration.check_model(model.digest())?;
        self.emit_by(model, Some(calibration))
    }

    /// [`Recipe::emit`] of a recipe that needs no calibration: none of its layers is [`Precision::Int8`].
    ///
    /// # Errors
    ///
    /// As [`Recipe::emit`]; also when a layer does need a calibration.
    pub fn emit_uncalibrated(&self, model: &FloatModel) -> Result<Int8Model, Error> {
        self.emit_by(model, None)
    }

    fn emit_by(&self, model: &FloatModel, calibration: Option<&Calibration>) -> Result<Int8Model, Error> {
        let layers = model.layers();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        let choices = self.for_layers(&names)?;
        let chosen: Vec<(&Layer, LayerRecipe)> = layers.iter().zip(choices).collect();
        if chosen.iter().all(|(_, choice)| choice.precision == Precision::Float) {
            return Err(Error::NothingToQuantize { layers: layers.len() });
        }
        let raised = opset::raised(model.prepared(), chosen.iter().map(|(_, choice)| choice))?;
        let calibrated = chosen.iter().find(|(_, choice)| choice.precision == Precision::Int8);
        let params = match (calibrated, calibration) {
            (None, _) => BTreeMap::new(),
            (Some(_), Some(calibration)) => placement::activations(&raised, &chosen, self, calibration)?,
            (Some((layer, _)), None) => return Err(Error::NeedsCalibration { layer: layer.name.clone() }),
        };
        let (graph, layers) = graph::quantized(&raised, &chosen, &params, self.activations)?;
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

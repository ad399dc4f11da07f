//! `quantize train --qat`: from a float model to one that was trained in the integers of the engine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use dataset::Dataset;
use dlquantizer::{
    Calibration, Calibrator, FloatModel, Int8Model, Layer, LayerChoice, Metric, Precision, QuantParams, QuantType,
    Recipe, Validation,
};
use int8_inference::{Session, SessionOptions};
use onnx_model::Model;
use serde::Serialize;
use trainer::{InputRange, Quantization, Trained};

/// Samples per step of a calibration within a training; its result does not depend on it.
const BATCH: usize = 64;

/// A float model on its way to one of integers.
pub(super) struct Start {
    /// The model as given, prepared.
    float: FloatModel,
    /// The int8 model that it becomes without training.
    untrained: Int8Model,
    pub(super) quantization: Quantization,
}

/// What a training in integers started from and came to, each on the samples held out, in per cent.
#[derive(Serialize)]
pub(crate) struct QuantizedReport {
    /// Layers that compute in integers.
    pub(super) layers: usize,
    /// Whether the scales of the activations were learnt.
    pub(super) learnt: bool,
    /// Accuracy of the float model that the training started from.
    pub(super) float_accuracy: Option<f64>,
    /// The same of the int8 model that it becomes without training.
    pub(super) untrained_accuracy: Option<f64>,
}

impl Start {
    /// Prepares a float model and reads the scales to start from off `calibration`, where they stay as they are, or off the samples.
    pub(super) fn new(model: Model, samples: &Dataset, calibration: Option<&Path>) -> Result<Self> {
        let float = FloatModel::new(model)?;
        let learn = calibration.is_none();
        let calibration = match calibration {
            Some(path) => Calibration::load(path)?,
            None => Calibrator::new(&float)?.run(samples.batches(BATCH))?,
        };
        let recipe = recipe(&float, |layer| is_gemm(&float, layer));
        let activations = recipe.activations(&float, &calibration)?;
        let untrained = recipe.emit(&float, &calibration)?;
        let range = |layer: &Layer| {
            let QuantParams { scale, zero_point, .. } = activations.get(&layer.input)?;
            Some((layer.name.clone(), InputRange { scale: *scale, zero_point: u8::try_from(*zero_point).ok()? }))
        };
        let layers = float.layers().iter().filter(|layer| is_gemm(&float, layer));
        let ranges: BTreeMap<String, InputRange> = layers.filter_map(range).collect();
        Ok(Self { untrained, quantization: Quantization { ranges, learn }, float })
    }

    /// The network to train.
    pub(super) fn network(&self) -> Result<Trained> {
        Ok(Trained::from_model(self.float.prepared())?)
    }

    /// How good the model was before the training.
    pub(super) fn report(&self, held_out: Option<&Dataset>) -> Result<QuantizedReport> {
        let before = match held_out.filter(|data| data.labels().is_some()) {
            Some(data) => {
                let session = Session::new(self.untrained.model(), &SessionOptions::default())?;
                Some(Validation::compare(&self.float, &session, data, Metric::Top1)?)
            }
            None => None,
        };
        Ok(QuantizedReport {
            layers: self.quantization.ranges.len(),
            learnt: self.quantization.learn,
            float_accuracy: before.as_ref().map(|before| before.float),
            untrained_accuracy: before.as_ref().map(|before| before.int8),
        })
    }
}

/// The int8 model of a network that was trained in integers.
pub(super) fn emit(trained: &Trained) -> Result<Int8Model> {
    let float = FloatModel::new(trained.to_model()?)?;
    let ranges = trained.input_ranges();
    let mut activations = BTreeMap::new();
    for layer in float.layers() {
        let Some(InputRange { scale, zero_point }) = ranges.get(&layer.name).copied() else { continue };
        let params = QuantParams { scale, zero_point: zero_point.into(), quant_type: QuantType::U8 };
        activations.insert(layer.input.clone(), params);
    }
    let recipe = recipe(&float, |layer| ranges.contains_key(&layer.name));
    Ok(recipe.emit_with(&float, &activations)?)
}

/// The default recipe, with the layers in float that do not compute in integers.
fn recipe(float: &FloatModel, in_integers: impl Fn(&Layer) -> bool) -> Recipe {
    let in_float = float.layers().iter().filter(|layer| !in_integers(layer)).map(|layer| LayerChoice {
        pattern: literal(&layer.name),
        precision: Some(Precision::Float),
        ..LayerChoice::default()
    });
    Recipe { layers: in_float.collect(), ..Recipe::default() }
}

/// A pattern that matches nothing but `name`.
fn literal(name: &str) -> String {
    let escaped = |letter: char| match letter {
        '*' | '?' | '[' | ']' | '{' | '}' | '\\' => format!("[{letter}]"),
        other => other.to_string(),
    };
    name.chars().map(escaped).collect()
}

/// Whether a layer is a product with rows of features, as the trainer's dense layers are in integers.
fn is_gemm(float: &FloatModel, layer: &Layer) -> bool {
    let nodes = &float.prepared().graph().node;
    nodes.iter().any(|node| {
        node.op_type() == "Gemm"
            && node.input.get(1) == Some(&layer.weights)
            && node.input.first() == Some(&layer.input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_itself_alone() {
        for name in ["fc1", "a*b", "[x]{y,z}?\\", "layer/0"] {
            let recipe = Recipe {
                layers: vec![LayerChoice { pattern: literal(name), ..LayerChoice::default() }],
                ..Recipe::default()
            };
            assert!(recipe.for_layers(&[name]).is_ok(), "{name}");
            assert!(recipe.for_layers(&["axxb", "x"]).is_err(), "{name}");
        }
    }
}

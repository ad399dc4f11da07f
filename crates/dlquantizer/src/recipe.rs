//! What the user chooses about a quantization: the TOML recipe.
//!
//! ```toml
//! precision = "int8"          # arithmetic of the layers: "int8" (activations quantized by the calibration) | "dynamic" (activations
//!                             # quantized by their range in each run) | "int8-weights" | "int4-weights" (float activations) | "float"
//! block = 32                  # inputs of a channel that share a scale of weights beside float activations; by default 32 of int4 weights
//!                             # and what `weights` says of int8 weights
//! range = "minmax"            # how an activation's range is read off the calibration: "minmax" | "percentile" |
//!                             # { percentile = 99.99 } | "entropy" | "mse" | "power-of-two-minmax" |
//!                             # "power-of-two-histogram"
//! activations = "u8"          # "u8" | "i8"
//! scheme = "asymmetric"       # of the activations: "asymmetric" | "symmetric"
//! weights = "per-channel"     # "per-channel" | "per-tensor"
//!
//! [[layer]]                   # for the layers whose name matches; a later entry wins over an earlier one
//! match = "fc3*"
//! precision = "float"
//! range = { percentile = 99.9 }
//! weights = "per-tensor"
//! ```

mod parse;
#[cfg(test)]
mod tests;
mod write;

use crate::error::Error;
use crate::range::{QuantType, RangeMethod, Scheme};
use crate::read_file::read_file;
use globset::{Glob, GlobSet};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// The largest recipe that is read.
const SIZE_LIMIT: u64 = 1 << 20;

/// The longest pattern in bytes; groups nested any deeper would exhaust the stack of their parser.
const PATTERN_LIMIT: usize = 1000;

/// How many layer names an error lists.
const NAMES_LISTED: usize = 12;

/// How a model is quantized: defaults for all layers and choices for layers by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The arithmetic of the layers.
    pub precision: Precision,
    /// Inputs of a channel that share a scale, of weights beside float activations.
    pub block: Option<NonZeroU32>,
    /// How the range of an activation is read off its calibration.
    pub range: RangeMethod,
    /// The type of all activations; one for the whole model, so that layers fit each other.
    pub activations: ActivationType,
    /// Where the integer for 0 lies in that type.
    pub scheme: Scheme,
    /// The granularity of weight scales.
    pub weights: Granularity,
    /// Choices for single layers; where several match a layer, later ones win.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerChoice>,
}

/// What a recipe chooses for the layers whose name matches a pattern; `None` leaves the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerChoice {
    /// A glob over the whole layer name: `*`, `?`, `[a-c]`, `{a,b}`. `*` also matches `/`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The arithmetic of the layer.
    pub precision: Option<Precision>,
    /// Inputs of a channel that share a scale, of weights beside float activations.
    pub block: Option<NonZeroU32>,
    /// How the range of the layer's activation is read off its calibration.
    pub range: Option<RangeMethod>,
    /// The granularity of the layer's weight scales.
    pub weights: Option<Granularity>,
}

/// An integer type that activations can have in an emitted model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationType {
    /// Unsigned, 0 to 255.
    #[default]
    U8,
    /// Signed, -128 to 127.
    I8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Int8, Self::Dynamic, Self::Int8Weights, Self::Int4Weights, Self::Float];

    /// The word for it in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Dynamic => "dynamic",
            Self::Int8Weights => "int8-weights",
            Self::Int4Weights => "int4-weights",
            Self::Float => "float",
        }
    }
}

impl From<ActivationType> for QuantType {
    fn from(activations: ActivationType) -> Self {
        match activations {
            ActivationType::U8 => Self::U8,
            ActivationType::I8 => Self::I8,
        }
    }
}

/// The arithmetic of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 8-bit integers, activations by the range that the calibration found.
    #[default]
    Int8,
    /// 8-bit integers, activations by the range they have in each run: what `quantize_dynamic` of ONNX Runtime makes.
    Dynamic,
    /// Float activations and weights of 8 bits: a quarter of the memory.
    Int8Weights,
    /// Float activations and weights of 4 bits: about a sixth of the memory.
    Int4Weights,
    /// The float of the original model.
    Float,
}

/// What shares one weight scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Granularity {
    /// Each output channel has its own scale.
    #[default]
    PerChannel,
    /// The whole weight has one scale.
    PerTensor,
}

/// What a recipe says about one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRecipe {
    /// The arithmetic of the layer.
    pub precision: Precision,
    /// Inputs of a channel that share a scale, of weights beside float activations.
    pub block: Option<NonZeroU32>,
    /// How the range of its activation is read off the calibration.
    pub range: RangeMethod,
    /// The granularity of its weight scales.
    pub weights: Granularity,
}

impl Recipe {
    /// Reads a recipe from a TOML file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is larger than 1 MiB, is not UTF-8, or as [`Self::from_toml`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let bytes = read_file(path, SIZE_LIMIT, "recipe")?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::from_toml(text, &file),
            Err(error) => Err(Error::InvalidRecipe {
                file,
                reason: format!("a recipe is TOML text, but this is not text: {error}"),
            }),
        }
    }

    /// Parses a recipe; `file` is how errors call it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRecipe`] with the line, for text that is not TOML, unknown keys (with the nearest known one),
    /// unknown values and invalid patterns.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, Error> {
        parse::parse(text).map_err(|reason| Error::InvalidRecipe { file: file.to_owned(), reason })
    }

    /// The recipe as TOML; equal recipes give equal text, and [`Self::from_toml`] gives the recipe back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        write::write(self)
    }

    /// The choices for each of a model's layers, in the order of `names`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchLayer`] when a pattern matches none of `names`, [`Error::InvalidRecipe`] when it is no glob.
    pub fn for_layers(&self, names: &[&str]) -> Result<Vec<LayerRecipe>, Error> {
        let default =
            LayerRecipe { precision: self.precision, block: self.block, range: self.range, weights: self.weights };
        let mut layers = vec![default; names.len()];
        for choice in &self.layers {
            let matcher = matcher(&choice.pattern)
                .map_err(|reason| Error::InvalidRecipe { file: "recipe".to_owned(), reason })?;
            let mut matched = false;
            for (layer, name) in layers.iter_mut().zip(names) {
                if matcher.is_match(name) {
                    matched = true;
                    layer.precision = choice.precision.unwrap_or(layer.precision);
                    layer.block = choice.block.or(layer.block);
                    layer.range = choice.range.unwrap_or(layer.range);
                    layer.weights = choice.weights.unwrap_or(layer.weights);
                }
            }
            if !matched {
                return Err(Error::NoSuchLayer {
                    pattern: choice.pattern.clone(),
                    layers: describe_layers(&choice.pattern, names),
                });
            }
        }
        Ok(layers)
    }
}

/// A set of one glob, since compiling a single [`Glob`] panics where this is an error: on groups nested too deeply.
fn matcher(pattern: &str) -> Result<GlobSet, String> {
    if pattern.len() > PATTERN_LIMIT {
        return Err(format!("a pattern of {} bytes is longer than {PATTERN_LIMIT}", pattern.len()));
    }
    Glob::new(pattern).and_then(|glob| GlobSet::builder().add(glob).build()).map_err(|error| {
        format!("\"{pattern}\" is not a pattern: {}; write [[] for a bracket that stands for itself", error.kind())
    })
}

/// All layers when they are few, otherwise the ones whose names resemble `pattern` most.
fn describe_layers(pattern: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return "the model has no layer that can be quantized".to_owned();
    }
    if names.len() <= NAMES_LISTED {
        return format!("the layers are {}", quoted(names));
    }
    let mut by_distance = names.to_vec();
    // A stable sort: equally near names stay in the model's order.
    by_distance.sort_by_cached_key(|name| strsim::damerau_levenshtein(pattern, name));
    by_distance.truncate(NAMES_LISTED);
    format!("the nearest of {} layer names are {}", names.len(), quoted(&by_distance))
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

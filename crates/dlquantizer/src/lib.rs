//! Post-training quantization: prepare, calibrate, choose ranges, emit int8, validate.
//!
//! A [`FloatModel`] is prepared when it is opened; a [`Calibrator`] runs data through it once and returns a [`Calibration`], the exact
//! statistics of every weight, bias and activation; a [`Recipe`] reads ranges off it and emits an [`Int8Model`]; a [`Validation`] compares
//! both models by running the integer engine itself.
//!
//! ```
//! use dataset::{Dataset, OpenOptions, Part};
//! use dlquantizer::{Calibrator, FloatModel, Metric, Recipe, Validation, Verdict};
//! use int8_inference::Session;
//!
//! # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/fashion-mnist");
//! # let directory = tempfile::tempdir()?;
//! # let int8_path = directory.path().join("model.int8.onnx");
//! # let model_path = format!("{data}/mlp.onnx");
//! let model = FloatModel::open(model_path)?;
//! let samples = model.adapt(Dataset::open(data, &OpenOptions::new(Part::Calibration))?)?;
//! let calibration = Calibrator::new(&model)?.run(samples.batches(32))?; // ranges of weights, biases, activations
//! let int8 = Recipe::default().emit(&model, &calibration)?;
//! int8.save(&int8_path)?;
//!
//! let session = Session::open(&int8_path)?; // needs int8-inference alone
//! let test = model.adapt(Dataset::open(data, &OpenOptions::new(Part::Test))?.take(200)?)?;
//! let y = session.run(&test.inputs()[0].samples.view())?;
//! assert_eq!(y.shape(), [200, 10]);
//! let validation = Validation::compare(&model, &session, &test, Metric::Top1)?;
//! assert_eq!(validation.verdict(1.0), Verdict::Pass);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapt;
mod calibration;
mod calibration_tensors;
mod calibrator;
mod check;
mod checkpoint;
mod collected;
mod constants;
mod convolutions;
mod coverage;
mod emit;
mod error;
mod float_model;
mod layers;
mod node;
mod overlap;
mod prepare;
pub mod probe;
mod range;
mod read_file;
mod recipe;
mod sketch;
mod statistics;
mod texture;
mod validate;

pub use adapt::{INPUT_MEAN_KEY, INPUT_STD_KEY, adapt};
pub use calibration::{Calibration, FORMAT_VERSION, TensorKind, TensorRecord};
pub use calibrator::Calibrator;
pub use check::{Check, Finding, Novelty, Stability};
pub use checkpoint::Checkpoint;
pub use coverage::Coverage;
pub use emit::{CALIBRATION_KEY, CALIBRATION_SAMPLES_KEY, EmittedLayer, Int8Model, MODEL_KEY, RECIPE_KEY, VERSION_KEY};
pub use error::Error;
pub use float_model::FloatModel;
pub use layers::Layer;
pub use overlap::Overlap;
pub use range::{MIN_SCALE, Percentile, QuantParams, QuantType, Range, RangeMethod, Scheme};
pub use recipe::{ActivationType, Granularity, LayerChoice, LayerRecipe, Precision, Recipe};
pub use sketch::Sketch;
pub use statistics::{
    ChannelError, ChannelObserver, ChannelStatistics, HistogramBin, MAX_VALUES, Observer, Octave, TensorStatistics,
    TooManyValues,
};
pub use texture::Texture;
pub use validate::{Metric, TensorError, Validation, Verdict};

//! Post-training quantization: prepare, calibrate, choose ranges, emit int8, validate.

mod calibration;
mod error;
mod range;
mod recipe;
mod statistics;

pub use calibration::{Calibration, FORMAT_VERSION, TensorKind, TensorRecord};
pub use error::Error;
pub use range::{MIN_SCALE, QuantParams, QuantType, Range, RangeMethod};
pub use recipe::{Granularity, LayerChoice, LayerRecipe, Precision, Recipe};
pub use statistics::{HistogramBin, MAX_VALUES, Observer, TensorStatistics, TooManyValues};

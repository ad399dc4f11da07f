//! Trains small float networks and writes them as ONNX models.
//!
//! - [`TrainConfig`] says what to train, in Rust or as TOML: dense layers with [`Activation`]s, an [`Optimizer`], a [`Schedule`] for
//!   its rate, a [`Normalize`] for the samples.
//! - [`Trainer::fit`] minimizes the softmax cross-entropy over seeded mini-batches and reports [`Progress`] after each.
//! - [`Trained`] scores samples and becomes an ONNX model that takes them raw: the normalization is part of its graph.
//!
//! ```
//! use dataset::{Dataset, Input, Labels};
//! use ndarray::array;
//! use trainer::{TrainConfig, Trainer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The last layer gets as many units as the data has classes.
//! let config = TrainConfig::from_toml(
//!     r#"
//!     seed = 1
//!     epochs = 200
//!     batch_size = 4
//!
//!     [optimizer]
//!     kind = "adam"
//!     learning_rate = 0.02
//!
//!     [[layer]]
//!     kind = "dense"
//!     name = "hidden"
//!     units = 16
//!     activation = "relu"
//!
//!     [[layer]]
//!     kind = "dense"
//!     name = "out"
//!     "#,
//! )?;
//! let samples = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]].into_dyn();
//! let xor = Dataset::new(vec![Input { name: "x".into(), samples }], Some(Labels::new(vec![0, 1, 1, 0])))?;
//!
//! let mut losses = Vec::new();
//! let trained = Trainer::new(config)?.fit(&xor, |progress| losses.push(progress.training.loss))?;
//! assert_eq!(losses.len(), 200);
//! assert_eq!(trained.accuracy(&xor)?, Some(100.0));
//!
//! let model = trained.to_model()?;
//! assert_eq!(model.inputs()[0].name, "x");
//! assert_eq!(model.outputs()[0].name, "logits");
//! # Ok(())
//! # }
//! ```

mod activation;
mod augment;
mod checkpoint;
mod config;
mod error;
mod evolution;
mod export;
mod fit;
mod import;
mod initializer;
mod layers;
mod loss;
mod metrics;
mod monitor;
mod network;
mod normalize;
mod op;
mod optimizer;
mod product;
mod quantized;
mod random;
mod ranges;
mod rate_finder;
mod samples;
mod schedule;
mod score;
mod stopping;
mod sums;
#[cfg(test)]
mod testing;
mod trained;
mod word_or_table;

pub use activation::Activation;
pub use augment::{Augment, Flip};
pub use checkpoint::checkpoint_epoch;
pub use config::{Output, TrainConfig, flat_settings};
pub use error::{Culprit, Error, Place, Result};
pub use evolution::Evolution;
pub use fit::{Progress, Trainer};
pub use initializer::{Fill, Initializer};
pub use layers::*;
pub use loss::{ClassWeights, Loss};
pub use metrics::{MetricsFile, MetricsLog, Record, read_metrics};
pub use monitor::{Ailment, LayerGradient};
pub use normalize::Normalize;
pub use optimizer::{Betas, Clip, Optimizer, Rule};
pub use quantized::{InputRange, Quantization};
pub use rate_finder::{RateCurve, RatePoint};
pub use schedule::Schedule;
pub use score::Score;
pub use stopping::{EarlyStopping, Keep, Monitor, Verdict};
pub use trained::Trained;

//! Trains small float networks and writes them as ONNX models.

mod config;
mod error;
mod export;
mod fit;
mod init;
mod layer;
mod loss;
mod network;
mod normalize;
mod optimizer;
mod samples;
mod schedule;
mod score;
mod trained;

pub use config::{LayerConfig, TrainConfig};
pub use error::{Culprit, Error, Place, Result};
pub use fit::{Progress, Trainer};
pub use layer::Activation;
pub use normalize::Normalize;
pub use optimizer::Optimizer;
pub use schedule::Schedule;
pub use score::Score;
pub use trained::Trained;

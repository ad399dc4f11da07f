//! The shipped networks with their data, for the tests in `tests/`.

use std::error::Error;
use std::path::{Path, PathBuf};

use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibrator, FloatModel, Int8Model, Recipe};
use trainer::{TrainConfig, Trainer};

/// A file or directory of the repository, by its path from the root.
#[must_use]
pub fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A float network, its int8 form, and labelled samples that neither training nor calibration saw.
pub struct Case {
    /// The float network.
    pub float: FloatModel,
    /// Its int8 form by the default recipe.
    pub int8: Int8Model,
    /// The samples held out.
    pub test: Dataset,
}

impl Case {
    /// A network trained by `mlp.toml` on the digits.
    ///
    /// # Errors
    ///
    /// When a shipped file is missing or a step fails.
    pub fn digits() -> Result<Self, Box<dyn Error>> {
        let data = shipped("calibration-data/digits");
        let training = Dataset::open(&data, &OpenOptions::new(Part::Train))?;
        let trained = Trainer::new(TrainConfig::open(shipped("mlp.toml"))?)?.fit(&training, |_| {})?;
        Self::quantized(FloatModel::new(trained.to_model()?)?, &data)
    }

    /// The network shipped with the selection of Fashion-MNIST.
    ///
    /// # Errors
    ///
    /// As [`Case::digits`].
    pub fn fashion_mnist() -> Result<Self, Box<dyn Error>> {
        let data = shipped("calibration-data/fashion-mnist");
        Self::quantized(FloatModel::open(data.join("mlp.onnx"))?, &data)
    }

    fn quantized(float: FloatModel, data: &Path) -> Result<Self, Box<dyn Error>> {
        let calibration = float.adapt(Dataset::open(data, &OpenOptions::new(Part::Calibration))?)?;
        let calibration = Calibrator::new(&float)?.run(calibration.batches(64))?;
        let int8 = Recipe::default().emit(&float, &calibration)?;
        let test = float.adapt(Dataset::open(data, &OpenOptions::new(Part::Test))?)?;
        Ok(Self { float, int8, test })
    }
}

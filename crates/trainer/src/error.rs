//! Everything that can go wrong, in words that say what to change.

use std::path::PathBuf;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a training could not start or had to stop.
///
/// Each message is complete in itself; it has no further [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration file could not be read.
    #[error("cannot read the training configuration {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },

    /// The configuration is far larger than any real one.
    #[error("{} is larger than {limit} bytes and so no training configuration", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size accepted, in bytes.
        limit: u64,
    },

    /// The configuration is no TOML or has unknown or missing keys; the message carries the line.
    #[error("{}not a training configuration: {reason}", in_file(path.as_ref()))]
    Parse {
        /// The file, if the text came from one.
        path: Option<PathBuf>,
        /// What is wrong, with the line it is on.
        reason: String,
    },

    /// A setting has a value the trainer cannot use.
    #[error("the training configuration sets `{setting}` to {found}, but it must be {expected}")]
    Setting {
        /// The setting, as it is written in the configuration.
        setting: String,
        /// Its value.
        found: String,
        /// The values it may have.
        expected: String,
    },

    /// The configuration has no `[[layer]]`.
    #[error("the training configuration has no layers; add at least one [[layer]] with kind = \"dense\" and a name")]
    NoLayers,

    /// Two layers have one name.
    #[error("two layers are named `{name}`; names become node names of the model and must differ")]
    DuplicateLayer {
        /// The name.
        name: String,
    },

    /// A tensor would have more elements than an ONNX file or this trainer can hold.
    #[error(
        "layer `{layer}`: {what} of {rows} x {columns} values is larger than the limit of {limit} values; \
         lower `units` or `batch_size`"
    )]
    LayerTooLarge {
        /// The layer.
        layer: String,
        /// Which tensor of it.
        what: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
        /// The most values a tensor may have.
        limit: usize,
    },

    /// The validation part or the training part would be empty.
    #[error(
        "`validation` = {fraction} of {samples} samples leaves either training or validation without a sample; \
         change the fraction or leave it out"
    )]
    EmptyPart {
        /// How many samples there are.
        samples: usize,
        /// The configured fraction.
        fraction: f64,
    },

    /// The network takes one input tensor.
    #[error(
        "the data set has {count} inputs ({names}), but a network of dense layers takes exactly one; \
         keep a single array beside the labels"
    )]
    InputCount {
        /// How many the data set has.
        count: usize,
        /// Their names.
        names: String,
    },

    /// Samples differ in shape from those the network was trained on.
    #[error(
        "input `{input}` has samples of shape {found:?}, but the network was trained on {expected:?}; prepare them alike"
    )]
    SampleShape {
        /// The input.
        input: String,
        /// The shape of one sample of this data set.
        found: Vec<usize>,
        /// The shape of one sample of the training data.
        expected: Vec<usize>,
    },

    /// Classification needs labels.
    #[error("the data set has no labels; add an array `y` (npz), a label column (csv) or a labels file (IDX)")]
    NoLabels,

    /// A label names no output of the last layer.
    #[error(
        "sample {sample} has label {label}, but layer `{layer}` has {units} units (labels 0 to {}); \
         raise `units`, or omit it to take the class count from the data",
        units.saturating_sub(1)
    )]
    LabelOutOfRange {
        /// Index of the first such sample.
        sample: usize,
        /// Its label.
        label: u32,
        /// The last layer.
        layer: String,
        /// Its width.
        units: usize,
    },

    /// Samples hold NaN or infinite values.
    #[error(
        "{count} of {samples} samples of input `{input}` hold NaN or infinite values (the first is sample {first}); \
         remove these samples or fill the gaps"
    )]
    NonFiniteSamples {
        /// The input.
        input: String,
        /// How many samples are affected.
        count: usize,
        /// How many there are.
        samples: usize,
        /// Index of the first one.
        first: usize,
    },

    /// The training diverged.
    #[error(
        "training diverged in epoch {epoch}, batch {batch}: {culprit}; lower `optimizer.learning_rate` (here it was \
         {learning_rate})"
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch of the epoch, from 1.
        batch: usize,
        /// The first layer with a non-finite value and where it has it.
        culprit: Culprit,
        /// The learning rate of that batch.
        learning_rate: f64,
    },

    /// The stored state of an optimizer belongs to another optimizer or another network.
    #[error(
        "the optimizer's state has {found} bytes, but this optimizer of this network has {expected}; continue with the layers \
         and the optimizer of the checkpoint"
    )]
    OptimizerState {
        /// How many bytes were stored.
        found: usize,
        /// How many there must be.
        expected: usize,
    },

    /// Two parts of the ONNX model would have one name.
    #[error("the model would have two parts named `{name}`; rename the layer or the input array it belongs to")]
    NameTaken {
        /// The name.
        name: String,
    },

    /// A file of a run could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    ReadRun {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },

    /// A file of a run could not be written.
    #[error("cannot write {}: {cause}", path.display())]
    WriteRun {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },

    /// A file of a run does not hold what it should.
    #[error("{}: {reason}", path.display())]
    BadRun {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The trained network, or a file of a run that is replaced as a whole, could not be written.
    #[error(transparent)]
    Export(#[from] onnx_model::Error),
}

/// Where the first value that is no finite number appeared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The layer.
    pub layer: String,
    /// Its tensor.
    pub place: Place,
}

/// The tensors of a layer in which a value may stop being finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The trained weights.
    Weights,
    /// The trained bias.
    Bias,
    /// What the layer answered.
    Output,
    /// The loss of the last layer's finite answers.
    Loss,
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layer = &self.layer;
        match self.place {
            Place::Weights => write!(f, "layer `{layer}` is the first with a non-finite value, in its weights"),
            Place::Bias => write!(f, "layer `{layer}` is the first with a non-finite value, in its bias"),
            Place::Output => write!(f, "layer `{layer}` is the first with a non-finite value, in its output"),
            Place::Loss => write!(f, "the loss overflowed on finite outputs of layer `{layer}`"),
        }
    }
}

impl Error {
    pub(crate) fn setting(setting: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), found: found.to_string(), expected: expected.into() }
    }
}

fn in_file(path: Option<&PathBuf>) -> String {
    path.map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

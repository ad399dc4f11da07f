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

    /// The configuration has a number that TOML has not.
    #[error("the training configuration cannot be written as TOML: {reason}")]
    Toml {
        /// What is wrong.
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
         lower the layer's width or `batch_size`"
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

    /// The first layer does not say which of several inputs it reads.
    #[error(
        "the data set has {count} inputs ({names}), so the first layer has to say which it reads, as in `inputs = [\"...\"]`; arrays that \
         are to be predicted are named as `target`"
    )]
    InputCount {
        /// How many inputs there are.
        count: usize,
        /// Their names.
        names: String,
    },

    /// A layer reads more or fewer answers than it can.
    #[error("layer `{layer}` reads {count} inputs, but takes {expected}")]
    InputCountOfLayer {
        /// The layer.
        layer: String,
        /// How many it reads.
        count: usize,
        /// How many it takes, and what to do.
        expected: &'static str,
    },

    /// What a layer reads does not fit it.
    #[error("layer `{layer}` gets samples of shape {found:?}, but needs {expected}")]
    LayerInput {
        /// The layer.
        layer: String,
        /// The shape of one sample of what it reads.
        found: Vec<usize>,
        /// What it needs.
        expected: String,
    },

    /// A layer reads what is not there.
    #[error("layer `{layer}` reads `{input}`, which is neither an input nor a layer before it (those are {known})")]
    UnknownInput {
        /// The layer.
        layer: String,
        /// What it reads.
        input: String,
        /// What it could read.
        known: String,
    },

    /// Nobody reads what a layer answers.
    #[error(
        "nothing reads the answer of layer `{layer}`; name it among the `inputs` of another layer or as an [[output]], or remove it"
    )]
    UnreadLayer {
        /// The layer.
        layer: String,
    },

    /// An output is given by no layer.
    #[error("there is no layer `{layer}` to give an output; there are {known}")]
    UnknownOutput {
        /// The layer named.
        layer: String,
        /// What could be named.
        known: String,
    },

    /// Two outputs score one answer.
    #[error(
        "layer `{layer}` gives two outputs; put an `activation` layer of the function linear behind it for the second"
    )]
    DuplicateOutput {
        /// The layer.
        layer: String,
    },

    /// Nothing in front of an output can be learnt.
    #[error("output `{layer}` depends on no trainable layer, so there is nothing to learn for it")]
    NothingToLearn {
        /// The layer.
        layer: String,
    },

    /// Another data set than the network was trained on.
    #[error("the data set has the inputs {found}, but the network was trained on {expected}")]
    InputNames {
        /// Names of this data set's arrays.
        found: String,
        /// Names of those trained on.
        expected: String,
    },

    /// The array to predict is not there.
    #[error("the data set has no array `{target}` to predict; its arrays are {known}")]
    UnknownTarget {
        /// The array named.
        target: String,
        /// Those there are.
        known: String,
    },

    /// A loss over values has only class numbers to compare with.
    #[error("the loss of output `{layer}` compares values; name the array that holds them as `target`")]
    NoTarget {
        /// The output.
        layer: String,
    },

    /// A target that should tell classes holds other numbers.
    #[error("sample {sample} of the target `{target}` is {value}, but classes are counted from 0 in whole numbers")]
    NoClass {
        /// The array.
        target: String,
        /// Index of the sample.
        sample: usize,
        /// The number.
        value: f32,
    },

    /// An embedding is asked for an entry it does not have.
    #[error(
        "sample {sample} of input `{input}` holds {value}, but layer `{layer}` has {entries} entries, numbered from 0 in whole numbers; raise \
         `{layer}.entries` or mend the data"
    )]
    NoEntry {
        /// The embedding.
        layer: String,
        /// The input it reads.
        input: String,
        /// Index of the first such sample.
        sample: usize,
        /// What it holds.
        value: f32,
        /// How many entries there are.
        entries: usize,
    },

    /// Answers and targets differ in shape.
    #[error(
        "output `{layer}` answers each sample with shape {found:?}, but the target has {wanted} per sample; change the last layers, for \
         example by a `flatten` in front of them"
    )]
    AnswerShape {
        /// The output.
        layer: String,
        /// The shape of its answer to one sample.
        found: Vec<usize>,
        /// What the target has.
        wanted: String,
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

    /// An output without a target of its own needs labels.
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

    /// A target is a value that its loss is not defined for.
    #[error("the target of sample {sample} for layer `{layer}` is {found}, but must be {expected}")]
    Target {
        /// Index of the first such sample.
        sample: usize,
        /// The layer whose answer it is for.
        layer: String,
        /// The target.
        found: f32,
        /// The targets there may be.
        expected: &'static str,
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
         {learning_rate:e})"
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

    /// The threads could not be started.
    #[error("cannot start the threads to train on: {cause}; ask for fewer")]
    Threads {
        /// What the system said.
        cause: rayon::ThreadPoolBuildError,
    },

    /// A part of an ONNX model that no layer of the trainer stands for.
    #[error("the trainer cannot take over {node}: {reason}")]
    Import {
        /// The node, input or output.
        node: String,
        /// Why, and what to do.
        reason: String,
    },

    /// A layer that is to compute in integers cannot.
    #[error("layer `{layer}` cannot be trained in integers: {reason}; leave it in float")]
    NotQuantizable {
        /// The layer.
        layer: String,
        /// Why.
        reason: String,
    },

    /// Layers are configured for a network that is there already.
    #[error("the network to start from has layers; leave [[layer]] out of the training configuration")]
    LayersGiven,

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

    /// A checkpoint belongs to another training.
    #[error("{} is the checkpoint of another training: {reason}", path.display())]
    OtherTraining {
        /// The file.
        path: PathBuf,
        /// In what the trainings differ.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A parameter, by its name.
    Parameter(String),
    /// What the layer answered.
    Output,
    /// The loss of the layer's finite answers.
    Loss,
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layer = &self.layer;
        match &self.place {
            Place::Parameter(name) => write!(f, "layer `{layer}` is the first with a non-finite value, in `{name}`"),
            Place::Output => write!(f, "layer `{layer}` is the first with a non-finite value, in its output"),
            Place::Loss => write!(f, "the loss overflowed on finite outputs of layer `{layer}`"),
        }
    }
}

impl Error {
    pub(crate) fn too_large(layer: &str, what: &'static str, rows: usize, columns: usize) -> Self {
        Self::LayerTooLarge { layer: layer.to_owned(), what, rows, columns, limit: crate::network::MAX_VALUES }
    }

    pub(crate) fn setting(setting: impl Into<String>, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), found: found.to_string(), expected: expected.into() }
    }
}

fn in_file(path: Option<&PathBuf>) -> String {
    path.map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

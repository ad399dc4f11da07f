//! What can go wrong between a float model and its int8 model.

use std::io;
use std::path::PathBuf;

use crate::CALIBRATION_SAMPLES_KEY;
use crate::probe::PROBE_KEY;

/// Why a stage of the quantization refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A calibration or recipe cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// A calibration or recipe is larger than any real one.
    #[error("{}: larger than {limit} bytes, so not a {kind}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
        /// What the file should have been.
        kind: &'static str,
    },
    /// A model cannot be read or edited, or a file of any kind not be written.
    #[error(transparent)]
    Model(#[from] onnx_model::Error),
    /// A file is not a calibration, or a damaged one.
    #[error("{file}: not a valid calibration: {reason}; run `quantize calibrate` again")]
    InvalidCalibration {
        /// The file.
        file: String,
        /// What is wrong, with line and column or the tensor.
        reason: String,
    },
    /// A calibration file is of another format version.
    #[error(
        "{file}: calibration format version {found}, this build reads version {expected}; \
         calibrate again, or use the version of the tool that wrote it"
    )]
    CalibrationVersion {
        /// The file.
        file: String,
        /// The version in the file.
        found: u64,
        /// The version that can be read.
        expected: u64,
    },
    /// A calibration saw no samples.
    #[error("the calibration saw no samples; calibrate on at least one")]
    NoSamples,
    /// A tensor has no finite value to read a range off.
    #[error(
        "tensor \"{tensor}\": none of its {count} values is finite ({nans} NaN, {infs} infinite), so it has no range; \
         check the calibration data and the weights"
    )]
    NothingFinite {
        /// The tensor.
        tensor: String,
        /// Values observed.
        count: u64,
        /// NaN among them.
        nans: u64,
        /// Infinities among them.
        infs: u64,
    },
    /// Two records of a calibration bear one name.
    #[error("the calibration holds tensor \"{0}\" twice")]
    DuplicateTensor(String),
    /// A calibration was collected on another model.
    #[error(
        "the calibration belongs to another model (BLAKE3 {calibrated}, this one is {model}); \
         calibrate this model, or give the one that was calibrated"
    )]
    OtherModel {
        /// Digest of the model that was calibrated.
        calibrated: String,
        /// Digest of the model given.
        model: String,
    },
    /// Two calibrations cannot be merged.
    #[error("the calibrations cannot be merged: {0}")]
    Merge(String),
    /// A recipe is not one.
    #[error("{file}: {reason}")]
    InvalidRecipe {
        /// The file.
        file: String,
        /// What is wrong, where, and what would be right.
        reason: String,
    },
    /// A pattern of a recipe matches no layer.
    #[error("the recipe's pattern \"{pattern}\" matches no layer; {layers}")]
    NoSuchLayer {
        /// The pattern.
        pattern: String,
        /// The layers there are, or the ones of nearest name.
        layers: String,
    },
    /// A model could not be compiled or run.
    #[error(transparent)]
    Inference(#[from] int8_inference::Error),
    /// The data does not fit.
    #[error(transparent)]
    Data(#[from] dataset::Error),
    /// The model to quantize is a quantized one.
    #[error("the model is quantized already (node \"{node}\"); give the float model it was made from")]
    AlreadyQuantized {
        /// A QuantizeLinear node of it.
        node: String,
    },
    /// Normalization in the model's metadata cannot be read.
    #[error("the model's metadata entry \"{key}\" is \"{value}\", not numbers separated by commas")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// What it holds.
        value: String,
    },
    /// A later sample has a shape that the model does not take.
    #[error(
        "input \"{input}\": sample {sample} (counted from 0) has the shape {shape:?}, those before it {before:?}, and this one does not run: \
         {error}; give samples of one shape"
    )]
    SampleShape {
        /// The input.
        input: String,
        /// The sample.
        sample: u64,
        /// Shape of the samples before.
        before: Vec<usize>,
        /// Its own shape.
        shape: Vec<usize>,
        /// Why the model refuses it.
        error: Box<Error>,
    },
    /// A model that runs in one batch size only got fewer samples than a batch, and a tensor does not show which values are theirs.
    #[error(
        "tensor \"{tensor}\" mixes the samples of a batch, and the model takes batches of exactly {batch}, of which the last one has {samples}; \
         give a multiple of {batch} samples"
    )]
    PartialBatch {
        /// The tensor.
        tensor: String,
        /// Samples of the last batch.
        samples: usize,
        /// Samples that the model takes.
        batch: usize,
    },
    /// A file is not a checkpoint, or a damaged one.
    #[error("{file}: not a valid checkpoint: {reason}; remove it to calibrate from the start")]
    InvalidCheckpoint {
        /// The file.
        file: String,
        /// What is wrong, with line and column or the tensor.
        reason: String,
    },
    /// A checkpoint was made in another run.
    #[error("{0}; repeat the command that was interrupted, or remove the checkpoint to calibrate from the start")]
    OtherRun(String),
    /// The hashes of calibration samples in a model's metadata cannot be read.
    #[error("the model's metadata entry \"{CALIBRATION_SAMPLES_KEY}\" is not a list of hashes: {value:?}")]
    CalibrationSamples {
        /// What it holds, or its beginning.
        value: String,
    },
    /// The hash in a model's metadata cannot be used.
    #[error("the model's metadata entry \"{PROBE_KEY}\" {0}; emit the model again with `quantize emit`")]
    Probe(String),
    /// There is no layer to quantize.
    #[error(
        "nothing to quantize: the model has {layers} dense layers with constant float weights and the recipe leaves all of them in float"
    )]
    NothingToQuantize {
        /// Layers that could be quantized.
        layers: usize,
    },
    /// A layer becomes int8 by ranges that nobody has collected.
    #[error(
        "layer \"{layer}\" becomes int8 by the ranges of a calibration, and none is given; run `quantize calibrate` and pass its file, or \
         choose another precision, in the recipe or with --precision: dynamic, int8-weights or int4-weights"
    )]
    NeedsCalibration {
        /// The layer.
        layer: String,
    },
    /// An operator means something else in the operator set that quantization needs.
    #[error(
        "opset {opset} is too old for what the recipe asks, and {op_type} node \"{node}\" may mean something else in opset {needed}; \
         export the model with opset {needed} or later"
    )]
    OldOpset {
        /// The model's opset.
        opset: i64,
        /// The opset that quantization needs.
        needed: i64,
        /// The node.
        node: String,
        /// Its operator.
        op_type: String,
    },
    /// A tensor that needs a range is not in the calibration.
    #[error("tensor \"{0}\" has no range in the calibration; calibrate this model again")]
    NotCalibrated(String),
    /// Parameters that are given for an activation are not of the recipe's type, or out of their range.
    #[error(
        "tensor \"{tensor}\": cannot be quantized by scale {} and zero point {} as {:?}; give a finite scale of at least 2^-60 and a \
         zero point of the type that the recipe has for activations", params.scale, params.zero_point, params.quant_type
    )]
    UnusableParams {
        /// The tensor.
        tensor: String,
        /// What was given.
        params: crate::QuantParams,
    },
    /// A weight or bias is NaN or infinite.
    #[error(
        "layer \"{layer}\": element {position} of \"{tensor}\" is not finite; the float model is broken, train it again"
    )]
    NotFinite {
        /// The layer.
        layer: String,
        /// Its weight or bias.
        tensor: String,
        /// Position in row-major order.
        position: usize,
    },
    /// A metric needs labels.
    #[error("the data has no labels; give labelled data, or use the metric `agreement`, which needs none")]
    NoLabels,
    /// A model's first output is not a score per class.
    #[error("the first output is not float scores of the shape [batch, classes], but {found}")]
    NoScores {
        /// What it is instead.
        found: String,
    },
    /// The models disagree about the number of classes.
    #[error("the float model has {float} scores per sample, the int8 model {int8}; are they the same network?")]
    ScoreCounts {
        /// Scores of the float model.
        float: usize,
        /// Scores of the int8 model.
        int8: usize,
    },
    /// The array to compare with is not there.
    #[error("the data has no array \"{target}\" to compare with; its arrays are {known}")]
    NoTarget {
        /// The array named.
        target: String,
        /// Those there are.
        known: String,
    },
    /// A metric of values has nothing to compare with.
    #[error("the metric `rmse` compares values; name the array of the data that holds them as target")]
    TargetNeeded,
    /// Answers and targets differ in number.
    #[error(
        "sample {sample} has {wanted} target values for {answers} values of the first output; is it the right array, or metric?"
    )]
    TargetSize {
        /// Values of the first output.
        answers: usize,
        /// Values of the target.
        wanted: usize,
        /// The sample, counted from 0.
        sample: usize,
    },
    /// A label names no class.
    #[error("sample {sample} has the label {label}, but the model has {classes} classes (0 to {}){}", classes.saturating_sub(1), of_one_score(*classes))]
    Label {
        /// The label, a whole number unless it comes from an array of other values.
        label: f32,
        /// Classes of the model.
        classes: usize,
        /// The sample, counted from 0.
        sample: usize,
    },
}

/// What to do where labels are compared with a single score.
fn of_one_score(classes: usize) -> &'static str {
    match classes {
        1 => "; the metric `binary` compares a single score with labels 0 and 1",
        _ => "",
    }
}

//! What can go wrong between a file and an answer.

use alloc::string::String;

/// Why a model could not be compiled or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a usable ONNX model.
    #[error(transparent)]
    Model(#[from] onnx_model::Error),
    /// A node has no integer step and no float fallback.
    #[error("{node}: {reason}; the integer engine has no step for it. {way_out}")]
    Unsupported {
        /// The node, as `Gemm node "fc1"`.
        node: String,
        /// What the engine lacks.
        reason: String,
        /// What the user can do instead.
        way_out: &'static str,
    },
    /// A quantized node carries parameters that are not valid.
    #[error("{node}: {reason}")]
    Invalid {
        /// The node, as `Gemm node "fc1"`.
        node: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A tensor the plan must lay out has no known shape.
    #[error("tensor \"{tensor}\": {reason}")]
    Shape {
        /// The tensor's name in the graph.
        tensor: String,
        /// What is unknown or does not fit.
        reason: String,
    },
    /// A tap or input names a tensor that the graph lacks.
    #[error("the model has no tensor \"{0}\"")]
    NoSuchTensor(String),
    /// The data given to a run does not fit the model's inputs.
    #[error("input \"{input}\": {reason}")]
    Input {
        /// The model's input.
        input: String,
        /// What was expected and what came.
        reason: String,
    },
    /// The convenience call does not fit a model with several inputs or outputs.
    #[error("the model has {inputs} inputs and {outputs} outputs; `run` takes one of each, use `run_named`")]
    NotSingle {
        /// How many inputs the model has.
        inputs: usize,
        /// How many outputs the model has.
        outputs: usize,
    },
    /// The float part of the plan failed.
    #[error("float execution: {0}")]
    Float(String),
    /// `QUANTIZE_ISA` asks for what this machine or build lacks.
    #[error("QUANTIZE_ISA={asked}: {reason}")]
    Isa {
        /// The value of the variable.
        asked: String,
        /// Unknown name, or not on this machine.
        reason: String,
    },
    #[cfg(feature = "std")]
    /// The worker threads could not be started.
    #[error("cannot start {threads} worker threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The system's answer.
        reason: String,
    },
}

/// What to do about an operator that only another runtime has.
pub(crate) const OTHER_RUNTIME: &str = "Run the file in another ONNX runtime, or keep that layer out of the model";

//! What can be wrong with a model, and what to do about it.

#[cfg(feature = "std")]
use alloc::boxed::Box;
use alloc::string::String;
#[cfg(feature = "std")]
use std::io;
#[cfg(feature = "std")]
use std::path::PathBuf;

use crate::proto::DataType;

/// What is wrong with a model or a file, where, and what to do.
///
/// Each message is complete in itself; nothing more is to be found in [`source`](core::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[cfg(feature = "std")]
    /// Any of the others, about the file at `path`.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
    #[cfg(feature = "std")]
    /// A file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    #[cfg(feature = "std")]
    /// A file could not be written; what was there before is still there.
    #[error("cannot write {}: {advice} ({cause})", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        advice: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The protobuf is larger than the 2 GiB its format allows.
    #[error(
        "the model takes {bytes} bytes, more than the 2 GiB a protobuf file can hold; keep its weights as external data beside it"
    )]
    TooLarge {
        /// Its size, or as much of it as was looked at.
        bytes: u64,
    },
    /// The bytes are not an ONNX protobuf.
    #[error("not an ONNX model, or a truncated one: {0}; check the file, or download or export it again")]
    NotOnnx(String),
    /// Missing or newer version of the intermediate representation.
    #[error("{0}")]
    IrVersion(String),
    /// Missing, contradictory or newer operator set.
    #[error("{0}")]
    Opset(String),
    /// The graph as a whole is malformed.
    #[error("graph \"{graph}\": {problem}")]
    Graph {
        /// Name of the graph.
        graph: String,
        /// What is wrong.
        problem: String,
    },
    /// Two values of one graph have the same name.
    #[error(
        "graph \"{graph}\": the name \"{name}\" is used for two values ({first} and {second}); names must be unique, rename one"
    )]
    DuplicateName {
        /// Name of the graph.
        graph: String,
        /// The name used twice.
        name: String,
        /// What has the name.
        first: String,
        /// What has it as well.
        second: String,
    },
    /// A node is malformed.
    #[error("{node}: {problem}")]
    Node {
        /// The node, as [`describe`](crate::graph::describe) has it.
        node: String,
        /// What is wrong.
        problem: String,
    },
    /// The nodes depend on each other in a circle.
    #[error("cycle through {node}: it needs its own output; a graph must be acyclic")]
    Cycle {
        /// A node of the cycle.
        node: String,
    },
    /// A node stands before one whose output it reads.
    #[error("{node} reads \"{input}\" before it is produced; call sort_topologically")]
    Unsorted {
        /// The node that stands too early.
        node: String,
        /// What it reads.
        input: String,
    },
    /// An attribute is malformed, missing or not of the type asked for.
    #[error("{node}: attribute \"{attribute}\" {problem}")]
    Attribute {
        /// The node, as [`describe`](crate::graph::describe) has it.
        node: String,
        /// Name of the attribute.
        attribute: String,
        /// What is wrong.
        problem: String,
    },
    /// A tensor is malformed or not what was asked for.
    #[error("tensor \"{tensor}\" {problem}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// The elements of a tensor are of a type that [`TensorData`](crate::TensorData) does not hold.
    #[error(
        "tensor \"{tensor}\" has elements of type {data_type}, which can be loaded and saved but not read as values; cast it to a wider type"
    )]
    UnsupportedType {
        /// Name of the tensor.
        tensor: String,
        /// Type of its elements.
        data_type: DataType,
    },
    /// The external data of a tensor cannot be loaded or saved.
    #[error("tensor \"{tensor}\": external data \"{location}\" {problem}")]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
        /// The data file, as the model names it.
        location: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

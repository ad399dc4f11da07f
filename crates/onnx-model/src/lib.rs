//! An ONNX model as data: read, check, edit, write.
//!
//! - [`Model`] is a checked file in memory: [`Model::open`], [`Model::save`], metadata, inputs and outputs.
//! - [`graph`] walks and edits its graph: who produces a value, who reads it, attributes, new nodes, dead ones.
//! - [`Shapes`] are the shapes of its tensors, [`Summary`] its layers with their parameters, multiplications and bytes.
//! - [`Tensor`] is a constant with typed elements.
//! - [`proto`] are the protobuf messages themselves, every field of ONNX up to IR version 14, so that nothing a file holds is lost
//!   between loading and saving it.
//! - [`write_atomic`] replaces a file as a whole or not at all.
//!
//! Whatever is read from a file is checked before it is believed: sizes before memory is allocated, names before they are looked
//! up. A bad file is an [`Error`] that names the file, the node or the tensor, never a panic.
//!
//! ```
//! use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo, graph, proto::GraphProto};
//!
//! # fn main() -> Result<(), onnx_model::Error> {
//! let value = |name: &str, features| ValueInfo {
//!     name: name.to_owned(),
//!     element_type: DataType::Float,
//!     shape: Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Fixed(features)]),
//! };
//! let model = Model::new(
//!     GraphProto {
//!         name: Some("classifier".to_owned()),
//!         input: vec![(&value("x", 3)).into()],
//!         output: vec![(&value("y", 2)).into()],
//!         initializer: vec![Tensor::f32("fc.weight", &[2, 3], vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0])?.to_proto()],
//!         node: vec![graph::node("Gemm", "fc", &["x", "fc.weight"], &["y"]).with_int("transB", 1)],
//!         ..GraphProto::default()
//!     },
//!     21,
//! );
//! let model = Model::from_bytes(&model.to_bytes())?;
//! assert_eq!(model.inputs(), [value("x", 3)]);
//!
//! let index = graph::GraphIndex::new(model.graph())?;
//! let fc = &model.graph().node[index.producer("y").unwrap()];
//! assert_eq!(graph::describe(fc), "Gemm node \"fc\"");
//! assert_eq!(fc.attr_int("transB", 0)?, 1);
//! assert_eq!(index.constant("fc.weight")?.unwrap().shape, [2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! Without the feature `std` (on by default) there are no files, only models in memory, and the crate is `no_std` with `alloc`.

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

mod check;
mod error;
pub mod graph;
mod model;
pub mod proto;
mod shapes;
mod summary;
mod tensor;
mod value_info;
#[cfg(feature = "std")]
mod write_atomic;

pub use error::Error;
pub use model::{Model, NEWEST_IR_VERSION, NEWEST_OPSET};
pub use proto::DataType;
pub use shapes::{Shapes, Size};
pub use summary::{LayerSummary, Summary};
pub use tensor::{Tensor, TensorData};
pub use value_info::{Dim, ValueInfo};
#[cfg(feature = "std")]
pub use write_atomic::{check_writable, write_atomic};

//! Compiles an ONNX model once into a plan and runs it with integer kernels.
//!
//! A [`Session`] reads quantized models in QDQ form: u8 or s8 activations, 8-bit weights per tensor or per output channel, symmetric or not, as
//! `quantize emit` and ONNX Runtime's `quantize_static` write them, and in the forms of other tools, ONNX Runtime's operators on integers
//! (QGemm and its like) among them. Dense layers (Gemm, MatMul + Add) run on the integer kernels with
//! bias, requantization and activation fused; elementwise functions between quantized tensors become 256-entry tables. With the feature
//! `float` every other node runs in float, so a float model is just a plan without integer steps and any tensor can be tapped. Dense
//! layers on f32 activations, with weights in f32 or in integers of 8 or 4 bits, and what exporters put between them, run on our own kernels
//! with and without that feature.
//!
//! ```
//! use int8_inference::{Session, SessionOptions};
//! use ndarray::array;
//! use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo, graph::node, proto::GraphProto};
//!
//! // One layer y = x W with int8 weights [[2], [-3]] of scale 0.5, on an input quantized in steps of 0.25.
//! let value = |name: &str, features| ValueInfo {
//!     name: name.to_owned(),
//!     element_type: DataType::Float,
//!     shape: Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Fixed(features)]),
//! };
//! let graph = GraphProto {
//!     input: vec![(&value("x", 2)).into()],
//!     output: vec![(&value("y", 1)).into()],
//!     initializer: vec![
//!         Tensor::f32("x_scale", &[], vec![0.25])?.to_proto(),
//!         Tensor::u8("x_zero", &[], vec![128])?.to_proto(),
//!         Tensor::i8("w", &[2, 1], vec![2, -3])?.to_proto(),
//!         Tensor::f32("w_scale", &[], vec![0.5])?.to_proto(),
//!     ],
//!     node: vec![
//!         node("QuantizeLinear", "", &["x", "x_scale", "x_zero"], &["x_q"]),
//!         node("DequantizeLinear", "", &["x_q", "x_scale", "x_zero"], &["x_dq"]),
//!         node("DequantizeLinear", "", &["w", "w_scale"], &["w_dq"]),
//!         node("MatMul", "fc", &["x_dq", "w_dq"], &["y"]),
//!     ],
//!     ..GraphProto::default()
//! };
//! let session = Session::new(&Model::new(graph, 21), &SessionOptions::default())?;
//! let y = session.run(&array![[1.0, -1.0], [0.3, 0.0]].into_dyn().view())?;
//! assert_eq!(y, array![[2.5], [0.25]].into_dyn());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

#[cfg(feature = "std")]
mod binding;
#[cfg(feature = "std")]
mod boundary;
mod certificate;
mod compile;
mod dynamic;
mod error;
mod execute;
mod expression;
mod float_region;
#[cfg(feature = "std")]
mod isa_choice;
#[cfg(feature = "std")]
mod observe;
mod operator_step;
mod operators;
mod plan;
mod quantization;
#[cfg(feature = "std")]
mod results;
mod run_dense;
mod run_dynamic;
mod session;
#[cfg(feature = "std")]
mod threads;
mod workspace;

#[cfg(feature = "std")]
pub use binding::show_shape;
#[cfg(feature = "std")]
pub use boundary::Boundary;
pub use certificate::Certificate;
pub use compile::FusionHints;
pub use error::Error;
#[cfg(feature = "std")]
pub use float_region::TensorValues;
#[cfg(feature = "std")]
pub use isa_choice::{ISA_VARIABLE, choose_kernel};
pub use kernels::Isa;
#[cfg(feature = "std")]
pub use observe::{Observed, ObservedValues};
pub use quantization::QuantParams;
#[cfg(feature = "std")]
pub use session::NamedTensor;
pub use session::{Session, SessionOptions, StepInfo};
pub use workspace::Workspace;

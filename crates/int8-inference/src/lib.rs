//! Compiles an ONNX model once into a plan and runs it with integer kernels.
//!
//! A [`Session`] reads quantized models in QDQ form: u8 or s8 activations, int8 weights per tensor or per output channel, as
//! `quantize emit` and ONNX Runtime's `quantize_static` write them. Dense layers (Gemm, MatMul + Add) run on the integer kernels with
//! bias, requantization and activation fused; elementwise functions between quantized tensors become 256-entry tables. With the feature
//! `float` every other node runs in float, so a float model is just a plan without integer steps and any tensor can be tapped.
//!
//! ```
//! # use onnx_model::{proto::GraphProto, Model};
//! # let model = int8_inference::doctest_model();
//! use int8_inference::{Session, SessionOptions};
//! use ndarray::array;
//!
//! let session = Session::new(&model, &SessionOptions::default())?;
//! let x = array![[1.0f32, -1.0]].into_dyn();
//! let y = session.run(&x.view())?;
//! assert_eq!(y.shape(), [1, 1]);
//! # Ok::<(), int8_inference::Error>(())
//! ```

mod binding;
mod compile;
mod error;
mod execute;
mod expression;
mod float_region;
mod isa_choice;
mod plan;
mod quantization;
mod session;

pub use binding::show_shape;
pub use compile::FusionHints;
pub use error::Error;
pub use execute::{Observed, ObservedValues};
pub use float_region::TensorValues;
pub use isa_choice::{ISA_VARIABLE, choose_kernel};
pub use kernels::Isa;
pub use quantization::QuantParams;
pub use session::{NamedTensor, Session, SessionOptions, StepInfo};

//! Matrix kernels on plain slices: u8 x s8 and f32 products, requantization, quantize, dequantize and lookup.
//!
//! A [`Kernel`] is one instruction set's way to compute; [`best`] picks the fastest this machine can run.
//! Every kernel returns the same bits: [`Isa::Scalar`] is the definition, the others are tested against it.
//!
//! ```
//! use kernels::{Output, Requantize, best};
//!
//! let kernel = best();
//! // Two input channels, three output channels: `[k, n]` = `[2, 3]`.
//! let weights = kernel.pack(&[1, -2, 3, 4, 5, -6], 2, 3);
//! let mut out = [0; 3];
//! kernel.matmul(
//!     &[10, 20],
//!     1,
//!     &weights,
//!     &[0, 100, 0],
//!     Output::U8 {
//!         out: &mut out,
//!         requantize: Requantize { multipliers: &[0.5, 0.5, 0.5], zero_point: 7, min: 7, max: 255 },
//!     },
//! );
//! // The accumulators are 90, 180 and -90; `min` at the zero point is a fused ReLU.
//! assert_eq!(out, [52, 97, 7]);
//! ```
//!
//! # Numeric contract
//!
//! - Products accumulate in `i32` modulo 2^32, starting from the bias. Weights may have a zero point per output channel ([`Weights`]).
//! - Requantization converts the accumulator to `f32` (to nearest even), multiplies once by the channel's multiplier, rounds half to even,
//!   adds the zero point and saturates, each step rounded on its own.
//! - Quantization is ONNX `QuantizeLinear`: divide, round half to even, add the zero point, saturate. NaN counts as 0.
//! - A product in f32 is one chain of fused multiply-adds per output element, in the order of `k`, then the bias and the clamp
//!   ([`Kernel::matmul_f32`]); or it goes on with the chains of another one ([`Kernel::matmul_add_f32`]). Which payload and sign a NaN has is left open; that it is NaN is not.
//!
//! The crate is `no_std` (it needs `alloc`) and has no say in which kernel is used: callers choose by [`best`] or [`with_isa`].
#![cfg_attr(not(test), no_std)]
#![allow(unsafe_code, reason = "intrinsics, raw loads and stores live here so that no other crate needs them")]

extern crate alloc;

mod arguments;
mod epilogue;
mod isa;
mod kernel;
mod levels;
mod matrix;
mod output;
mod packed;
mod packed_blocks;
mod packed_f32;
mod pair_sums;
pub mod peak;
mod scalar;
mod select;
#[cfg(target_arch = "x86_64")]
mod simd;
#[cfg(test)]
mod tests;
mod weights;

pub use epilogue::Epilogue;
pub use isa::{Isa, UnknownIsa};
pub use kernel::{Kernel, Quantized, Rescale};
pub use matrix::{Matrix, MatrixMut};
pub use output::{Output, Requantize};
pub use packed::PackedWeights;
pub use packed_blocks::{Bits, Blocked, PackedBlocks};
pub use packed_f32::PackedF32;
pub use pair_sums::pair_sums_fit;
pub use select::{available, best, with_isa};
pub use weights::Weights;

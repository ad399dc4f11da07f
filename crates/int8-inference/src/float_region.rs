//! The part of a plan that the float runtime executes.

#[cfg(feature = "float")]
mod rewrite;
#[cfg(feature = "float")]
mod rten;
#[cfg(feature = "float")]
pub(crate) use self::rten::{FloatPool, FloatRegion, RuntimeValue, float_values, tensor};
#[cfg(not(feature = "float"))]
mod absent;
#[cfg(not(feature = "float"))]
pub(crate) use self::absent::{FloatPool, FloatRegion, RuntimeValue, float_values, tensor};

#[cfg(feature = "std")]
/// A tensor in plain form, as the caller gets it.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorValues {
    /// Real numbers.
    F32(ndarray::ArrayD<f32>),
    /// Integers of a uint8 tensor, or of a narrower unsigned type.
    U8(ndarray::ArrayD<u8>),
    /// Integers of an int8 tensor, or of a narrower signed type.
    I8(ndarray::ArrayD<i8>),
    /// Integers of any wider type, such as indices.
    I32(ndarray::ArrayD<i32>),
}

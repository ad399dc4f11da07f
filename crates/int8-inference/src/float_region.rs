//! The part of a plan that the float runtime executes.

use alloc::string::String;
use alloc::vec::Vec;

use crate::plan::Place;

#[cfg(feature = "float")]
mod rewrite;
#[cfg(feature = "float")]
mod rten;
#[cfg(feature = "float")]
pub(crate) use self::rten::{Dynamic, FloatPool, FloatRegion, float_values, sample_shape, values};
#[cfg(not(feature = "float"))]
mod absent;
#[cfg(all(feature = "std", not(feature = "float")))]
pub(crate) use self::absent::values;
#[cfg(not(feature = "float"))]
pub(crate) use self::absent::{Dynamic, FloatPool, FloatRegion, float_values, sample_shape};

/// A tensor that a region reads.
pub(crate) struct RegionInput {
    /// The tensor's name in the graph.
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Shape of one sample, known for everything that is not in the runtime's own form.
    pub(crate) sample: Option<Vec<usize>>,
}

/// What a region reads during a run.
#[cfg_attr(not(feature = "float"), allow(dead_code, reason = "only a float runtime looks inside"))]
pub(crate) enum RegionValue<'a> {
    /// f32 values of the given shape, batch included.
    Float(&'a [f32], Vec<usize>),
    /// A result of an earlier region.
    Dynamic(&'a Dynamic),
}

#[cfg(feature = "std")]
/// A tensor in plain form, as the caller gets it.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorValues {
    /// Real numbers.
    F32(ndarray::ArrayD<f32>),
    /// Integers of a uint8 tensor.
    U8(ndarray::ArrayD<u8>),
    /// Integers of an int8 tensor.
    I8(ndarray::ArrayD<i8>),
    /// Integers of any wider type, such as indices.
    I32(ndarray::ArrayD<i32>),
}

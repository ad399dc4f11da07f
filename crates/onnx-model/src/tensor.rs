//! Constant tensors with typed elements.

mod decode;
mod encode;
mod layout;
mod packed;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use half::{bf16, f16};

use crate::Error;
use crate::proto::DataType;

pub(crate) use layout::{Layout, check_tensor};

/// A constant tensor with typed elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name of the tensor, maybe empty.
    pub name: String,
    /// Its dimensions; none for a scalar.
    pub shape: Vec<usize>,
    /// Its elements in row-major order, as many as the dimensions multiply to.
    pub data: TensorData,
}

/// The elements of a [`Tensor`].
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// FLOAT
    F32(Vec<f32>),
    /// DOUBLE
    F64(Vec<f64>),
    /// FLOAT16
    F16(Vec<f16>),
    /// BFLOAT16
    Bf16(Vec<bf16>),
    /// INT8
    I8(Vec<i8>),
    /// UINT8
    U8(Vec<u8>),
    /// INT16
    I16(Vec<i16>),
    /// UINT16
    U16(Vec<u16>),
    /// INT32
    I32(Vec<i32>),
    /// UINT32
    U32(Vec<u32>),
    /// INT64
    I64(Vec<i64>),
    /// UINT64
    U64(Vec<u64>),
    /// BOOL
    Bool(Vec<bool>),
    /// INT4, an element in each byte
    I4(Vec<i8>),
    /// UINT4, an element in each byte
    U4(Vec<u8>),
    /// INT2, an element in each byte
    I2(Vec<i8>),
    /// UINT2, an element in each byte
    U2(Vec<u8>),
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::F32(v) => v.len(),
            TensorData::F64(v) => v.len(),
            TensorData::F16(v) => v.len(),
            TensorData::Bf16(v) => v.len(),
            TensorData::I8(v) | TensorData::I4(v) | TensorData::I2(v) => v.len(),
            TensorData::U8(v) | TensorData::U4(v) | TensorData::U2(v) => v.len(),
            TensorData::I16(v) => v.len(),
            TensorData::U16(v) => v.len(),
            TensorData::I32(v) => v.len(),
            TensorData::U32(v) => v.len(),
            TensorData::I64(v) => v.len(),
            TensorData::U64(v) => v.len(),
            TensorData::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Floating-point elements of type `data_type`, each rounded to the nearest of that type; `None` if it is no such type or one that
    /// cannot be read as values.
    pub fn from_f32(values: Vec<f32>, data_type: DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Float => TensorData::F32(values),
            DataType::Double => TensorData::F64(values.into_iter().map(f64::from).collect()),
            DataType::Float16 => TensorData::F16(values.into_iter().map(f16::from_f32).collect()),
            DataType::Bfloat16 => TensorData::Bf16(values.into_iter().map(bf16::from_f32).collect()),
            _ => return None,
        })
    }

    /// Integer elements of type `data_type`; `None` if it is no such type or one of the values is out of its range.
    pub fn from_i64(values: &[i64], data_type: DataType) -> Option<Self> {
        fn narrow<T: TryFrom<i64>>(values: &[i64]) -> Option<Vec<T>> {
            values.iter().map(|&value| T::try_from(value).ok()).collect()
        }
        let within = |low, high| values.iter().all(|value| (low..=high).contains(value)).then_some(());
        Some(match data_type {
            DataType::Int8 => TensorData::I8(narrow(values)?),
            DataType::Uint8 => TensorData::U8(narrow(values)?),
            DataType::Int16 => TensorData::I16(narrow(values)?),
            DataType::Uint16 => TensorData::U16(narrow(values)?),
            DataType::Int32 => TensorData::I32(narrow(values)?),
            DataType::Uint32 => TensorData::U32(narrow(values)?),
            DataType::Int64 => TensorData::I64(values.to_vec()),
            DataType::Uint64 => TensorData::U64(narrow(values)?),
            DataType::Bool => within(0, 1).map(|()| TensorData::Bool(values.iter().map(|&x| x == 1).collect()))?,
            DataType::Int4 => within(-8, 7).and_then(|()| narrow(values)).map(TensorData::I4)?,
            DataType::Uint4 => within(0, 15).and_then(|()| narrow(values)).map(TensorData::U4)?,
            DataType::Int2 => within(-2, 1).and_then(|()| narrow(values)).map(TensorData::I2)?,
            DataType::Uint2 => within(0, 3).and_then(|()| narrow(values)).map(TensorData::U2)?,
            _ => return None,
        })
    }

    /// Type of the elements.
    pub fn data_type(&self) -> DataType {
        match self {
            TensorData::F32(_) => DataType::Float,
            TensorData::F64(_) => DataType::Double,
            TensorData::F16(_) => DataType::Float16,
            TensorData::Bf16(_) => DataType::Bfloat16,
            TensorData::I8(_) => DataType::Int8,
            TensorData::U8(_) => DataType::Uint8,
            TensorData::I16(_) => DataType::Int16,
            TensorData::U16(_) => DataType::Uint16,
            TensorData::I32(_) => DataType::Int32,
            TensorData::U32(_) => DataType::Uint32,
            TensorData::I64(_) => DataType::Int64,
            TensorData::U64(_) => DataType::Uint64,
            TensorData::Bool(_) => DataType::Bool,
            TensorData::I4(_) => DataType::Int4,
            TensorData::U4(_) => DataType::Uint4,
            TensorData::I2(_) => DataType::Int2,
            TensorData::U2(_) => DataType::Uint2,
        }
    }
}

impl Tensor {
    /// A tensor of `shape`.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there are not as many elements as the shape says, or one has more bits than its type.
    pub fn new(name: &str, shape: &[usize], data: TensorData) -> Result<Self, Error> {
        let tensor = Tensor { name: name.to_owned(), shape: shape.to_vec(), data };
        if layout::element_count(shape) != Some(tensor.data.len()) {
            return Err(tensor.problem(&format!("of shape {shape:?} cannot have {} elements", tensor.data.len())));
        }
        let beyond = match &tensor.data {
            TensorData::I4(v) => v.iter().find(|x| !(-8..=7).contains(*x)).map(|&x| i32::from(x)),
            TensorData::U4(v) => v.iter().find(|x| **x > 15).map(|&x| i32::from(x)),
            TensorData::I2(v) => v.iter().find(|x| !(-2..=1).contains(*x)).map(|&x| i32::from(x)),
            TensorData::U2(v) => v.iter().find(|x| **x > 3).map(|&x| i32::from(x)),
            _ => None,
        };
        match beyond {
            None => Ok(tensor),
            Some(value) => Err(tensor.problem(&format!("of type {} cannot hold {value}", tensor.data.data_type()))),
        }
    }

    /// A tensor of FLOAT; errors as [`new`](Self::new).
    pub fn f32(name: &str, shape: &[usize], data: Vec<f32>) -> Result<Self, Error> {
        Self::new(name, shape, TensorData::F32(data))
    }

    /// A tensor of INT8; errors as [`new`](Self::new).
    pub fn i8(name: &str, shape: &[usize], data: Vec<i8>) -> Result<Self, Error> {
        Self::new(name, shape, TensorData::I8(data))
    }

    /// A tensor of UINT8; errors as [`new`](Self::new).
    pub fn u8(name: &str, shape: &[usize], data: Vec<u8>) -> Result<Self, Error> {
        Self::new(name, shape, TensorData::U8(data))
    }

    /// A tensor of INT32; errors as [`new`](Self::new).
    pub fn i32(name: &str, shape: &[usize], data: Vec<i32>) -> Result<Self, Error> {
        Self::new(name, shape, TensorData::I32(data))
    }

    /// A tensor of INT64; errors as [`new`](Self::new).
    pub fn i64(name: &str, shape: &[usize], data: Vec<i64>) -> Result<Self, Error> {
        Self::new(name, shape, TensorData::I64(data))
    }

    /// The elements as `f32`, wider numbers rounded to the nearest.
    ///
    /// # Errors
    /// [`Error::Tensor`] if they are truth values.
    pub fn to_f32(&self) -> Result<Vec<f32>, Error> {
        Ok(match &self.data {
            TensorData::F32(v) => v.clone(),
            TensorData::F64(v) => v.iter().map(|&x| x as f32).collect(),
            TensorData::F16(v) => v.iter().map(|x| x.to_f32()).collect(),
            TensorData::Bf16(v) => v.iter().map(|x| x.to_f32()).collect(),
            TensorData::I8(v) | TensorData::I4(v) | TensorData::I2(v) => v.iter().map(|&x| f32::from(x)).collect(),
            TensorData::U8(v) | TensorData::U4(v) | TensorData::U2(v) => v.iter().map(|&x| f32::from(x)).collect(),
            TensorData::I16(v) => v.iter().map(|&x| f32::from(x)).collect(),
            TensorData::U16(v) => v.iter().map(|&x| f32::from(x)).collect(),
            TensorData::I32(v) => v.iter().map(|&x| x as f32).collect(),
            TensorData::U32(v) => v.iter().map(|&x| x as f32).collect(),
            TensorData::I64(v) => v.iter().map(|&x| x as f32).collect(),
            TensorData::U64(v) => v.iter().map(|&x| x as f32).collect(),
            TensorData::Bool(_) => return Err(self.problem("holds truth values, expected numbers")),
        })
    }

    /// The only element as `f32`, of a scalar or of any shape with one element.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there are more or fewer elements, or they are truth values.
    pub fn scalar_f32(&self) -> Result<f32, Error> {
        match self.to_f32()?.as_slice() {
            [value] => Ok(*value),
            _ => Err(self.problem(&format!("of shape {:?} is not a single value", self.shape))),
        }
    }

    /// The elements as `i64`, without loss.
    ///
    /// # Errors
    /// [`Error::Tensor`] if they are not integers, or one is above `i64::MAX`.
    pub fn to_i64(&self) -> Result<Vec<i64>, Error> {
        Ok(match &self.data {
            TensorData::I8(v) | TensorData::I4(v) | TensorData::I2(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U8(v) | TensorData::U4(v) | TensorData::U2(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I16(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U16(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I32(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::U32(v) => v.iter().map(|&x| x.into()).collect(),
            TensorData::I64(v) => v.clone(),
            TensorData::U64(v) => {
                let narrowed: Result<Vec<i64>, _> = v.iter().map(|&x| i64::try_from(x)).collect();
                narrowed.map_err(|_| self.problem("holds a number above 2^63 - 1, expected signed integers"))?
            }
            _ => return Err(self.problem(&format!("holds {}, expected integers", self.data.data_type()))),
        })
    }

    fn problem(&self, problem: &str) -> Error {
        Error::Tensor { tensor: self.name.clone(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests;

//! From a message to typed elements.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use half::{bf16, f16};
use prost::Message;

use super::packed::{sign_extend, unpack};
use super::{Layout, Tensor, TensorData, check_tensor};
use crate::Error;
use crate::proto::{DataType, TensorProto};

impl Tensor {
    /// Reads a message of its own, as the files of ONNX's test data sets hold it.
    ///
    /// # Errors
    /// [`Error::NotOnnx`] if the bytes are no tensor; else as [`from_proto`](Self::from_proto).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_proto(&TensorProto::decode(bytes).map_err(|error| Error::NotOnnx(error.to_string()))?)
    }

    /// Reads the elements of a message.
    ///
    /// # Errors
    /// [`Error::Tensor`] if type, shape and stored elements do not fit together; [`Error::UnsupportedType`] for text, complex numbers
    /// and floating-point numbers of 8 bits or fewer; [`Error::ExternalData`] if the elements are in another file.
    pub fn from_proto(proto: &TensorProto) -> Result<Self, Error> {
        let Layout { data_type, shape, count } = check_tensor(proto)?;
        if proto.segment.is_some() {
            return Err(problem(proto, "is a segment of a larger one, which cannot be read as values"));
        }
        let raw = proto.raw_data.as_deref();
        let data = match data_type {
            DataType::Float => {
                TensorData::F32(raw.map_or_else(|| proto.float_data.clone(), |b| read(b, f32::from_le_bytes)))
            }
            DataType::Double => {
                TensorData::F64(raw.map_or_else(|| proto.double_data.clone(), |b| read(b, f64::from_le_bytes)))
            }
            DataType::Int32 => {
                TensorData::I32(raw.map_or_else(|| proto.int32_data.clone(), |b| read(b, i32::from_le_bytes)))
            }
            DataType::Int64 => {
                TensorData::I64(raw.map_or_else(|| proto.int64_data.clone(), |b| read(b, i64::from_le_bytes)))
            }
            DataType::Uint64 => {
                TensorData::U64(raw.map_or_else(|| proto.uint64_data.clone(), |b| read(b, u64::from_le_bytes)))
            }
            DataType::Uint32 => TensorData::U32(match raw {
                Some(bytes) => read(bytes, u32::from_le_bytes),
                None => narrow(proto, &proto.uint64_data)?,
            }),
            DataType::Int8 => TensorData::I8(match raw {
                Some(bytes) => read(bytes, i8::from_le_bytes),
                None => narrow(proto, &proto.int32_data)?,
            }),
            DataType::Uint8 => TensorData::U8(match raw {
                Some(bytes) => bytes.to_vec(),
                None => narrow(proto, &proto.int32_data)?,
            }),
            DataType::Int16 => TensorData::I16(match raw {
                Some(bytes) => read(bytes, i16::from_le_bytes),
                None => narrow(proto, &proto.int32_data)?,
            }),
            DataType::Uint16 => TensorData::U16(words(proto, raw)?),
            DataType::Float16 => TensorData::F16(words(proto, raw)?.into_iter().map(f16::from_bits).collect()),
            DataType::Bfloat16 => TensorData::Bf16(words(proto, raw)?.into_iter().map(bf16::from_bits).collect()),
            DataType::Bool => TensorData::Bool(match raw {
                Some(bytes) => bytes.iter().map(|&byte| byte != 0).collect(),
                None => proto.int32_data.iter().map(|&word| word != 0).collect(),
            }),
            DataType::Int4 => TensorData::I4(signed(&small(proto, raw, count, 4)?, 4)),
            DataType::Uint4 => TensorData::U4(small(proto, raw, count, 4)?),
            DataType::Int2 => TensorData::I2(signed(&small(proto, raw, count, 2)?, 2)),
            DataType::Uint2 => TensorData::U2(small(proto, raw, count, 2)?),
            _ => return Err(Error::UnsupportedType { tensor: proto.name().to_owned(), data_type }),
        };
        Ok(Tensor { name: proto.name().to_owned(), shape, data })
    }
}

/// Elements of `N` bytes each; `check_tensor` has seen to it that none are left over.
fn read<T, const N: usize>(bytes: &[u8], from_le: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| from_le(chunk)).collect()
}

/// Unsigned 16-bit elements, or the bits of floating-point ones.
fn words(proto: &TensorProto, raw: Option<&[u8]>) -> Result<Vec<u16>, Error> {
    raw.map_or_else(|| narrow(proto, &proto.int32_data), |bytes| Ok(read(bytes, u16::from_le_bytes)))
}

/// Elements of 2 or 4 bits, as unsigned numbers. Each entry of the typed field is a byte of several of them.
fn small(proto: &TensorProto, raw: Option<&[u8]>, count: usize, bits: u32) -> Result<Vec<u8>, Error> {
    match raw {
        Some(bytes) => Ok(unpack(bytes, count, bits)),
        // Writers that sign-extend the byte store it as a negative number.
        None if proto.int32_data.iter().all(|word| (-128..256).contains(word)) => {
            let bytes: Vec<u8> = proto.int32_data.iter().map(|&word| word as u8).collect();
            Ok(unpack(&bytes, count, bits))
        }
        None => Err(problem(proto, "has entries of int32_data that are no bytes of packed elements")),
    }
}

fn signed(elements: &[u8], bits: u32) -> Vec<i8> {
    elements.iter().map(|&element| sign_extend(element, bits)).collect()
}

/// Elements that the message stores in a wider type.
fn narrow<W: Copy + core::fmt::Display, T: TryFrom<W>>(proto: &TensorProto, wide: &[W]) -> Result<Vec<T>, Error> {
    let narrowed = wide.iter().map(|&value| {
        T::try_from(value).map_err(|_| problem(proto, &format!("holds {value}, which is out of the range of its type")))
    });
    narrowed.collect()
}

fn problem(proto: &TensorProto, problem: &str) -> Error {
    Error::Tensor { tensor: proto.name().to_owned(), problem: problem.to_owned() }
}

//! From a message to typed elements.

use half::{bf16, f16};

use super::{Layout, Tensor, TensorData, check_tensor};
use crate::Error;
use crate::proto::{DataType, TensorProto};

impl Tensor {
    /// Reads the elements of a message.
    ///
    /// # Errors
    /// [`Error::Tensor`] if type, shape and stored elements do not fit together; [`Error::UnsupportedType`] for text, complex numbers
    /// and numbers of fewer than 8 bits or of 8 floating-point bits; [`Error::ExternalData`] if the elements are in another file.
    pub fn from_proto(proto: &TensorProto) -> Result<Self, Error> {
        let Layout { data_type, shape, .. } = check_tensor(proto)?;
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

/// Elements that the message stores in a wider type.
fn narrow<W: Copy + std::fmt::Display, T: TryFrom<W>>(proto: &TensorProto, wide: &[W]) -> Result<Vec<T>, Error> {
    let narrowed = wide.iter().map(|&value| {
        T::try_from(value).map_err(|_| problem(proto, &format!("holds {value}, which is out of the range of its type")))
    });
    narrowed.collect()
}

fn problem(proto: &TensorProto, problem: &str) -> Error {
    Error::Tensor { tensor: proto.name().to_owned(), problem: problem.to_owned() }
}

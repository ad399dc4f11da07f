//! From typed elements to `raw_data`.

use alloc::vec::Vec;

use prost::Message;

use super::packed::pack;
use super::{Tensor, TensorData};
use crate::proto::TensorProto;

impl Tensor {
    /// The tensor as a message, elements in `raw_data`.
    pub fn to_proto(&self) -> TensorProto {
        TensorProto {
            // A shape too large for `i64` has no elements that could be in memory; `check` refuses it.
            dims: self.shape.iter().map(|&dim| i64::try_from(dim).unwrap_or(i64::MAX)).collect(),
            data_type: Some(self.data.data_type().into()),
            name: Some(self.name.clone()),
            raw_data: Some(self.data.to_le_bytes()),
            ..TensorProto::default()
        }
    }
}

impl Tensor {
    /// The tensor as a protobuf message of its own, as the files of ONNX's test data sets hold it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }
}

impl TensorData {
    /// The elements as `raw_data` has them: little-endian.
    pub(crate) fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            TensorData::F32(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::F64(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::F16(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::Bf16(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::I8(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::U8(v) => v.clone(),
            TensorData::I16(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::U16(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::I32(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::U32(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::I64(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::U64(v) => bytes(v, |x| x.to_le_bytes()),
            TensorData::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
            TensorData::I4(v) => pack(v.iter().map(|&x| x as u8), 4),
            TensorData::U4(v) => pack(v.iter().copied(), 4),
            TensorData::I2(v) => pack(v.iter().map(|&x| x as u8), 2),
            TensorData::U2(v) => pack(v.iter().copied(), 2),
        }
    }
}

fn bytes<T: Copy, const N: usize>(values: &[T], to_le: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * N);
    values.iter().for_each(|&value| bytes.extend_from_slice(&to_le(value)));
    bytes
}

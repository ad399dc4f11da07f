//! `SparseTensorProto`: a constant tensor that is mostly zero.

use alloc::vec::Vec;

use super::TensorProto;

/// A constant tensor of which only the non-default elements are stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SparseTensorProto {
    /// The stored elements, shape `[nnz]`; its name is the name of the sparse tensor.
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    /// Where they belong: shape `[nnz]` (linear) or `[nnz, rank]`, INT64.
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    /// Shape of the dense tensor.
    #[prost(int64, repeated, packed = "false", tag = "3")]
    pub dims: Vec<i64>,
}

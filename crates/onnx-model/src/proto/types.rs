//! `TypeProto` and `TensorShapeProto`: the type of a value.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The type of a value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TypeProto {
    /// Standard meaning of the value, such as `IMAGE`.
    #[prost(string, optional, tag = "6")]
    pub denotation: Option<String>,
    /// The type itself.
    #[prost(oneof = "TypeValue", tags = "1, 4, 5, 7, 8, 9")]
    pub value: Option<TypeValue>,
}

/// The kinds of type.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum TypeValue {
    /// A dense tensor.
    #[prost(message, tag = "1")]
    TensorType(TensorType),
    /// A sequence.
    #[prost(message, tag = "4")]
    SequenceType(SequenceType),
    /// A map.
    #[prost(message, tag = "5")]
    MapType(MapType),
    /// A type of somebody else's.
    #[prost(message, tag = "7")]
    OpaqueType(OpaqueType),
    /// A sparse tensor.
    #[prost(message, tag = "8")]
    SparseTensorType(SparseTensorType),
    /// A value that may be absent.
    #[prost(message, tag = "9")]
    OptionalType(OptionalType),
}

/// `TypeProto.Tensor`: a dense tensor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TensorType {
    /// The element type, a [`DataType`](super::DataType).
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// The shape; absent if not even the rank is known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// `TypeProto.Sequence`: any number of values of one type.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SequenceType {
    /// Type of the elements.
    #[prost(message, optional, boxed, tag = "1")]
    pub elem_type: Option<Box<TypeProto>>,
}

/// `TypeProto.Map`: from keys to values.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MapType {
    /// Type of the keys, a [`DataType`](super::DataType): an integer or STRING.
    #[prost(int32, optional, tag = "1")]
    pub key_type: Option<i32>,
    /// Type of the values.
    #[prost(message, optional, boxed, tag = "2")]
    pub value_type: Option<Box<TypeProto>>,
}

/// `TypeProto.Optional`: a value that may be absent.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OptionalType {
    /// Type of the value.
    #[prost(message, optional, boxed, tag = "1")]
    pub elem_type: Option<Box<TypeProto>>,
}

/// `TypeProto.SparseTensor`: a sparse tensor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SparseTensorType {
    /// The element type, a [`DataType`](super::DataType).
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// The shape; absent if not even the rank is known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// `TypeProto.Opaque`: a type known by name alone.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpaqueType {
    /// Domain of the type; that of the model if absent.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Name of the type.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}

/// A shape some or all of whose dimensions may be unknown.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TensorShapeProto {
    /// The dimensions.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: one dimension; unknown if it has no value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Dimension {
    /// Standard meaning of the dimension, such as `DATA_BATCH`.
    #[prost(string, optional, tag = "3")]
    pub denotation: Option<String>,
    /// A number or a symbol.
    #[prost(oneof = "DimensionValue", tags = "1, 2")]
    pub value: Option<DimensionValue>,
}

/// What is known of a dimension.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum DimensionValue {
    /// Its size.
    #[prost(int64, tag = "1")]
    DimValue(i64),
    /// The name of a size known only when the model runs.
    #[prost(string, tag = "2")]
    DimParam(String),
}

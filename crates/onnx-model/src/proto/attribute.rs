//! `AttributeProto`: a named constant argument of a node.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{GraphProto, SparseTensorProto, TensorProto, TypeProto};

/// A named constant argument of a node; exactly one of the value fields is in use.
///
/// The large messages are boxed: attributes are many and most hold one number.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeProto {
    /// Name of the attribute.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A float.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// A UTF-8 string.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// A tensor.
    #[prost(message, optional, boxed, tag = "5")]
    pub t: Option<Box<TensorProto>>,
    /// A subgraph.
    #[prost(message, optional, boxed, tag = "6")]
    pub g: Option<Box<GraphProto>>,
    /// Floats.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// UTF-8 strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Tensors.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    /// Subgraphs.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
    /// Documentation for people.
    #[prost(string, optional, tag = "13")]
    pub doc_string: Option<String>,
    /// A type.
    #[prost(message, optional, boxed, tag = "14")]
    pub tp: Option<Box<TypeProto>>,
    /// Types.
    #[prost(message, repeated, tag = "15")]
    pub type_protos: Vec<TypeProto>,
    /// Which of the value fields is in use.
    #[prost(enumeration = "AttributeType", optional, tag = "20")]
    pub r#type: Option<i32>,
    /// Inside a function body: the function's attribute this one takes its value from.
    #[prost(string, optional, tag = "21")]
    pub ref_attr_name: Option<String>,
    /// A sparse tensor.
    #[prost(message, optional, boxed, tag = "22")]
    pub sparse_tensor: Option<Box<SparseTensorProto>>,
    /// Sparse tensors.
    #[prost(message, repeated, tag = "23")]
    pub sparse_tensors: Vec<SparseTensorProto>,
}

/// Says which value field of an [`AttributeProto`] is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum AttributeType {
    /// Not set.
    Undefined = 0,
    /// Field `f`.
    Float = 1,
    /// Field `i`.
    Int = 2,
    /// Field `s`.
    String = 3,
    /// Field `t`.
    Tensor = 4,
    /// Field `g`.
    Graph = 5,
    /// Field `floats`.
    Floats = 6,
    /// Field `ints`.
    Ints = 7,
    /// Field `strings`.
    Strings = 8,
    /// Field `tensors`.
    Tensors = 9,
    /// Field `graphs`.
    Graphs = 10,
    /// Field `sparse_tensor`.
    SparseTensor = 11,
    /// Field `sparse_tensors`.
    SparseTensors = 12,
    /// Field `tp`.
    TypeProto = 13,
    /// Field `type_protos`.
    TypeProtos = 14,
}

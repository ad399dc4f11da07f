//! `GraphProto`: nodes, weights, inputs and outputs.

use alloc::string::String;
use alloc::vec::Vec;

use super::{NodeProto, SparseTensorProto, StringStringEntryProto, TensorProto, TypeProto};

/// A computation graph.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    /// The nodes in topological order.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// Name of the graph.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// Constant tensors: weights, biases, shapes.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Documentation for people.
    #[prost(string, optional, tag = "10")]
    pub doc_string: Option<String>,
    /// Inputs; up to IR version 3 the initializers are listed here as well.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// Outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Types of intermediate values, where known.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
    /// Quantization parameters of tensors, by name.
    #[prost(message, repeated, tag = "14")]
    pub quantization_annotation: Vec<TensorAnnotation>,
    /// Constant tensors stored sparsely.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Name and type of a value.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ValueInfoProto {
    /// Name of the value.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Type of the value.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// Documentation for people.
    #[prost(string, optional, tag = "3")]
    pub doc_string: Option<String>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "4")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Links a tensor to the tensors that hold its quantization parameters.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TensorAnnotation {
    /// Name of the annotated tensor.
    #[prost(string, optional, tag = "1")]
    pub tensor_name: Option<String>,
    /// Role (`SCALE_TENSOR`, `ZERO_POINT_TENSOR`) to tensor name.
    #[prost(message, repeated, tag = "2")]
    pub quant_parameter_tensor_names: Vec<StringStringEntryProto>,
}

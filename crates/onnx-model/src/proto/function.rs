//! `FunctionProto`: an operator defined by the model itself.

use alloc::string::String;
use alloc::vec::Vec;

use super::{AttributeProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, ValueInfoProto};

/// An operator that the model defines as a graph of others.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FunctionProto {
    /// Name, as `op_type` of the nodes that call it.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Names of the inputs.
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    /// Names of the outputs.
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    /// Names of attributes that have no default.
    #[prost(string, repeated, tag = "6")]
    pub attribute: Vec<String>,
    /// The body.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<NodeProto>,
    /// Documentation for people.
    #[prost(string, optional, tag = "8")]
    pub doc_string: Option<String>,
    /// Operator sets the nodes of the body are bound to.
    #[prost(message, repeated, tag = "9")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Domain of the function.
    #[prost(string, optional, tag = "10")]
    pub domain: Option<String>,
    /// Attributes with their defaults.
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<AttributeProto>,
    /// Types of values of the body, where known.
    #[prost(message, repeated, tag = "12")]
    pub value_info: Vec<ValueInfoProto>,
    /// Tells functions of the same domain and name apart.
    #[prost(string, optional, tag = "13")]
    pub overload: Option<String>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

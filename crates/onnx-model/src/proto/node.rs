//! `NodeProto`: one call of an operator.

use alloc::string::String;
use alloc::vec::Vec;

use super::{AttributeProto, NodeDeviceConfigurationProto, StringStringEntryProto};

/// One call of an operator.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeProto {
    /// Names of the values read; an empty name is an optional input left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values produced; an empty name is an optional output left out.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Name of the node itself.
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    /// The operator, such as `Gemm`.
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    /// Attributes of the operator.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// Documentation for people.
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    /// Domain of the operator; absent, empty and `ai.onnx` mean ONNX itself.
    #[prost(string, optional, tag = "7")]
    pub domain: Option<String>,
    /// Picks one of several model-local functions of the same name.
    #[prost(string, optional, tag = "8")]
    pub overload: Option<String>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "9")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// How the node is spread over devices.
    #[prost(message, repeated, tag = "10")]
    pub device_configurations: Vec<NodeDeviceConfigurationProto>,
}

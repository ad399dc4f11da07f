//! `ModelProto`: the file as a whole.

use alloc::string::String;
use alloc::vec::Vec;

use super::{DeviceConfigurationProto, FunctionProto, GraphProto, TrainingInfoProto};

/// The top-level message of an ONNX file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    /// Version of the intermediate representation the file is written in.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// Operator sets the nodes are bound to, one version per domain.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Tool that wrote the model.
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    /// Version of the tool that wrote the model.
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    /// Reverse-DNS name space of the model.
    #[prost(string, optional, tag = "4")]
    pub domain: Option<String>,
    /// Version of the graph itself.
    #[prost(int64, optional, tag = "5")]
    pub model_version: Option<i64>,
    /// Documentation for people.
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    /// The graph that is evaluated to run the model.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// How the model is initialized and trained.
    #[prost(message, repeated, tag = "20")]
    pub training_info: Vec<TrainingInfoProto>,
    /// Functions local to the model.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
    /// Multi-device configurations nodes refer to.
    #[prost(message, repeated, tag = "26")]
    pub configuration: Vec<DeviceConfigurationProto>,
}

/// A version of one operator domain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorSetIdProto {
    /// The operator domain; absent, empty and `ai.onnx` mean ONNX itself.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Version of the operator set.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// One entry of a map from string to string.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// The value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

//! The multi-device messages: configurations, and how nodes are sharded over them.

use alloc::string::String;
use alloc::vec::Vec;

/// A set of devices a model can be spread over.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DeviceConfigurationProto {
    /// Name of the configuration.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Number of devices.
    #[prost(int32, optional, tag = "2")]
    pub num_devices: Option<i32>,
    /// Names of the devices: none, or `num_devices`.
    #[prost(string, repeated, tag = "3")]
    pub device: Vec<String>,
}

/// How one node runs under one configuration.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NodeDeviceConfigurationProto {
    /// Name of a [`DeviceConfigurationProto`].
    #[prost(string, optional, tag = "1")]
    pub configuration_id: Option<String>,
    /// How the node's tensors are sharded.
    #[prost(message, repeated, tag = "2")]
    pub sharding_spec: Vec<ShardingSpecProto>,
    /// Pipeline stage of the node.
    #[prost(int32, optional, tag = "3")]
    pub pipeline_stage: Option<i32>,
}

/// How one input or output of a node is sharded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShardingSpecProto {
    /// Name of the tensor.
    #[prost(string, optional, tag = "1")]
    pub tensor_name: Option<String>,
    /// Devices, or keys of `index_to_device_group_map`.
    #[prost(int64, repeated, packed = "false", tag = "2")]
    pub device: Vec<i64>,
    /// Groups of devices that hold the same shard.
    #[prost(message, repeated, tag = "3")]
    pub index_to_device_group_map: Vec<IntIntListEntryProto>,
    /// How each axis is sharded.
    #[prost(message, repeated, tag = "4")]
    pub sharded_dim: Vec<ShardedDimProto>,
}

/// How one axis of a tensor is sharded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShardedDimProto {
    /// The axis, counted from the back if negative.
    #[prost(int64, optional, tag = "1")]
    pub axis: Option<i64>,
    /// Its shards; several if the axis fuses several others.
    #[prost(message, repeated, tag = "2")]
    pub simple_sharding: Vec<SimpleShardedDimProto>,
}

/// A number of blocks divided into a number of shards.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SimpleShardedDimProto {
    /// Number of shards.
    #[prost(int64, optional, tag = "3")]
    pub num_shards: Option<i64>,
    /// Number of blocks.
    #[prost(oneof = "SimpleShardedDim", tags = "1, 2")]
    pub dim: Option<SimpleShardedDim>,
}

/// Number of blocks of a sharded dimension.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum SimpleShardedDim {
    /// A number.
    #[prost(int64, tag = "1")]
    DimValue(i64),
    /// The name of a number known only when the model runs.
    #[prost(string, tag = "2")]
    DimParam(String),
}

/// One entry of a map from integer to integers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct IntIntListEntryProto {
    /// The key.
    #[prost(int64, optional, tag = "1")]
    pub key: Option<i64>,
    /// The values.
    #[prost(int64, repeated, packed = "false", tag = "2")]
    pub value: Vec<i64>,
}

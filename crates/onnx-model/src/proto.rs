//! The protobuf messages of ONNX as plain structs: every message and field of `onnx-ml.proto` up to IR version 14.
//!
//! Names are those of the `.proto` file in snake_case; `type` is [`r#type`](AttributeProto::type). Messages the file nests in
//! another one stand beside it with a name of their own: `TypeProto.Tensor` is [`TensorType`], `TensorProto.Segment` is [`Segment`].
//!
//! Optional scalars are `Option`, so what a file leaves out stays left out when it is saved again. prost also derives a getter of the
//! same name that gives the default for an absent field: `node.op_type()` is `""` if `node.op_type` is `None`.

mod attribute;
mod device;
mod function;
mod graph;
mod model;
mod node;
mod sparse_tensor;
mod tensor;
mod training;
mod types;

pub use attribute::{AttributeProto, AttributeType};
pub use device::{
    DeviceConfigurationProto, IntIntListEntryProto, NodeDeviceConfigurationProto, ShardedDimProto, ShardingSpecProto,
    SimpleShardedDim, SimpleShardedDimProto,
};
pub use function::FunctionProto;
pub use graph::{GraphProto, TensorAnnotation, ValueInfoProto};
pub use model::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
pub use node::NodeProto;
pub use sparse_tensor::SparseTensorProto;
pub use tensor::{DataLocation, DataType, Segment, TensorProto};
pub use training::TrainingInfoProto;
pub use types::{
    Dimension, DimensionValue, MapType, OpaqueType, OptionalType, SequenceType, SparseTensorType, TensorShapeProto,
    TensorType, TypeProto, TypeValue,
};

#[cfg(test)]
mod tests;

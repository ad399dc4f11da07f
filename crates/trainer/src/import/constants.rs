//! Constants of a model as values of parameters.

use onnx_model::TensorData;
use onnx_model::proto::NodeProto;

use super::{Reader, refuse};
use crate::error::Result;

impl Reader<'_> {
    /// Shape and values of a tensor if it is a constant of floats.
    pub(super) fn floats(&self, node: &NodeProto, tensor: &str) -> Result<Option<(Vec<usize>, Vec<f32>)>> {
        match self.index.constant(tensor)? {
            None => Ok(None),
            Some(constant) => match constant.data {
                TensorData::F32(values) => Ok(Some((constant.shape, values))),
                other => Err(refuse(
                    node,
                    format!("its constant \"{tensor}\" is of type {}; the trainer takes FLOAT", other.data_type()),
                )),
            },
        }
    }

    pub(super) fn is_constant(&self, tensor: &str) -> bool {
        let by_node = || {
            let producer = self.index.producer(tensor).map(|position| &self.graph.node[position]);
            producer.is_some_and(|node| node.op_type() == "Constant")
        };
        self.index.initializer(tensor).is_some() || by_node()
    }
}

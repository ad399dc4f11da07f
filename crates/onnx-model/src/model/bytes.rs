//! From the bytes of a file to a checked model, and back.

use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec::Vec;

use prost::Message;

use super::Model;
use crate::proto::ModelProto;
use crate::{Error, check, graph};

/// The most a protobuf message can hold.
pub(super) const MAX_PROTOBUF_BYTES: u64 = i32::MAX as u64;

impl Model {
    /// Reads a model from the bytes of a file and checks it; nodes are sorted as in [`open`](Self::open).
    ///
    /// # Errors
    /// As for [`open`](Self::open); external data is refused, as there is no directory to find it in.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() as u64 > MAX_PROTOBUF_BYTES {
            return Err(Error::TooLarge { bytes: bytes.len() as u64 });
        }
        Self::from_proto(decode(bytes)?)
    }

    /// The bytes of the model as a file has them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    pub(super) fn from_proto(mut proto: ModelProto) -> Result<Self, Error> {
        if let Some(graph) = &mut proto.graph {
            graph::sort_topologically(graph)?;
        }
        check::check_model(&proto)?;
        Ok(Model { proto })
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<ModelProto, Error> {
    if bytes.is_empty() {
        return Err(Error::NotOnnx("it is empty".to_owned()));
    }
    let proto = ModelProto::decode(bytes).map_err(|e| Error::NotOnnx(e.to_string()))?;
    // A newer version may hold fields that are lost in `proto`: nothing else is worth looking at.
    check::check_ir_version(&proto)?;
    Ok(proto)
}

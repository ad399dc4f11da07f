//! From bytes and files to a checked model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use prost::Message;

use super::Model;
use crate::proto::ModelProto;
use crate::{Error, check, graph};

/// The most a protobuf message can hold.
pub(super) const MAX_PROTOBUF_BYTES: u64 = i32::MAX as u64;

impl Model {
    /// Reads the model at `path`, with the external data beside it, and checks it.
    ///
    /// Nodes in another than topological order, which ONNX demands, are sorted. Elements kept in other files are loaded into the
    /// tensors' `raw_data`; such a file has to be in the model's directory or below.
    ///
    /// # Errors
    /// [`Error::InFile`] about the first thing that is wrong: the file cannot be read or is not ONNX, is newer than
    /// [`NEWEST_IR_VERSION`](crate::NEWEST_IR_VERSION), misses external data, or fails [`check`](Self::check).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let in_file = |error| Error::InFile { path: path.to_owned(), error: Box::new(error) };
        let mut proto = decode(&bytes).map_err(in_file)?;
        drop(bytes);
        super::external_data::load(&mut proto, path).map_err(in_file)?;
        Self::from_proto(proto).map_err(in_file)
    }

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

    fn from_proto(mut proto: ModelProto) -> Result<Self, Error> {
        if let Some(graph) = &mut proto.graph {
            graph::sort_topologically(graph)?;
        }
        check::check_model(&proto)?;
        Ok(Model { proto })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |cause| Error::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_PROTOBUF_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_PROTOBUF_BYTES {
        return Err(Error::InFile {
            path: path.to_owned(),
            error: Box::new(Error::TooLarge { bytes: bytes.len() as u64 }),
        });
    }
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<ModelProto, Error> {
    if bytes.is_empty() {
        return Err(Error::NotOnnx("it is empty".to_owned()));
    }
    let proto = ModelProto::decode(bytes).map_err(|e| Error::NotOnnx(e.to_string()))?;
    // A newer version may hold fields that are lost in `proto`: nothing else is worth looking at.
    check::check_ir_version(&proto)?;
    Ok(proto)
}

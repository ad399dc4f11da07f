//! From a file to a checked model.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Model;
use super::bytes::{MAX_PROTOBUF_BYTES, decode};
use crate::Error;

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

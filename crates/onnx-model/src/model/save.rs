//! From a model to files.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use prost::Message;

use super::Model;
use super::bytes::MAX_PROTOBUF_BYTES;
use crate::proto::{DataLocation, GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use crate::write_atomic::write_atomic_with;
use crate::{Error, Tensor, write_atomic};

/// Where a tensor in the data file starts: at a multiple of a page, as ONNX recommends, so that the file can be mapped into memory.
const ALIGNMENT: u64 = 4096;
/// Smaller tensors stay in the model file: aligned, they would take more space than they fill.
const MIN_EXTERNAL_BYTES: usize = 4096;

impl Model {
    /// Checks the model and writes it to the file at `path`, as a whole or not at all.
    ///
    /// # Errors
    /// What [`check`](Self::check) finds, [`Error::TooLarge`] above 2 GiB, [`Error::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.check()?;
        write_proto(path.as_ref(), &self.proto)
    }

    /// Checks the model and writes it to two files: the initializers of 4 KiB or more to `<file name>.data` beside `path`, the rest to
    /// `path`.
    ///
    /// Each file is written as a whole or not at all, the data first. A model without such initializers gets no data file.
    ///
    /// # Errors
    /// As for [`save`](Self::save); [`Error::Write`] if `path` is no place for a regular file or its name is not Unicode.
    pub fn save_with_external_data(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.check()?;
        let path = path.as_ref();
        let refused = |advice: &str| Error::Write {
            path: path.to_owned(),
            advice: advice.to_owned(),
            cause: io::ErrorKind::InvalidInput.into(),
        };
        if fs::metadata(path).is_ok_and(|target| !target.is_file()) {
            return Err(refused("external data can only be put beside a regular file, choose another path"));
        }
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(refused(
                "the model has to name its data file, so the path has to end in a file name in Unicode",
            ));
        };
        let location = format!("{file_name}.data");

        let graph = self.graph();
        let mut initializers = Vec::with_capacity(graph.initializer.len());
        let mut data: Vec<(u64, Cow<[u8]>)> = Vec::new();
        let mut end = 0_u64;
        for tensor in &graph.initializer {
            match raw_bytes(tensor)? {
                Some(raw) if raw.len() >= MIN_EXTERNAL_BYTES => {
                    let offset = end.next_multiple_of(ALIGNMENT);
                    end = offset + raw.len() as u64;
                    initializers.push(without_elements(tensor, &location, offset, raw.len()));
                    data.push((offset, raw));
                }
                _ => initializers.push(tensor.clone()),
            }
        }
        if !data.is_empty() {
            write_atomic_with(&path.with_file_name(&location), |file| write_aligned(file, &data))?;
        }
        write_proto(path, &with_initializers(&self.proto, graph, initializers))
    }
}

fn write_proto(path: &Path, proto: &ModelProto) -> Result<(), Error> {
    let bytes = proto.encoded_len() as u64;
    if bytes > MAX_PROTOBUF_BYTES {
        return Err(Error::InFile { path: path.to_owned(), error: Box::new(Error::TooLarge { bytes }) });
    }
    write_atomic(path, &proto.encode_to_vec())
}

fn write_aligned(file: &mut dyn Write, data: &[(u64, Cow<[u8]>)]) -> io::Result<()> {
    let mut end = 0;
    for (offset, bytes) in data {
        io::copy(&mut io::Read::take(io::repeat(0), offset - end), file)?;
        file.write_all(bytes)?;
        end = offset + bytes.len() as u64;
    }
    Ok(())
}

/// The elements of `tensor` as little-endian bytes; `None` if they have to stay in the fields they are in.
fn raw_bytes(tensor: &TensorProto) -> Result<Option<Cow<'_, [u8]>>, Error> {
    if tensor.segment.is_some() {
        return Ok(None);
    }
    if let Some(raw) = &tensor.raw_data {
        return Ok(Some(Cow::Borrowed(raw)));
    }
    match Tensor::from_proto(tensor) {
        Ok(tensor) => Ok(Some(Cow::Owned(tensor.data.to_le_bytes()))),
        Err(Error::UnsupportedType { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_elements(tensor: &TensorProto, location: &str, offset: u64, length: usize) -> TensorProto {
    let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) };
    TensorProto {
        dims: tensor.dims.clone(),
        data_type: tensor.data_type,
        name: tensor.name.clone(),
        doc_string: tensor.doc_string.clone(),
        metadata_props: tensor.metadata_props.clone(),
        external_data: vec![
            entry("location", location.to_owned()),
            entry("offset", offset.to_string()),
            entry("length", length.to_string()),
        ],
        data_location: Some(DataLocation::External.into()),
        ..TensorProto::default()
    }
}

/// A copy of the model with other initializers. Field by field, as a clone of the whole would hold all weights twice.
fn with_initializers(model: &ModelProto, graph: &GraphProto, initializer: Vec<TensorProto>) -> ModelProto {
    ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        producer_name: model.producer_name.clone(),
        producer_version: model.producer_version.clone(),
        domain: model.domain.clone(),
        model_version: model.model_version,
        doc_string: model.doc_string.clone(),
        graph: Some(GraphProto {
            node: graph.node.clone(),
            name: graph.name.clone(),
            initializer,
            doc_string: graph.doc_string.clone(),
            input: graph.input.clone(),
            output: graph.output.clone(),
            value_info: graph.value_info.clone(),
            quantization_annotation: graph.quantization_annotation.clone(),
            sparse_initializer: graph.sparse_initializer.clone(),
            metadata_props: graph.metadata_props.clone(),
        }),
        metadata_props: model.metadata_props.clone(),
        training_info: model.training_info.clone(),
        functions: model.functions.clone(),
        configuration: model.configuration.clone(),
    }
}

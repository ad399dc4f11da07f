//! Results as NumPy files.

use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use int8_inference::{NamedTensor, TensorValues};
use ndarray::{ArrayD, Axis};
use ndarray_npy::WriteNpyExt;
use onnx_model::Tensor;
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A file format of arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One array.
    Npy,
    /// An archive of named arrays.
    Npz,
}

impl Form {
    /// The format that the name of a file tells.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            _ => bail!("{}: results are written to a file named .npy (one array) or .npz (several)", path.display()),
        }
    }

    /// The bytes of a file with these tensors; the first alone in a .npy file.
    pub(crate) fn encode(self, tensors: &[NamedTensor]) -> Result<Vec<u8>> {
        match self {
            Self::Npy => {
                let mut bytes = Vec::new();
                if let Some(tensor) = tensors.first() {
                    write_npy(&tensor.values, &mut bytes)?;
                }
                Ok(bytes)
            }
            Self::Npz => {
                let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
                for tensor in tensors {
                    let mut bytes = Vec::new();
                    write_npy(&tensor.values, &mut bytes)?;
                    let options = SimpleFileOptions::default()
                        .compression_method(CompressionMethod::Stored)
                        .large_file(u32::try_from(bytes.len()).is_err());
                    archive.start_file(format!("{}.npy", tensor.name), options)?;
                    archive.write_all(&bytes)?;
                }
                Ok(archive.finish()?.into_inner())
            }
        }
    }
}

fn write_npy(values: &TensorValues, bytes: &mut Vec<u8>) -> Result<()> {
    match values {
        TensorValues::F32(array) => array.write_npy(bytes),
        TensorValues::U8(array) => array.write_npy(bytes),
        TensorValues::I8(array) => array.write_npy(bytes),
        TensorValues::I32(array) => array.write_npy(bytes),
    }
    .context("cannot write an array in the .npy format")
}

/// Name, element type and shape of a tensor.
#[derive(Serialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) element_type: String,
    pub(crate) shape: Vec<usize>,
}

impl Description {
    pub(crate) fn of(tensor: &NamedTensor) -> Self {
        let (element_type, shape) = match &tensor.values {
            TensorValues::F32(array) => ("f32", array.shape()),
            TensorValues::U8(array) => ("u8", array.shape()),
            TensorValues::I8(array) => ("i8", array.shape()),
            TensorValues::I32(array) => ("i32", array.shape()),
        };
        Self { name: tensor.name.clone(), element_type: element_type.to_owned(), shape: shape.to_vec() }
    }

    /// Of a tensor in its own type, under ONNX's name for that.
    pub(crate) fn of_tensor(tensor: &Tensor) -> Self {
        let element_type = tensor.data.data_type().to_string();
        Self { name: tensor.name.clone(), element_type, shape: tensor.shape.clone() }
    }
}

/// Puts the results of consecutive batches together.
#[derive(Default)]
pub(crate) struct Joiner(Option<NamedTensor>);

impl Joiner {
    /// Adds the tensor that `batch` of all `samples` samples gave.
    pub(crate) fn push(&mut self, tensor: NamedTensor, batch: usize, samples: usize) -> Result<()> {
        let shape = Description::of(&tensor).shape;
        if batch != samples && shape.first() != Some(&batch) {
            bail!(
                "tensor \"{}\" of shape {shape:?} does not have the {batch} samples of the batch in front, so batches cannot be joined; \
                 pass --batch {samples}",
                tensor.name
            );
        }
        match &mut self.0 {
            None => self.0 = Some(tensor),
            Some(joined) => match (&mut joined.values, &tensor.values) {
                (TensorValues::F32(all), TensorValues::F32(part)) => append(all, part),
                (TensorValues::U8(all), TensorValues::U8(part)) => append(all, part),
                (TensorValues::I8(all), TensorValues::I8(part)) => append(all, part),
                (TensorValues::I32(all), TensorValues::I32(part)) => append(all, part),
                _ => bail!("its type changes between batches"),
            }
            .with_context(|| format!("tensor \"{}\" cannot be joined over batches", tensor.name))?,
        }
        Ok(())
    }

    /// All batches as one tensor.
    pub(crate) fn finish(self) -> Result<NamedTensor> {
        self.0.context("there were no samples")
    }
}

fn append<T: Clone>(all: &mut ArrayD<T>, part: &ArrayD<T>) -> Result<()> {
    Ok(all.append(Axis(0), part.view())?)
}

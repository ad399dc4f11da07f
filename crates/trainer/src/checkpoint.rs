//! The whole state of a training after an epoch, as a file to go on from.
//!
//! The file is a safetensors container with the tensors `parameters/<name>`, `best/<name>` and `state/<part>`. Its one entry of
//! metadata has a blake3 digest of all that follows from there: the rest of that entry, which is JSON, and every tensor.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The key of the one entry of metadata, which names the version of the format.
const KEY: &str = "quantize-checkpoint-1";
const PARAMETERS: &str = "parameters/";
const BEST: &str = "best/";
const STATE: &str = "state/";

/// What a training needs to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) head: Head,
    pub(crate) parameters: Vec<Tensor>,
    /// The parameters with the best score so far; empty if they are the last ones.
    pub(crate) best: Vec<Tensor>,
    /// The states of parts of the training by their names, each in its own format.
    pub(crate) states: Vec<(String, Vec<u8>)>,
}

/// The small parts of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// The configuration as TOML.
    pub(crate) config: String,
    /// Digest of the samples.
    pub(crate) data: String,
    /// Digest of what else a network has beside its parameters: the normalization of its inputs, and how it is quantized.
    pub(crate) surroundings: String,
    /// Epochs done.
    pub(crate) epoch: u64,
    /// Seconds they took.
    pub(crate) seconds: f64,
    /// The best score so far, lower being better, and the epoch that reached it.
    pub(crate) best: Option<(f64, u64)>,
}

/// A named tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// In row-major order.
    pub(crate) values: Vec<f32>,
}

/// How many epochs the training has done whose checkpoint is at `path`.
///
/// # Errors
///
/// If the file cannot be read, or a single bit of it is not as it was written.
pub fn checkpoint_epoch(path: impl AsRef<Path>) -> Result<u64> {
    Ok(Checkpoint::load(path.as_ref())?.head.epoch)
}

impl Checkpoint {
    /// Replaces the file at `path` as a whole, or leaves it as it is.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, as on a full disk.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes().map_err(|reason| Error::BadRun { path: path.to_owned(), reason })?;
        Ok(onnx_model::write_atomic(path, &bytes)?)
    }

    /// Reads a file that [`Self::save`] wrote.
    ///
    /// # Errors
    ///
    /// If there is no such file, or a single bit of it is not as it was written.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let read = |path: &Path| {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut bytes = Vec::new();
            // No more than there is, so that a device without end ends here.
            file.take(length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(path).map_err(|cause| Error::ReadRun { path: path.to_owned(), cause })?;
        Self::from_bytes(&bytes).map_err(|reason| Error::BadRun {
            path: path.to_owned(),
            reason: format!("not a valid checkpoint: {reason}; remove it to start anew"),
        })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let state =
            |(name, bytes): &(String, Vec<u8>)| (format!("{STATE}{name}"), Dtype::U8, vec![bytes.len()], bytes.clone());
        let mut tensors: Vec<_> = self.states.iter().map(state).collect();
        for (prefix, of) in [(PARAMETERS, &self.parameters), (BEST, &self.best)] {
            for Tensor { name, shape, values } in of {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("{prefix}{name}"), Dtype::F32, shape.clone(), bytes));
            }
        }
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()
            .map_err(|error| error.to_string())?;
        let head = serde_json::to_string(&self.head).map_err(|error| error.to_string())?;
        let entry = format!("{} {head}", digest(&head, views.iter().cloned()));
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), entry)]))).map_err(|error| error.to_string())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let describe = |error: safetensors::SafeTensorError| error.to_string();
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(describe)?;
        let file = SafeTensors::deserialize(bytes).map_err(describe)?;
        let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY));
        let entry = entry.ok_or_else(|| format!("it has no entry `{KEY}`"))?;
        let (expected, head) = entry.split_once(' ').ok_or("its entry has no digest")?;
        if digest(head, file.iter()) != expected {
            return Err("its digest is another one, so it was damaged".to_owned());
        }
        // From here on, whoever made the file meant it to be as it is.
        let mut checkpoint = Self {
            head: serde_json::from_str(head).map_err(|error| error.to_string())?,
            parameters: Vec::new(),
            best: Vec::new(),
            states: Vec::new(),
        };
        let mut tensors: Vec<_> = file.iter().collect();
        tensors.sort_unstable_by_key(|(name, _)| *name);
        for (name, view) in tensors {
            let tensor = |name: &str| {
                let (values, _) = view.data().as_chunks::<4>();
                let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                Tensor { name: name.to_owned(), shape: view.shape().to_vec(), values }
            };
            let part = |prefix| name.strip_prefix(prefix);
            match (view.dtype(), part(PARAMETERS), part(BEST), part(STATE)) {
                (Dtype::F32, Some(name), ..) => checkpoint.parameters.push(tensor(name)),
                (Dtype::F32, _, Some(name), _) => checkpoint.best.push(tensor(name)),
                (Dtype::U8, _, _, Some(name)) => checkpoint.states.push((name.to_owned(), view.data().to_vec())),
                (other, ..) => return Err(format!("it has a tensor `{name}` of type {other}")),
            }
        }
        Ok(checkpoint)
    }
}

/// The digest of the head and of all tensors with their names and shapes, in the order of the names.
fn digest<'a>(head: &str, tensors: impl IntoIterator<Item = (&'a str, TensorView<'a>)>) -> String {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    part(head.as_bytes());
    for (name, view) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests;

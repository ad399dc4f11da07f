//! Tensors whose elements are in another file than the model.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::proto::{
    AttributeProto, DataLocation, GraphProto, ModelProto, NodeProto, SparseTensorProto, StringStringEntryProto,
    TensorProto,
};
use crate::tensor::Layout;
use crate::write_atomic::directory_of;

/// Tensors may share bytes, but a small file must not blow up to fill the memory: so many times its size, and this many bytes, may be
/// loaded from it.
const MAX_SHARING: u64 = 8;
const ALWAYS_ALLOWED: u64 = 1 << 20;

/// Loads into `raw_data` whatever tensors of the model at `path` keep in other files.
pub(super) fn load(model: &mut ModelProto, path: &Path) -> Result<(), Error> {
    let mut loader = Loader { directory: directory_of(path), loaded: HashMap::new() };
    for_each_tensor(model, &mut |tensor| loader.load(tensor))
}

struct Loader {
    directory: PathBuf,
    /// Bytes loaded from each file so far, by its real path.
    loaded: HashMap<PathBuf, u64>,
}

impl Loader {
    fn load(&mut self, tensor: &mut TensorProto) -> Result<(), Error> {
        if tensor.data_location() != DataLocation::External {
            return Ok(());
        }
        let entry =
            |key| tensor.external_data.iter().find(|entry| entry.key() == key).map(StringStringEntryProto::value);
        let location = entry("location").unwrap_or_default();
        let problem = |problem: String| Error::ExternalData {
            tensor: tensor.name().to_owned(),
            location: location.to_owned(),
            problem,
        };
        let number = |key| match entry(key) {
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(problem(format!("has the {key} \"{text}\", which is not a number of bytes"))),
            },
            None => Ok(None),
        };
        let layout = Layout::of(tensor)?;
        let bytes =
            layout.byte_count().ok_or_else(|| problem(format!("cannot hold elements of type {}", layout.data_type)))?;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?
            && length != bytes as u64
        {
            return Err(problem(format!("gives it {length} bytes, its type and shape need {bytes}")));
        }

        let path = find_below(&self.directory, location).map_err(problem)?;
        let unreadable = |e| problem(format!("cannot be read: {e}"));
        let mut file = File::open(&path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        if offset.checked_add(bytes as u64).is_none_or(|end| end > len) {
            return Err(problem(format!(
                "has {len} bytes, the tensor's are the {bytes} from {offset} on; the file is truncated or another model's"
            )));
        }
        let loaded = self.loaded.entry(path).or_default();
        *loaded = loaded.saturating_add(bytes as u64);
        if *loaded > len.saturating_mul(MAX_SHARING).saturating_add(ALWAYS_ALLOWED) {
            return Err(problem(format!(
                "has {len} bytes, but the tensors in it add up to more than {MAX_SHARING} times as much"
            )));
        }
        let mut raw = Vec::new();
        raw.try_reserve_exact(bytes)
            .map_err(|_| problem(format!("needs {bytes} bytes of memory, more than there are")))?;
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        file.take(bytes as u64).read_to_end(&mut raw).map_err(unreadable)?;

        tensor.raw_data = Some(raw);
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }
}

/// The real path of the regular file `location` in `directory` or below; the error says what is wrong with it.
fn find_below(directory: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !is_inside {
        return Err(
            "is not a path below the model's directory; only files there are read, move it and correct the model"
                .to_owned(),
        );
    }
    let path = directory.join(relative);
    let unreadable = |e| format!("cannot be read at {}: {e}; put the file beside the model", path.display());
    let root = fs::canonicalize(directory).map_err(unreadable)?;
    let real = fs::canonicalize(&path).map_err(unreadable)?;
    if !real.starts_with(&root) {
        return Err(format!(
            "leads out of the model's directory to {}; copy the file beside the model",
            real.display()
        ));
    }
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(format!("is not a regular file at {}", real.display()));
    }
    Ok(real)
}

type Visit<'v> = dyn FnMut(&mut TensorProto) -> Result<(), Error> + 'v;

fn for_each_tensor(model: &mut ModelProto, visit: &mut Visit) -> Result<(), Error> {
    let training =
        model.training_info.iter_mut().flat_map(|info| info.initialization.iter_mut().chain(&mut info.algorithm));
    for graph in model.graph.iter_mut().chain(training) {
        in_graph(graph, visit)?;
    }
    for function in &mut model.functions {
        in_attributes(&mut function.attribute_proto, visit)?;
        in_nodes(&mut function.node, visit)?;
    }
    Ok(())
}

fn in_graph(graph: &mut GraphProto, visit: &mut Visit) -> Result<(), Error> {
    graph.initializer.iter_mut().try_for_each(&mut *visit)?;
    graph.sparse_initializer.iter_mut().try_for_each(|sparse| in_sparse(sparse, visit))?;
    in_nodes(&mut graph.node, visit)
}

fn in_nodes(nodes: &mut [NodeProto], visit: &mut Visit) -> Result<(), Error> {
    nodes.iter_mut().try_for_each(|node| in_attributes(&mut node.attribute, visit))
}

fn in_attributes(attributes: &mut [AttributeProto], visit: &mut Visit) -> Result<(), Error> {
    for attribute in attributes {
        attribute.t.as_deref_mut().into_iter().chain(&mut attribute.tensors).try_for_each(&mut *visit)?;
        let mut sparse = attribute.sparse_tensor.as_deref_mut().into_iter().chain(&mut attribute.sparse_tensors);
        sparse.try_for_each(|sparse| in_sparse(sparse, visit))?;
        let mut graphs = attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs);
        graphs.try_for_each(|graph| in_graph(graph, visit))?;
    }
    Ok(())
}

fn in_sparse(sparse: &mut SparseTensorProto, visit: &mut Visit) -> Result<(), Error> {
    sparse.values.iter_mut().chain(&mut sparse.indices).try_for_each(visit)
}

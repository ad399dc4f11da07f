//! Opening models and naming files in errors.

use std::path::Path;

use anyhow::{Result, bail};
use dlquantizer::FloatModel;
use int8_inference::{Session, SessionOptions};
use onnx_model::Model;

/// Names the file an error is about, unless its text does already.
pub(crate) trait InFile<T> {
    fn in_file(self, path: &Path) -> Result<T>;
}

impl<T, E: Into<anyhow::Error>> InFile<T> for Result<T, E> {
    fn in_file(self, path: &Path) -> Result<T> {
        self.map_err(|error| {
            let error = error.into();
            let file = path.display().to_string();
            if error.to_string().contains(&file) { error } else { error.context(file) }
        })
    }
}

/// Reads and prepares a float model.
pub(crate) fn open_float(path: &Path) -> Result<FloatModel> {
    FloatModel::open(path).in_file(path)
}

/// Reads a model, float or int8, and compiles it.
pub(crate) fn open_session(path: &Path, options: &SessionOptions) -> Result<(Model, Session)> {
    let model = Model::open(path)?;
    let session = Session::new(&model, options).in_file(path)?;
    Ok((model, session))
}

/// Confirms, before any work is done, that a result can be written to `path` and will not replace a file it is made from.
pub(crate) fn check_output<'p>(path: &Path, sources: impl IntoIterator<Item = &'p Path>) -> Result<()> {
    if let Ok(output) = path.canonicalize()
        && sources
            .into_iter()
            .any(|source| source.canonicalize().is_ok_and(|source| source == output && source.is_file()))
    {
        bail!("{}: this is the input file; give another file to write to", path.display());
    }
    onnx_model::check_writable(path)?;
    Ok(())
}

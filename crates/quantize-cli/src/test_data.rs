//! Directories in the layout of ONNX's test data sets: a protobuf file for each input and each output of a model.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use onnx_model::{Tensor, write_atomic};

use crate::files::InFile;

/// Whether the path is such a directory.
pub(crate) fn is_test_data(directory: &Path) -> bool {
    input_file(directory, 0).is_file()
}

fn input_file(directory: &Path, index: usize) -> PathBuf {
    directory.join(format!("input_{index}.pb"))
}

/// The inputs of a model that has those called `names`; the files count them in this order.
pub(crate) fn inputs(directory: &Path, names: &[&str]) -> Result<Vec<Tensor>> {
    if input_file(directory, names.len()).is_file() {
        let (directory, inputs) = (directory.display(), names.len());
        bail!(
            "{directory}: it has more input files than the model has inputs, {inputs}; is it the data of another model?"
        );
    }
    let read = |(index, &name): (usize, &&str)| {
        let path = input_file(directory, index);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Tensor { name: name.to_owned(), ..Tensor::from_bytes(&bytes).in_file(&path)? })
    };
    names.iter().enumerate().map(read).collect()
}

/// Confirms that results can be written to `output`, which does not hold the inputs.
pub(crate) fn check_directory(output: &Path, inputs: &Path) -> Result<()> {
    fs::create_dir_all(output).with_context(|| {
        format!("cannot create {}: the results of ONNX's test data are written to a directory", output.display())
    })?;
    if output.canonicalize().is_ok_and(|output| inputs.canonicalize().is_ok_and(|inputs| inputs == output)) {
        bail!("{}: the inputs are there, with the outputs that are expected; give another directory", output.display());
    }
    Ok(())
}

/// Writes a file for each result.
pub(crate) fn write_outputs(directory: &Path, results: &[Tensor]) -> Result<()> {
    for (index, tensor) in results.iter().enumerate() {
        write_atomic(directory.join(format!("output_{index}.pb")), &tensor.to_bytes())?;
    }
    Ok(())
}

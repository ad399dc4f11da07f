//! Archives of .npy arrays as `numpy.savez` and `numpy.savez_compressed` write them.

use std::io::{Read, Seek};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::element::{Budget, Extent, stream_problem};
use crate::open::LabelSource;
use crate::{Dataset, Input, Problem, npy};

/// The name of the label array unless another one is asked for.
const LABELS: &str = "y";

/// Reads all arrays of an archive of `len` bytes: the labels, and every other array as an input of its name.
pub(crate) fn read(reader: impl Read + Seek, len: u64, label_source: &LabelSource) -> Result<Dataset, Problem> {
    let mut archive = ZipArchive::new(reader).map_err(zip_problem)?;
    if archive.has_duplicate_names() {
        let text = "two arrays of this archive have the same name; save it again with numpy.savez";
        return Err(Problem::Malformed(text.into()));
    }
    let label_name = match label_source {
        LabelSource::Usual => Some(LABELS),
        LabelSource::Named(name) => Some(name.as_str()),
        LabelSource::None => None,
    };
    let mut budget = Budget::new();
    let (mut inputs, mut labels) = (Vec::new(), None);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(zip_problem)?;
        let file_name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let Some(name) = file_name.strip_suffix(".npy") else {
            continue;
        };
        // The archive's own statement of the size is as trustworthy as the rest of it: bounded by what is there.
        let stored = entry.compressed_size().min(len);
        let extent = match entry.compression() {
            CompressionMethod::Stored => Extent::Plain(stored),
            _ => Extent::Deflated(stored),
        };
        let within = |problem: Problem| problem.in_array(name);
        if label_name == Some(name) {
            labels = Some(npy::read_labels(&mut entry, extent, &mut budget, name).map_err(within)?);
        } else if label_name.is_none() && name == LABELS {
            continue;
        } else {
            let samples = npy::read_samples(&mut entry, extent, &mut budget).map_err(within)?;
            inputs.push(Input { name: name.to_owned(), samples });
        }
    }
    if let (LabelSource::Named(name), None) = (label_source, &labels) {
        return Err(Problem::Labels(format!("there is no array `{name}` of labels in this archive")));
    }
    Dataset::checked(inputs, labels)
}

fn zip_problem(error: ZipError) -> Problem {
    match error {
        ZipError::Io(error) => stream_problem(error),
        ZipError::UnsupportedArchive(what) => {
            Problem::Unsupported(format!("{what}; save the arrays with numpy.savez or numpy.savez_compressed"))
        }
        other => Problem::Malformed(format!(
            "not an intact .npz archive: {other}; get the file again or save it with numpy.savez"
        )),
    }
}

#[cfg(test)]
mod tests;

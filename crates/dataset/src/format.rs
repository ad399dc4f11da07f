//! Formats by file name.

use std::path::{Path, PathBuf};

/// A file format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Npz,
    Npy,
    Csv,
    Idx,
    Parquet,
}

impl Format {
    /// The format of a file of this name, in any case of letters.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = lower_name(path);
        match Path::new(&name).extension().and_then(|ext| ext.to_str()) {
            Some("npz") => Some(Self::Npz),
            Some("npy") => Some(Self::Npy),
            Some("csv") => Some(Self::Csv),
            Some("parquet") => Some(Self::Parquet),
            _ => idx_start(&name).map(|_| Self::Idx),
        }
    }

    /// Where the labels for the samples in the file at `path` may be, in order of preference.
    pub(crate) fn label_paths(self, path: &Path) -> Vec<PathBuf> {
        let name = file_name(path);
        match self {
            Self::Npy => vec![path.with_extension("labels.npy")],
            Self::Idx if name.contains("images") => {
                let labels = name.replace("images", "labels").replace("idx3", "idx1");
                let otherwise_packed = match labels.strip_suffix(".gz") {
                    Some(plain) => plain.to_owned(),
                    None => format!("{labels}.gz"),
                };
                vec![path.with_file_name(labels), path.with_file_name(otherwise_packed)]
            }
            _ => Vec::new(),
        }
    }
}

/// Whether a file of this name holds the labels for another file.
pub(crate) fn is_label_file(path: &Path) -> bool {
    let name = lower_name(path);
    name.ends_with(".labels.npy") || (idx_start(&name).is_some() && name.contains("labels"))
}

/// Whether a file of this name is compressed as a whole.
pub(crate) fn is_gzip(path: &Path) -> bool {
    lower_name(path).ends_with(".gz")
}

/// The name of a data file without what tells its format, in lower case: `train` for `train-images-idx3-ubyte.gz`.
pub(crate) fn stem(path: &Path) -> String {
    let name = lower_name(path);
    let end = idx_start(&name).or_else(|| name.rfind('.')).unwrap_or(name.len());
    let stem = &name[..end];
    stem.strip_suffix("-images").unwrap_or(stem).to_owned()
}

/// Where `-idx3-ubyte`, `.idx3-ubyte` or `.idx` begins in the lower-case name of an IDX file.
fn idx_start(name: &str) -> Option<usize> {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let start = plain.rfind("-idx").or_else(|| plain.rfind(".idx"))?;
    let rest = &plain[start + 4..];
    let rank_and_type = rest.strip_prefix(|c: char| c.is_ascii_digit());
    let known = match rank_and_type {
        Some(rest) => rest.is_empty() || rest.starts_with('-'),
        None => rest.is_empty() && plain[start..].starts_with('.'),
    };
    known.then_some(start)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn lower_name(path: &Path) -> String {
    file_name(path).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_name() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a/train.npz"), Some(Format::Npz));
        assert_eq!(of("TRAIN.NPY"), Some(Format::Npy));
        assert_eq!(of("x.labels.npy"), Some(Format::Npy));
        assert_eq!(of("iris.csv"), Some(Format::Csv));
        assert_eq!(of("iris.parquet"), Some(Format::Parquet));
        for name in [
            "train-images-idx3-ubyte",
            "train-images-idx3-ubyte.gz",
            "train-images.idx3-ubyte",
            "t10k-labels-idx1-ubyte.GZ",
            "x.idx",
            "x.idx.gz",
            "x.idx3",
        ] {
            assert_eq!(of(name), Some(Format::Idx), "{name}");
        }
        for name in ["make.py", "model.onnx", "x.gz", "my-idx", "x.idxes", "train-idx-3", "npz", "", ".."] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn stems_name_the_part() {
        for (name, expected) in [
            ("Train.npz", "train"),
            ("calibration-images-idx3-ubyte.gz", "calibration"),
            ("t10k-images.idx3-ubyte", "t10k"),
            ("test.idx.gz", "test"),
            ("a.b.csv", "a.b"),
        ] {
            assert_eq!(stem(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn labels_have_the_name_of_their_samples() {
        let labels = |format: Format, name: &str| format.label_paths(Path::new(name));
        assert_eq!(labels(Format::Npy, "d/x.npy"), [Path::new("d/x.labels.npy")]);
        assert_eq!(
            labels(Format::Idx, "d/t10k-images.idx3-ubyte"),
            [Path::new("d/t10k-labels.idx1-ubyte"), Path::new("d/t10k-labels.idx1-ubyte.gz")]
        );
        assert!(labels(Format::Idx, "x.idx").is_empty());
        assert!(is_label_file(Path::new("t10k-labels-idx1-ubyte.gz")));
        assert!(is_label_file(Path::new("x.labels.npy")));
        assert!(!is_label_file(Path::new("labels.csv")));
    }
}

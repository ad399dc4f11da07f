use std::fmt;
use std::io;
use std::path::Path;

/// What is wrong with a data set or a request to it, and in which file.
#[derive(Debug)]
pub struct Error {
    file: Option<String>,
    problem: Problem,
}

impl Error {
    /// The file, or the name given with embedded bytes; `None` when no file is involved.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// What is wrong, without the file.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Problem::Io(error).in_file(path)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self { file: None, problem }
    }
}

/// The kinds of [`Error`]. Each text names the array, line or column concerned and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The name tells no format that can be read.
    #[error(
        "unknown data format; supported are .npz, .npy, .csv, IDX (*-images-idx3-ubyte, also with .gz), .parquet, \
         a directory of such files named train, calibration and test, and a directory of .png and .jpg images"
    )]
    UnknownFormat,
    /// A directory lacks the part asked for, or offers it twice.
    #[error("{0}")]
    Part(String),
    /// The bytes break the rules of their format: truncated, corrupted or not this format at all.
    #[error("{0}")]
    Malformed(String),
    /// The file is sound, but of a variety that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// More samples than [`crate::MAX_ELEMENTS`].
    #[error("{0}")]
    TooLarge(String),
    /// Arrays that do not form a data set together.
    #[error("{0}")]
    Samples(String),
    /// Labels that are not class numbers, or not one per sample.
    #[error("{0}")]
    Labels(String),
    /// A request that makes no sense for this data set.
    #[error("{0}")]
    Request(String),
}

impl Problem {
    /// This problem, with the array it was found in named first.
    pub(crate) fn in_array(self, name: &str) -> Self {
        match self {
            // These name the array among the others.
            Self::Samples(_) | Self::Labels(_) => self,
            other => other.at(&format!("array `{name}`")),
        }
    }

    /// This problem, with the place it was found at named first.
    pub(crate) fn at(self, place: &str) -> Self {
        let at = |text: String| format!("{place}: {text}");
        match self {
            Self::Malformed(text) => Self::Malformed(at(text)),
            Self::Unsupported(text) => Self::Unsupported(at(text)),
            Self::TooLarge(text) => Self::TooLarge(at(text)),
            Self::Samples(text) => Self::Samples(at(text)),
            Self::Labels(text) => Self::Labels(at(text)),
            Self::Request(text) => Self::Request(at(text)),
            other => other,
        }
    }

    pub(crate) fn in_file(self, file: &Path) -> Error {
        self.in_named(&file.display().to_string())
    }

    pub(crate) fn in_named(self, name: &str) -> Error {
        Error { file: Some(name.to_owned()), problem: self }
    }
}

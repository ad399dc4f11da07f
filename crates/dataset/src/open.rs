use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::read::MultiGzDecoder;

use crate::csv_table::Table;
use crate::directory::{self, Found};
use crate::element::{Budget, Extent};
use crate::format::{self, Format};
use crate::{Dataset, Error, Input, Labels, Problem, Scale, idx, npy, npz};

/// What samples are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Fitting the weights of a model.
    Train,
    /// Collecting the dynamic ranges of a model's tensors.
    Calibration,
    /// Measuring a model on samples that neither training nor calibration saw.
    Test,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Calibration, Self::Test];

    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = Self::ALL.into_iter().find(|part| part.name() == text);
        part.ok_or_else(|| {
            let text = format!("`{text}` is not a part of a data set; use train, calibration or test");
            Problem::Request(text).into()
        })
    }
}

/// Where the labels of a data set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelSource {
    /// Where the format usually has them.
    Usual,
    /// In the column or array of this name.
    Named(String),
    /// Nowhere, or not wanted.
    None,
}

/// How to open a data set.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    part: Part,
    label_source: LabelSource,
    scale: Option<Scale>,
}

impl OpenOptions {
    /// Opens the given part of a directory, with labels if there are any, and values as they are stored.
    pub fn new(part: Part) -> Self {
        Self { part, label_source: LabelSource::Usual, scale: None }
    }

    /// Takes the labels from the CSV column or .npz array `name` instead of the last column or `y`.
    #[must_use]
    pub fn label_column(mut self, name: impl Into<String>) -> Self {
        self.label_source = LabelSource::Named(name.into());
        self
    }

    /// Reads no labels: every column of a CSV file is a feature, and label arrays and files are left alone.
    #[must_use]
    pub fn unlabelled(mut self) -> Self {
        self.label_source = LabelSource::None;
        self
    }

    /// Multiplies every value by `scale`.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = Some(scale);
        self
    }
}

impl Dataset {
    /// Reads a data set from a file, or one part of it from a directory. The crate's documentation describes the
    /// formats.
    ///
    /// A file serves as any part. A directory without `calibration` calibrates with `train`; `train` and `test` are
    /// never replaced by another part.
    ///
    /// # Errors
    ///
    /// When the path cannot be read, has no known format or lacks the part, or its contents are damaged, too large, or
    /// do not form a data set.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let dataset = if metadata.is_dir() {
            let Found { file, other_tables } = directory::find(path, options.part)?;
            open_file(&file, options, &other_tables)?
        } else {
            open_file(path, options, &[])?
        };
        Ok(match options.scale {
            Some(scale) => dataset.rescale(scale),
            None => dataset,
        })
    }

    /// Reads the bytes of an .npz archive, for instance one built into a program. `name` stands for the file in error
    /// texts.
    ///
    /// # Errors
    ///
    /// As [`Dataset::open`] does.
    pub fn from_npz(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let reader = Cursor::new(bytes);
        npz::read(reader, bytes.len() as u64, &LabelSource::Usual).map_err(|problem| problem.in_named(name))
    }
}

/// Reads one file; `other_tables` are the CSV files of the other parts of the same directory.
fn open_file(path: &Path, options: &OpenOptions, other_tables: &[PathBuf]) -> Result<Dataset, Error> {
    let label_source = &options.label_source;
    let in_file = |problem: Problem| problem.in_file(path);
    let format = Format::of(path).ok_or_else(|| in_file(Problem::UnknownFormat))?;
    if format::is_label_file(path) {
        let text = "these are labels; pass the file of the samples they belong to, and they are found beside it".into();
        return Err(in_file(Problem::Request(text)));
    }
    let (file, len) = open_sized(path)?;
    let samples = match format {
        Format::Npz => {
            return npz::read(BufReader::new(file), len, label_source).map_err(in_file);
        }
        Format::Csv => {
            let text = read_all(file).map_err(in_file)?;
            let table = Table::read(&text, label_source).map_err(in_file)?;
            let mut label_texts = table.label_texts();
            for other in other_tables {
                let (file, _) = open_sized(other)?;
                let texts = read_all(file).and_then(|text| table.label_texts_of(&text));
                label_texts.extend(texts.map_err(|problem| problem.in_file(other))?);
            }
            return table.into_dataset(label_texts).map_err(in_file);
        }
        Format::Npy => {
            let mut reader = BufReader::new(file);
            npy::read_samples(&mut reader, Extent::Plain(len), &mut Budget::new())
        }
        Format::Idx => read_idx(path, file, len, idx::read_samples),
    };
    let input = Input { name: "x".into(), samples: samples.map_err(in_file)? };
    let labels = read_label_file(path, format, label_source)?;
    Dataset::checked(vec![input], labels).map_err(in_file)
}

/// Reads the file of labels that belongs to the .npy or IDX file at `path`, if there is one.
fn read_label_file(path: &Path, format: Format, label_source: &LabelSource) -> Result<Option<Labels>, Error> {
    match label_source {
        LabelSource::Usual => {}
        LabelSource::Named(name) => {
            let text =
                format!("there is no column `{name}` in a file of this format; only .csv and .npz have named labels");
            return Err(Problem::Request(text).in_file(path));
        }
        LabelSource::None => return Ok(None),
    }
    let Some(label_path) = format.label_paths(path).into_iter().find(|path| path.exists()) else {
        return Ok(None);
    };
    let (file, len) = open_sized(&label_path)?;
    let labels = match format {
        Format::Idx => read_idx(&label_path, file, len, idx::read_labels),
        _ => {
            let mut reader = BufReader::new(file);
            npy::read_labels(&mut reader, Extent::Plain(len), &mut Budget::new(), "y")
        }
    };
    labels.map(Some).map_err(|problem| problem.in_file(&label_path))
}

/// Reads an IDX file, decompressing it if its name says so.
fn read_idx<T>(
    path: &Path,
    file: File,
    len: u64,
    read: impl FnOnce(&mut dyn Read, Extent) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let mut reader = BufReader::new(file);
    if format::is_gzip(path) {
        read(&mut MultiGzDecoder::new(reader), Extent::Deflated(len))
    } else {
        read(&mut reader, Extent::Plain(len))
    }
}

fn read_all(mut file: File) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(Problem::Io)?;
    Ok(bytes)
}

/// Opens a file and finds out its length, which bounds everything its headers claim.
fn open_sized(path: &Path) -> Result<(File, u64), Error> {
    let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if !metadata.is_file() {
        let text = "not a regular file; samples cannot be read from a pipe or a device".into();
        return Err(Problem::Unsupported(text).in_file(path));
    }
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    Ok((file, metadata.len()))
}

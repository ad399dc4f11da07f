//! From a path to the samples behind it.

use std::fs::{self, File};
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::arrays::{Arrays, Place};
use crate::bytes::{Bytes, OneWay};
use crate::csv_table::Scanned;
use crate::directory::{self, Found};
use crate::element::Extent;
use crate::format::{self, Format};
use crate::image_folder::ImageFolder;
use crate::images::Images;
use crate::label_reader::LabelReader;
use crate::options::LabelSource;
#[cfg(feature = "parquet")]
use crate::parquet_table;
use crate::stream::Source;
use crate::{Dataset, Error, OpenOptions, Problem, Shard, Stream, idx, npy, npz};

impl Stream {
    /// Opens a data set in a file, or one part of it in a directory, to be read piece by piece. The crate's
    /// documentation describes the formats.
    ///
    /// A file serves as any part. A directory without `calibration` calibrates with `train`; `train` and `test` are
    /// never replaced by another part.
    ///
    /// # Errors
    ///
    /// When the path cannot be read, has no known format or lacks the part, or what is known before the samples are
    /// read is damaged, too large, or forms no data set.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let metadata = fs::metadata(path).map_err(|error| Error::io(path, error))?;
        if !metadata.is_dir() {
            return Ok(Self::new(open_file(path, options, &[])?, options.scale, options.shard));
        }
        let Found { path, others } = directory::find(path, options.part)?;
        if path.is_dir() {
            // The scale comes before their normalization.
            return Ok(Self::new(Box::new(open_images(&path, options, &others)?), None, options.shard));
        }
        Ok(Self::new(open_file(&path, options, &others)?, options.scale, options.shard))
    }
}

impl Dataset {
    /// Reads a data set from a file, or one part of it from a directory, into memory: all that [`Stream::open`] gives.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::open`] and [`Stream::next`].
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, Error> {
        Stream::open(path, options)?.read_all()
    }

    /// Reads the bytes of an .npz archive, for instance one built into a program. `name` stands for the file in error
    /// texts.
    ///
    /// # Errors
    ///
    /// As [`Dataset::open`] does.
    pub fn from_npz(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let len = bytes.len() as u64;
        let source = npz::open(name, Cursor::new(Arc::<[u8]>::from(bytes)), len, &LabelSource::Usual)?;
        Stream::new(Box::new(source), None, Shard::ALL).read_all()
    }
}

/// Opens a directory of images; `others` are those of the other parts of the data set.
fn open_images(directory: &Path, options: &OpenOptions, others: &[PathBuf]) -> Result<Images, Error> {
    if let LabelSource::Named(name) = &options.label_source {
        return Err(no_such_column(name).in_file(directory));
    }
    let folder = ImageFolder::open(directory, others, options.label_source != LabelSource::None)?;
    let name = directory.display().to_string();
    let images = Images::open(&name, folder, options.images.clone().unwrap_or_default(), options.scale);
    images.map_err(|problem| problem.in_file(directory))
}

/// Opens one file; `other_tables` are those of the other parts of the same directory.
fn open_file(path: &Path, options: &OpenOptions, other_tables: &[PathBuf]) -> Result<Box<dyn Source>, Error> {
    let label_source = &options.label_source;
    let name = path.display().to_string();
    let in_file = |problem: Problem| problem.in_file(path);
    let format = Format::of(path).ok_or_else(|| in_file(Problem::UnknownFormat))?;
    if options.images.is_some() {
        let text = "these are no images, so the options for images mean nothing here; leave them out".into();
        return Err(in_file(Problem::Request(text)));
    }
    if format::is_label_file(path) {
        let text = "these are labels; pass the file of the samples they belong to, and they are found beside it".into();
        return Err(in_file(Problem::Request(text)));
    }
    let (file, len) = open_sized(path).map_err(in_file)?;
    let samples = match format {
        Format::Npz => return Ok(Box::new(npz::open(&name, file, len, label_source)?)),
        Format::Csv => {
            let mut table = Scanned::new(file, label_source).map_err(in_file)?;
            for_each(other_tables, |other| table.add_classes_of(other))?;
            return Ok(Box::new(table.into_source(&name).map_err(in_file)?));
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let mut table = parquet_table::Scanned::new(file, label_source).map_err(in_file)?;
            for_each(other_tables, |other| table.add_classes_of(other))?;
            return Ok(Box::new(table.into_source(&name).map_err(in_file)?));
        }
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            let text = "this program was built without Parquet; build it with the cargo feature `parquet`, or save the \
                        table as csv";
            return Err(in_file(Problem::Unsupported(text.into())));
        }
        Format::Npy => npy::open_file(file, len),
        Format::Idx => {
            let (reader, extent) = unpacked(path, file, len);
            idx::open_samples(reader, extent)
        }
    };
    let place = |file| Place { file, array: "x".into(), in_archive: false };
    let labels = open_label_file(path, format, label_source)?.map(|(file, labels)| (place(file), labels));
    let samples = samples.map_err(in_file)?;
    Ok(Box::new(Arrays::new(&name, vec![(place(name.clone()), samples)], labels)?))
}

/// Opens the file of labels that belongs to the .npy or IDX file at `path`, if there is one.
fn open_label_file(
    path: &Path,
    format: Format,
    label_source: &LabelSource,
) -> Result<Option<(String, LabelReader)>, Error> {
    match label_source {
        LabelSource::Usual => {}
        LabelSource::Named(name) => return Err(no_such_column(name).in_file(path)),
        LabelSource::None => return Ok(None),
    }
    let Some(path) = format.label_paths(path).into_iter().find(|path| path.exists()) else {
        return Ok(None);
    };
    let open = || {
        let (file, len) = open_sized(&path)?;
        Ok(unpacked(&path, file, len))
    };
    let labels = match format {
        Format::Idx => idx::open_labels(open),
        _ => npy::open_labels("y", open),
    };
    Ok(Some((path.display().to_string(), labels.map_err(|problem| problem.in_file(&path))?)))
}

/// Opens each file for `read`, whose problems are those of the file.
fn for_each(paths: &[PathBuf], mut read: impl FnMut(File) -> Result<(), Problem>) -> Result<(), Error> {
    paths
        .iter()
        .try_for_each(|path| open_sized(path).and_then(|(file, _)| read(file)).map_err(|problem| problem.in_file(path)))
}

fn no_such_column(name: &str) -> Problem {
    Problem::Request(format!(
        "there is no column `{name}` in data of this format; only tables and .npz have named labels"
    ))
}

/// The bytes of a file of `len` bytes, decompressed if its name says so.
fn unpacked(path: &Path, file: File, len: u64) -> (Box<dyn Bytes>, Extent) {
    let reader = BufReader::new(file);
    if format::is_gzip(path) {
        (Box::new(OneWay(MultiGzDecoder::new(reader))), Extent::Deflated(len))
    } else {
        (Box::new(reader), Extent::Plain(len))
    }
}

/// Opens a file and finds out its length, which bounds everything its headers claim.
pub(crate) fn open_sized(path: &Path) -> Result<(File, u64), Problem> {
    let metadata = fs::metadata(path).map_err(Problem::Io)?;
    if !metadata.is_file() {
        let text = "not a regular file; samples cannot be read from a pipe or a device".into();
        return Err(Problem::Unsupported(text));
    }
    let file = File::open(path).map_err(Problem::Io)?;
    Ok((file, metadata.len()))
}

//! Archives of .npy arrays as `numpy.savez` and `numpy.savez_compressed` write them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::array::ReadSeek;
use crate::arrays::{Arrays, Place};
use crate::bytes::{Bytes, OneWay};
use crate::element::Extent;
use crate::numbers::stream_problem;
use crate::options::LabelSource;
use crate::{Error, Problem, npy};

/// The name of the label array unless another one is asked for.
const LABELS: &str = "y";

/// The most arrays of an archive. All of them are read at the same time, with a decompressor each.
const MAX_ARRAYS: usize = 1024;

/// Opens all arrays of an archive of `len` bytes: the labels, and every other array as an input of its name. `name`
/// stands for the file in error texts.
pub(crate) fn open(
    name: &str,
    reader: impl ReadSeek + 'static,
    len: u64,
    label_source: &LabelSource,
) -> Result<Arrays, Error> {
    let in_file = |problem: Problem| problem.in_named(name);
    let label_name = match label_source {
        LabelSource::Usual => Some(LABELS),
        LabelSource::Named(name) => Some(name.as_str()),
        LabelSource::None => None,
    };
    let (mut inputs, mut labels) = (Vec::new(), None);
    for (array, member) in members(reader, len).map_err(in_file)? {
        let place = Place { file: name.to_owned(), array, in_archive: true };
        if label_name == Some(place.array.as_str()) {
            let reader = npy::open_labels(&place.array, || Ok(member.open()));
            labels = Some((place.clone(), reader.map_err(|problem| place.error(problem))?));
        } else if label_name.is_some() || place.array != LABELS {
            let (reader, extent) = member.open();
            let array = npy::open_samples(reader, extent).map_err(|problem| place.error(problem))?;
            inputs.push((place, array));
        }
    }
    if let (LabelSource::Named(name), None) = (label_source, &labels) {
        return Err(in_file(Problem::Labels(format!("there is no array `{name}` of labels in this archive"))));
    }
    Arrays::new(name, inputs, labels)
}

/// The arrays of an archive of `len` bytes, by name.
fn members<R: ReadSeek + 'static>(reader: R, len: u64) -> Result<Vec<(String, Member<R>)>, Problem> {
    let mut archive = ZipArchive::new(BufReader::new(reader)).map_err(zip_problem)?;
    if archive.has_duplicate_names() {
        let text = "two arrays of this archive have the same name; save it again with numpy.savez";
        return Err(Problem::Malformed(text.into()));
    }
    let mut found = Vec::new();
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(zip_problem)?;
        let file_name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if let (Some(name), Some(start)) = (file_name.strip_suffix(".npy"), entry.data_start()) {
            let is_deflated = entry.compression() != CompressionMethod::Stored;
            found.push((name.to_owned(), is_deflated, start, entry.compressed_size(), entry.crc32()));
        }
    }
    if found.len() > MAX_ARRAYS {
        return Err(Problem::TooLarge(format!(
            "{} arrays, more than the {MAX_ARRAYS} that are read from one archive; save those of the model's inputs \
             alone",
            found.len()
        )));
    }
    let file = Arc::new(Mutex::new(archive.into_inner().into_inner()));
    let member = |(name, is_deflated, start, size, checksum): (String, bool, u64, u64, u32)| {
        // The archive's own statement of the size is as trustworthy as the rest of it: bounded by what is there.
        let size = size.min(len.saturating_sub(start));
        (name, Member { file: Arc::clone(&file), is_deflated, start, size, checksum })
    };
    Ok(found.into_iter().map(member).collect())
}

/// Where an array is in an archive.
struct Member<R> {
    file: Arc<Mutex<R>>,
    is_deflated: bool,
    start: u64,
    /// The bytes it takes in the archive.
    size: u64,
    checksum: u32,
}

impl<R: ReadSeek + 'static> Member<R> {
    /// A reader of the decompressed bytes, independent of those of other members, that ends in an error if they are
    /// not the ones stored.
    fn open(&self) -> (Box<dyn Bytes>, Extent) {
        let stored = Section { file: Arc::clone(&self.file), position: self.start }.take(self.size);
        let checksum = self.checksum;
        if self.is_deflated {
            let inner = DeflateDecoder::new(stored);
            (buffered(Checked { inner, sum: Crc::new(), checksum }), Extent::Deflated(self.size))
        } else {
            (buffered(Checked { inner: stored, sum: Crc::new(), checksum }), Extent::Plain(self.size))
        }
    }
}

/// For the samples of a shard, which lie apart and are read one by one.
fn buffered(reader: impl Read + Send + 'static) -> Box<dyn Bytes> {
    Box::new(OneWay(BufReader::new(reader)))
}

/// The bytes of a shared file from a position on.
struct Section<R> {
    file: Arc<Mutex<R>>,
    position: u64,
}

impl<R: Read + Seek> Read for Section<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Whatever happened to another reader, the position is set anew.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// Bytes whose CRC-32 is compared when they end.
struct Checked<R> {
    inner: R,
    sum: Crc,
    checksum: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.sum.sum() != self.checksum {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum does not match"));
        }
        Ok(read)
    }
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

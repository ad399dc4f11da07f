//! Arrays in the .npy format of NumPy, alone in a file or as an entry of an .npz archive.

use std::io::BufReader;

use ndarray::ArrayViewD;

use crate::Problem;
use crate::array::{ArrayReader, Header, ReadSeek};
use crate::bytes::Bytes;
use crate::element::Extent;
use crate::label_reader::LabelReader;
use crate::npy_header;
use crate::numbers::Numbers;

/// Opens the array of samples, of any numeric type and element order, in a file of `len` bytes.
pub(crate) fn open_file(file: impl ReadSeek + 'static, len: u64) -> Result<ArrayReader, Problem> {
    let mut reader = BufReader::new(file);
    let (header, header_len) = npy_header::read(&mut reader)?;
    let extent = Extent::Plain(len).after(header_len);
    if header.is_scattered() {
        return ArrayReader::seekable(header, Box::new(reader.into_inner()), header_len, extent);
    }
    ArrayReader::sequential(&header, Box::new(reader), extent)
}

/// Opens the array of samples that `reader` yields.
pub(crate) fn open_samples(mut reader: Box<dyn Bytes>, extent: Extent) -> Result<ArrayReader, Problem> {
    let (header, header_len) = npy_header::read(&mut reader)?;
    ArrayReader::sequential(&header, reader, extent.after(header_len))
}

/// Opens the array of labels, `[samples]` or `[samples, 1]`, that `open` opens; `name` is for error texts.
pub(crate) fn open_labels(
    name: &str,
    open: impl Fn() -> Result<(Box<dyn Bytes>, Extent), Problem>,
) -> Result<LabelReader, Problem> {
    LabelReader::new(Some(name.to_owned()), || {
        let (mut reader, extent) = open()?;
        let (header, header_len) = npy_header::read(&mut reader)?;
        let Header { element, shape, .. } = &header;
        if !matches!(shape[..], [_] | [_, 1]) {
            return Err(Problem::Labels(format!(
                "labels `{name}` have shape {shape:?}, but need [samples], one class number each; turn one-hot rows \
                 into class numbers with .argmax(axis=1)"
            )));
        }
        let count = header.count()?;
        Ok((Numbers::new(reader, extent.after(header_len), *element, count)?, count))
    })
}

/// The bytes of a .npy file (format version 1.0, little-endian f32, row-major) holding `array`.
///
/// Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
pub fn write_npy(array: &ArrayViewD<'_, f32>) -> Vec<u8> {
    // An array of up to 64 dimensions stays far below the 65,535 bytes of a version 1.0 header.
    let sizes: Vec<_> = array.shape().iter().map(|size| format!("{size},")).collect();
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sizes.join(" "));
    // Magic, version, length, text and newline together fill a multiple of 64 bytes.
    let total = (10 + text.len() + 1).next_multiple_of(64);
    let mut bytes = Vec::with_capacity(total + 4 * array.len());
    bytes.extend(b"\x93NUMPY\x01\x00");
    bytes.extend(((total - 10) as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    for value in array {
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;

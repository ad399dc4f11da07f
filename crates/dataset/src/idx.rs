//! The IDX format of the MNIST files: a magic number with type and rank, the sizes, the values, all big-endian.
//!
//! Source: <https://yann.lecun.org/exdb/mnist/>, "the IDX file format".

use std::io::{self, Read};

use crate::Problem;
use crate::array::{ArrayReader, Header};
use crate::bytes::Bytes;
use crate::element::{Element, Extent, Kind};
use crate::label_reader::LabelReader;
use crate::numbers::{Numbers, stream_problem};

/// Opens the samples, in the shape the file gives them: `[images, rows, columns]`.
pub(crate) fn open_samples(mut reader: Box<dyn Bytes>, extent: Extent) -> Result<ArrayReader, Problem> {
    let (header, header_len) = read_header(&mut reader)?;
    ArrayReader::sequential(&header, reader, extent.after(header_len))
}

/// Opens the labels in the file that `open` opens.
pub(crate) fn open_labels(
    open: impl Fn() -> Result<(Box<dyn Bytes>, Extent), Problem>,
) -> Result<LabelReader, Problem> {
    LabelReader::new(None, || {
        let (mut reader, extent) = open()?;
        let (Header { element, shape, .. }, header_len) = read_header(&mut reader)?;
        let [count] = shape[..] else {
            return Err(Problem::Labels(format!(
                "labels have shape {shape:?}, but need [samples], one class number each"
            )));
        };
        Ok((Numbers::new(reader, extent.after(header_len), element, count)?, count))
    })
}

/// Reads up to the first byte of the data; also returns how many bytes that was.
fn read_header(reader: &mut dyn Read) -> Result<(Header, u64), Problem> {
    let [zero0, zero1, code, rank] = word(reader)?;
    let kind = match code {
        0x08 => Some(Kind::U8),
        0x09 => Some(Kind::I8),
        0x0B => Some(Kind::I16),
        0x0C => Some(Kind::I32),
        0x0D => Some(Kind::F32),
        0x0E => Some(Kind::F64),
        _ => None,
    };
    let (0, 0, Some(kind)) = (zero0, zero1, kind) else {
        return Err(Problem::Malformed(format!(
            "not an IDX file: it begins with the bytes {zero0:02x} {zero1:02x} {code:02x} instead of 00 00 and a \
             type of 08, 09, 0b, 0c, 0d or 0e"
        )));
    };
    let shape =
        (0..rank).map(|_| Ok(u64::from(u32::from_be_bytes(word(reader)?)))).collect::<Result<Vec<_>, Problem>>()?;
    let element = Element { kind, big_endian: true };
    Ok((Header { element, fortran_order: false, shape }, 4 + 4 * u64::from(rank)))
}

fn word(reader: &mut dyn Read) -> Result<[u8; 4], Problem> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Problem::Malformed("not an IDX file: it ends within its header; get it again".into())
        }
        _ => stream_problem(error),
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;

//! The IDX format of the MNIST files: a magic number with type and rank, the sizes, the values, all big-endian.
//!
//! Source: <https://yann.lecun.org/exdb/mnist/>, "the IDX file format".

use std::io::{self, Read};

use ndarray::{ArrayD, IxDyn};

use crate::element::{Budget, Element, Extent, Kind, Number, read_to_end, stream_problem};
use crate::{Labels, Problem};

/// Reads the samples, in the shape the file gives them: `[images, rows, columns]`.
pub(crate) fn read_samples(reader: &mut dyn Read, extent: Extent) -> Result<ArrayD<f32>, Problem> {
    let (shape, numbers) = read(reader, extent)?;
    let shape: Vec<_> = shape.iter().map(|&size| size as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), numbers)
        .map_err(|error| Problem::Unsupported(format!("shape {shape:?} cannot be held: {error}")))
}

/// Reads a file of labels.
pub(crate) fn read_labels(reader: &mut dyn Read, extent: Extent) -> Result<Labels, Problem> {
    let (shape, numbers) = read(reader, extent)?;
    if shape.len() != 1 {
        return Err(Problem::Labels(format!("labels have shape {shape:?}, but need [samples], one class number each")));
    }
    Labels::from_numbers(&numbers, |i| format!("label {i} (counted from 0)"))
}

fn read<T: Number>(reader: &mut dyn Read, extent: Extent) -> Result<(Vec<u64>, Vec<T>), Problem> {
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
    let count = Budget::new().take(&shape)?;
    let header_len = 4 + 4 * u64::from(rank);
    let extent = extent.after(header_len);
    let element = Element { kind, big_endian: true };
    Ok((shape, read_to_end(reader, extent, element, count)?))
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

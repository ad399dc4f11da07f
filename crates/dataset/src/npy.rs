//! Arrays in the .npy format of NumPy, alone in a file or as an entry of an .npz archive.

use std::io::Read;

use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};

use crate::element::{Budget, Extent, Number, read_to_end};
use crate::npy_header::Header;
use crate::{Labels, Problem};

/// Reads an array of samples, of any numeric type and element order.
pub(crate) fn read_samples(reader: &mut dyn Read, extent: Extent, budget: &mut Budget) -> Result<ArrayD<f32>, Problem> {
    let (header, numbers) = read(reader, extent, budget)?;
    let shape: Vec<_> = header.shape.iter().map(|&size| size as usize).collect();
    let shape = IxDyn(&shape).set_f(header.fortran_order);
    ArrayD::from_shape_vec(shape, numbers)
        .map_err(|error| Problem::Unsupported(format!("shape {:?} cannot be held: {error}", header.shape)))
}

/// Reads an array of labels, `[samples]` or `[samples, 1]`. `name` is for error texts.
pub(crate) fn read_labels(
    reader: &mut dyn Read,
    extent: Extent,
    budget: &mut Budget,
    name: &str,
) -> Result<Labels, Problem> {
    let (header, numbers) = read(reader, extent, budget)?;
    if !matches!(header.shape[..], [_] | [_, 1]) {
        return Err(Problem::Labels(format!(
            "labels `{name}` have shape {:?}, but need [samples], one class number each; turn one-hot rows into \
             class numbers with .argmax(axis=1)",
            header.shape
        )));
    }
    Labels::from_numbers(&numbers, |i| format!("label {i} (counted from 0) of `{name}`"))
}

fn read<T: Number>(reader: &mut dyn Read, extent: Extent, budget: &mut Budget) -> Result<(Header, Vec<T>), Problem> {
    let (header, header_len) = Header::read(reader)?;
    let count = budget.take(&header.shape)?;
    let extent = extent.after(header_len);
    let numbers = read_to_end(reader, extent, header.element, count)?;
    Ok((header, numbers))
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

//! How many elements and bytes a tensor has to have.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::Error;
use crate::proto::{AttributeType, DataLocation, DataType, TensorProto};

/// Type and shape of a tensor whose sizes are known not to overflow.
pub(crate) struct Layout {
    pub(crate) data_type: DataType,
    pub(crate) shape: Vec<usize>,
    /// Number of elements.
    pub(crate) count: usize,
}

impl Layout {
    /// Type and shape of `tensor`, whatever its stored elements.
    pub(crate) fn of(tensor: &TensorProto) -> Result<Self, Error> {
        let problem = |problem| Error::Tensor { tensor: tensor.name().to_owned(), problem };
        let data_type = match DataType::try_from(tensor.data_type()) {
            Ok(DataType::Undefined) => return Err(problem("has no data_type".to_owned())),
            Ok(data_type) => data_type,
            Err(_) => return Err(problem(format!("has the unknown data_type {}", tensor.data_type()))),
        };
        let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim));
        let shape: Vec<usize> = dims
            .collect::<Result<_, _>>()
            .map_err(|_| problem(format!("has the shape {:?}: dimensions cannot be negative", tensor.dims)))?;
        let count = element_count(&shape).ok_or_else(|| {
            problem(format!("has the shape {shape:?}: more elements than can be addressed, a 0 among them or not"))
        })?;
        Ok(Layout { data_type, shape, count })
    }

    /// Bytes the elements take in `raw_data`; `None` for text.
    pub(crate) fn byte_count(&self) -> Option<usize> {
        // Cannot overflow: `element_count` leaves room for 16 bytes an element.
        Some((self.count * bits(self.data_type)?).div_ceil(8))
    }

    /// Entries the elements take in the typed field for their type, and its name.
    fn typed_entries(&self) -> (usize, &'static str) {
        match self.data_type {
            DataType::Undefined => (0, "no field"),
            DataType::Float => (self.count, "float_data"),
            DataType::Complex64 => (self.count * 2, "float_data"),
            DataType::Double => (self.count, "double_data"),
            DataType::Complex128 => (self.count * 2, "double_data"),
            DataType::Int64 => (self.count, "int64_data"),
            DataType::Uint32 | DataType::Uint64 => (self.count, "uint64_data"),
            DataType::String => (self.count, "string_data"),
            DataType::Int4 | DataType::Uint4 | DataType::Float4e2m1 => (self.count.div_ceil(2), "int32_data"),
            DataType::Int2 | DataType::Uint2 => (self.count.div_ceil(4), "int32_data"),
            DataType::Int32
            | DataType::Int16
            | DataType::Uint16
            | DataType::Int8
            | DataType::Uint8
            | DataType::Bool
            | DataType::Float16
            | DataType::Bfloat16
            | DataType::Float8e4m3fn
            | DataType::Float8e4m3fnuz
            | DataType::Float8e5m2
            | DataType::Float8e5m2fnuz
            | DataType::Float8e8m0
            | DataType::Float6e2m3
            | DataType::Float6e3m2 => (self.count, "int32_data"),
        }
    }
}

/// What the dimensions beside one of size zero may multiply to: a file states them for free, and whoever computes with the tensor makes results as
/// large.
const MOST_BESIDE_ZERO: usize = 1 << 24;

/// Number of elements of `shape`; `None` if their bytes, at most 16 each, could not be addressed.
///
/// Dimensions of size zero do not excuse the others: strides and partial products have to fit as well.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    let nonzero = shape.iter().filter(|&&dim| dim > 0).try_fold(1_usize, |product, &dim| product.checked_mul(dim))?;
    nonzero.checked_mul(16 * 8)?;
    match shape.contains(&0) {
        true => (nonzero <= MOST_BESIDE_ZERO).then_some(0),
        false => Some(nonzero),
    }
}

/// Checks that `tensor` holds, in the field for its type, as many elements as its shape says.
pub(crate) fn check_tensor(tensor: &TensorProto) -> Result<Layout, Error> {
    let layout = Layout::of(tensor)?;
    if tensor.data_location() == DataLocation::External {
        let location =
            tensor.external_data.iter().find(|entry| entry.key() == "location").map_or("", |entry| entry.value());
        return Err(Error::ExternalData {
            tensor: tensor.name().to_owned(),
            location: location.to_owned(),
            problem: "is not loaded; open the model by its path, with the data file beside it".to_owned(),
        });
    }
    let problem = |problem| Err(Error::Tensor { tensor: tensor.name().to_owned(), problem });
    if let Some(location) = tensor.data_location.filter(|&location| DataLocation::try_from(location).is_err()) {
        return problem(format!("has the unknown data_location {location}"));
    }
    // The bounds of a segment are in units the specification leaves open, so there is nothing to compare its data with.
    if tensor.segment.is_some() {
        return Ok(layout);
    }
    let (entries, field) = layout.typed_entries();
    let typed = [
        ("float_data", tensor.float_data.len()),
        ("int32_data", tensor.int32_data.len()),
        ("string_data", tensor.string_data.len()),
        ("int64_data", tensor.int64_data.len()),
        ("double_data", tensor.double_data.len()),
        ("uint64_data", tensor.uint64_data.len()),
    ];
    let data_type = layout.data_type;
    for (name, len) in typed {
        if len > 0 && (name != field || tensor.raw_data.is_some()) {
            let place = if tensor.raw_data.is_some() { "raw_data" } else { field };
            return problem(format!("of type {data_type} has elements in {name} besides or instead of {place}"));
        }
    }
    let shape = &layout.shape;
    match (&tensor.raw_data, layout.byte_count()) {
        (Some(_), None) => problem(format!("of type {data_type} cannot be stored as raw_data")),
        (Some(raw), Some(bytes)) if raw.len() != bytes => problem(format!(
            "of type {data_type} and shape {shape:?} needs {bytes} bytes of raw_data, has {}",
            raw.len()
        )),
        (Some(_), Some(_)) => Ok(layout),
        (None, _) => match typed.iter().find(|(name, _)| *name == field) {
            Some((_, len)) if *len != entries => problem(format!(
                "of type {data_type} and shape {shape:?} needs {entries} entries in {field}, has {len}"
            )),
            _ => Ok(layout),
        },
    }
}

/// Bits of an element in `raw_data`; `None` if it has no fixed size.
fn bits(data_type: DataType) -> Option<usize> {
    match data_type {
        DataType::Undefined | DataType::String => None,
        DataType::Uint2 | DataType::Int2 => Some(2),
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => Some(4),
        DataType::Float6e2m3 | DataType::Float6e3m2 => Some(6),
        DataType::Uint8
        | DataType::Int8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => Some(8),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => Some(16),
        DataType::Float | DataType::Int32 | DataType::Uint32 => Some(32),
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => Some(64),
        DataType::Complex128 => Some(128),
    }
}

/// The name ONNX gives the type, such as `FLOAT8E4M3FN`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_uppercase())
    }
}

/// The name ONNX gives the type, such as `SPARSE_TENSOR`.
impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AttributeType::SparseTensor => "SPARSE_TENSOR",
            AttributeType::SparseTensors => "SPARSE_TENSORS",
            AttributeType::TypeProto => "TYPE_PROTO",
            AttributeType::TypeProtos => "TYPE_PROTOS",
            other => return f.write_str(&format!("{other:?}").to_uppercase()),
        })
    }
}

//! Whether the type of a value is well formed.

use alloc::format;
use alloc::string::String;

use super::MAX_TYPE_DEPTH;
use crate::proto::{DataType, TypeProto, TypeValue, ValueInfoProto};

/// What is wrong with the type of `value`.
pub(super) fn check_value(value: &ValueInfoProto) -> Result<(), String> {
    value.r#type.as_ref().map_or(Ok(()), check_type).map_err(|problem| format!("value \"{}\" {problem}", value.name()))
}

/// What is wrong with a type.
pub(super) fn check_type(r#type: &TypeProto) -> Result<(), String> {
    check_nested(r#type, 0)
}

fn check_nested(r#type: &TypeProto, depth: usize) -> Result<(), String> {
    if depth > MAX_TYPE_DEPTH {
        return Err(format!("has a type of types nested deeper than {MAX_TYPE_DEPTH}"));
    }
    let (element, inner) = match &r#type.value {
        Some(TypeValue::TensorType(tensor)) => (tensor.elem_type, None),
        Some(TypeValue::SparseTensorType(tensor)) => (tensor.elem_type, None),
        Some(TypeValue::MapType(map)) => (map.key_type, map.value_type.as_deref()),
        Some(TypeValue::SequenceType(sequence)) => (None, sequence.elem_type.as_deref()),
        Some(TypeValue::OptionalType(optional)) => (None, optional.elem_type.as_deref()),
        Some(TypeValue::OpaqueType(_)) | None => (None, None),
    };
    if let Some(element) = element
        && DataType::try_from(element).is_err()
    {
        return Err(format!("has the unknown element type {element}"));
    }
    inner.map_or(Ok(()), |inner| check_nested(inner, depth + 1))
}

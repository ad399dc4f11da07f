//! Name, element type and shape of an input or output.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::{
    DataType, Dimension, DimensionValue, TensorShapeProto, TensorType, TypeProto, TypeValue, ValueInfoProto,
};

/// Name, element type and shape of an input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueInfo {
    /// Name of the value.
    pub name: String,
    /// Type of its elements; [`DataType::Undefined`] if the model does not say or the value is not a dense tensor.
    pub element_type: DataType,
    /// Its dimensions; `None` if not even their number is known.
    pub shape: Option<Vec<Dim>>,
}

/// One dimension of a [`ValueInfo`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Known size.
    Fixed(usize),
    /// Size known only when the model runs; equal names are equal sizes.
    Symbolic(String),
    /// Nothing is known.
    Unknown,
}

impl From<&ValueInfoProto> for ValueInfo {
    fn from(proto: &ValueInfoProto) -> Self {
        let tensor = proto.r#type.as_ref().and_then(|t| match &t.value {
            Some(TypeValue::TensorType(tensor)) => Some(tensor),
            _ => None,
        });
        ValueInfo {
            name: proto.name().to_owned(),
            element_type: tensor.and_then(|t| DataType::try_from(t.elem_type()).ok()).unwrap_or(DataType::Undefined),
            shape: tensor.and_then(|t| t.shape.as_ref()).map(|s| s.dim.iter().map(Dim::from).collect()),
        }
    }
}

impl From<&Dimension> for Dim {
    fn from(proto: &Dimension) -> Self {
        match &proto.value {
            // Some exporters write -1 for an unknown size.
            Some(DimensionValue::DimValue(size)) => usize::try_from(*size).map_or(Dim::Unknown, Dim::Fixed),
            Some(DimensionValue::DimParam(name)) if !name.is_empty() => Dim::Symbolic(name.clone()),
            _ => Dim::Unknown,
        }
    }
}

impl From<&ValueInfo> for ValueInfoProto {
    fn from(value: &ValueInfo) -> Self {
        let dimension = |dim: &Dim| Dimension {
            denotation: None,
            value: match dim {
                Dim::Fixed(size) => Some(DimensionValue::DimValue(i64::try_from(*size).unwrap_or(i64::MAX))),
                Dim::Symbolic(name) => Some(DimensionValue::DimParam(name.clone())),
                Dim::Unknown => None,
            },
        };
        let tensor = TensorType {
            elem_type: Some(value.element_type.into()),
            shape: value.shape.as_ref().map(|dims| TensorShapeProto { dim: dims.iter().map(dimension).collect() }),
        };
        ValueInfoProto {
            name: Some(value.name.clone()),
            r#type: Some(TypeProto { denotation: None, value: Some(TypeValue::TensorType(tensor)) }),
            ..ValueInfoProto::default()
        }
    }
}

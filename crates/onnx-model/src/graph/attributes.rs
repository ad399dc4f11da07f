//! Reading the attributes of a node.

use alloc::borrow::ToOwned;
use alloc::format;

use super::describe;
use crate::Error;
use crate::proto::{AttributeProto, AttributeType, NodeProto, TensorProto};

impl NodeProto {
    /// The attribute `name`.
    pub fn attr(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// The integer attribute `name`, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type.
    pub fn attr_int(&self, name: &str, default: i64) -> Result<i64, Error> {
        Ok(self.typed(name, AttributeType::Int)?.map_or(default, |attribute| attribute.i()))
    }

    /// The float attribute `name`, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type.
    pub fn attr_float(&self, name: &str, default: f32) -> Result<f32, Error> {
        Ok(self.typed(name, AttributeType::Float)?.map_or(default, |attribute| attribute.f()))
    }

    /// The text attribute `name`, or `default` if it is absent.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type or not UTF-8.
    pub fn attr_str<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, Error> {
        match self.typed(name, AttributeType::String)? {
            Some(attribute) => {
                core::str::from_utf8(attribute.s()).map_err(|_| self.bad_attribute(name, "is not UTF-8 text"))
            }
            None => Ok(default),
        }
    }

    /// The integers of attribute `name`, if it is there.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type.
    pub fn attr_ints(&self, name: &str) -> Result<Option<&[i64]>, Error> {
        Ok(self.typed(name, AttributeType::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// The floats of attribute `name`, if it is there.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type.
    pub fn attr_floats(&self, name: &str) -> Result<Option<&[f32]>, Error> {
        Ok(self.typed(name, AttributeType::Floats)?.map(|attribute| attribute.floats.as_slice()))
    }

    /// The tensor attribute `name`, if it is there.
    ///
    /// # Errors
    /// [`Error::Attribute`] if it is of another type.
    pub fn attr_tensor(&self, name: &str) -> Result<Option<&TensorProto>, Error> {
        match self.typed(name, AttributeType::Tensor)? {
            Some(attribute) => {
                attribute.t.as_deref().map(Some).ok_or_else(|| self.bad_attribute(name, "is a TENSOR without a tensor"))
            }
            None => Ok(None),
        }
    }

    /// The attribute `name` if it is there, provided its type is `expected`.
    fn typed(&self, name: &str, expected: AttributeType) -> Result<Option<&AttributeProto>, Error> {
        let Some(attribute) = self.attr(name) else { return Ok(None) };
        if !attribute.ref_attr_name().is_empty() {
            return Err(
                self.bad_attribute(name, "takes its value from the caller of a function; inline the function first")
            );
        }
        match attribute_type(attribute) {
            found if found == expected => Ok(Some(attribute)),
            found => Err(self.bad_attribute(name, &format!("is of type {found}, expected {expected}"))),
        }
    }

    fn bad_attribute(&self, name: &str, problem: &str) -> Error {
        Error::Attribute { node: describe(self), attribute: name.to_owned(), problem: problem.to_owned() }
    }
}

/// The type of `attribute`: what it declares, or, as files of IR version 1 declare nothing, the type of the field it uses.
pub(crate) fn attribute_type(attribute: &AttributeProto) -> AttributeType {
    match attribute.r#type() {
        AttributeType::Undefined => used_fields(attribute).next().unwrap_or(AttributeType::Undefined),
        declared => declared,
    }
}

/// The types of the value fields `attribute` uses; a valid one uses one, or none if the value is the type's default.
pub(crate) fn used_fields(attribute: &AttributeProto) -> impl Iterator<Item = AttributeType> {
    [
        (attribute.f.is_some(), AttributeType::Float),
        (attribute.i.is_some(), AttributeType::Int),
        (attribute.s.is_some(), AttributeType::String),
        (attribute.t.is_some(), AttributeType::Tensor),
        (attribute.g.is_some(), AttributeType::Graph),
        (attribute.tp.is_some(), AttributeType::TypeProto),
        (attribute.sparse_tensor.is_some(), AttributeType::SparseTensor),
        (!attribute.floats.is_empty(), AttributeType::Floats),
        (!attribute.ints.is_empty(), AttributeType::Ints),
        (!attribute.strings.is_empty(), AttributeType::Strings),
        (!attribute.tensors.is_empty(), AttributeType::Tensors),
        (!attribute.graphs.is_empty(), AttributeType::Graphs),
        (!attribute.type_protos.is_empty(), AttributeType::TypeProtos),
        (!attribute.sparse_tensors.is_empty(), AttributeType::SparseTensors),
    ]
    .into_iter()
    .filter_map(|(used, r#type)| used.then_some(r#type))
}

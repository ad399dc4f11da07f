//! Whether an attribute holds what its type says.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

use super::sparse_tensor::check_sparse;
use super::types::check_type;
use crate::Error;
use crate::graph::{attribute_type, describe, used_fields};
use crate::proto::{AttributeProto, AttributeType, NodeProto};
use crate::tensor::check_tensor;

/// Checks the attributes of `node`, but for its subgraphs. Only those `in_function` may refer to attributes of a caller.
pub(super) fn check_attributes(node: &NodeProto, in_function: bool) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for attribute in &node.attribute {
        let bad = |problem| Error::Attribute { node: describe(node), attribute: attribute.name().to_owned(), problem };
        if attribute.name().is_empty() {
            return Err(bad("has no name".to_owned()));
        }
        if !names.insert(attribute.name()) {
            return Err(bad("is given twice".to_owned()));
        }
        check_attribute(attribute, in_function).map_err(bad)?;
    }
    Ok(())
}

/// What is wrong with an attribute.
pub(super) fn check_attribute(attribute: &AttributeProto, in_function: bool) -> Result<(), String> {
    if AttributeType::try_from(attribute.r#type.unwrap_or_default()).is_err() {
        return Err(format!("has the unknown type {}", attribute.r#type.unwrap_or_default()));
    }
    let declared = attribute_type(attribute);
    let mut used = used_fields(attribute);
    let first = used.next();
    if let (Some(first), Some(second)) = (first, used.next()) {
        return Err(format!("holds more than one value, {first} and {second}"));
    }
    if !attribute.ref_attr_name().is_empty() {
        return match (in_function, first) {
            (false, _) => Err("refers to a function's attribute, but is not in a function".to_owned()),
            (true, Some(_)) => Err("has a value besides the function's attribute it refers to".to_owned()),
            (true, None) => Ok(()),
        };
    }
    match (declared, first) {
        (AttributeType::Undefined, _) => return Err("has no type and no value".to_owned()),
        (declared, Some(found)) if found != declared => {
            return Err(format!("is declared {declared} but holds {found}"));
        }
        // Numbers, text and lists are left out by some writers if they are 0 or empty; messages have no such default.
        (
            AttributeType::Tensor | AttributeType::Graph | AttributeType::SparseTensor | AttributeType::TypeProto,
            None,
        ) => return Err(format!("is declared {declared} but has no value")),
        _ => {}
    }
    let mut tensors = attribute.t.as_deref().into_iter().chain(&attribute.tensors);
    tensors.try_for_each(|tensor| check_tensor(tensor).map(drop)).map_err(|e| e.to_string())?;
    let mut sparse = attribute.sparse_tensor.as_deref().into_iter().chain(&attribute.sparse_tensors);
    sparse.try_for_each(check_sparse).map_err(|e| e.to_string())?;
    attribute.tp.as_deref().into_iter().chain(&attribute.type_protos).try_for_each(check_type)
}

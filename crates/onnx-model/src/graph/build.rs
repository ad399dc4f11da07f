//! Making nodes.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;

use crate::Tensor;
use crate::proto::{AttributeProto, AttributeType, NodeProto};

/// A node of ONNX's operator `op_type`; an empty name among `inputs` leaves an optional input out.
///
/// Attributes are added with [`with_int`](NodeProto::with_int) and its siblings.
pub fn node(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    NodeProto {
        op_type: Some(op_type.to_owned()),
        name: Some(name.to_owned()),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

impl NodeProto {
    /// The same node with the integer attribute `name`.
    #[must_use]
    pub fn with_int(self, name: &str, value: i64) -> Self {
        self.with(name, AttributeType::Int, AttributeProto { i: Some(value), ..AttributeProto::default() })
    }

    /// The same node with the float attribute `name`.
    #[must_use]
    pub fn with_float(self, name: &str, value: f32) -> Self {
        self.with(name, AttributeType::Float, AttributeProto { f: Some(value), ..AttributeProto::default() })
    }

    /// The same node with the text attribute `name`.
    #[must_use]
    pub fn with_str(self, name: &str, value: &str) -> Self {
        self.with(name, AttributeType::String, AttributeProto { s: Some(value.into()), ..AttributeProto::default() })
    }

    /// The same node with the attribute `name` of several integers.
    #[must_use]
    pub fn with_ints(self, name: &str, values: &[i64]) -> Self {
        self.with(name, AttributeType::Ints, AttributeProto { ints: values.to_vec(), ..AttributeProto::default() })
    }

    /// The same node with the attribute `name` of several floats.
    #[must_use]
    pub fn with_floats(self, name: &str, values: &[f32]) -> Self {
        self.with(name, AttributeType::Floats, AttributeProto { floats: values.to_vec(), ..AttributeProto::default() })
    }

    /// The same node with the tensor attribute `name`.
    #[must_use]
    pub fn with_tensor(self, name: &str, value: &Tensor) -> Self {
        self.with(
            name,
            AttributeType::Tensor,
            AttributeProto { t: Some(Box::new(value.to_proto())), ..AttributeProto::default() },
        )
    }

    /// Sets the attribute `name`, in place of one it may have already.
    fn with(mut self, name: &str, r#type: AttributeType, value: AttributeProto) -> Self {
        self.attribute.retain(|attribute| attribute.name() != name);
        self.attribute.push(AttributeProto { name: Some(name.to_owned()), r#type: Some(r#type.into()), ..value });
        self
    }
}

//! What the quantizer asks of a single node.

use onnx_model::proto::NodeProto;

use crate::Error;

/// The operator of ONNX's own that the node calls; empty for one of another domain, whatever that is called.
pub(crate) fn operator(node: &NodeProto) -> &str {
    match node.domain() {
        "" | "ai.onnx" => node.op_type(),
        _ => "",
    }
}

/// A node's name, or what it makes if it has none.
pub(crate) fn node_name(node: &NodeProto) -> String {
    match (node.name(), node.output.iter().find(|output| !output.is_empty())) {
        ("", Some(output)) => format!("{}:{output}", node.op_type()),
        (name, _) => name.to_owned(),
    }
}

/// The node's first result, if it makes no other.
pub(crate) fn only_output(node: &NodeProto) -> Option<&str> {
    let (first, rest) = node.output.split_first()?;
    (!first.is_empty() && rest.iter().all(String::is_empty)).then_some(first)
}

/// Whether `tensor` is the node's first input and none of its others.
pub(crate) fn reads_first(node: &NodeProto, tensor: &str) -> bool {
    node.input.first().is_some_and(|first| first == tensor) && node.input.iter().skip(1).all(|input| input != tensor)
}

/// Whether the node is a Gemm with a plain product: `A B + C`, `B` maybe transposed.
pub(crate) fn is_plain_gemm(node: &NodeProto) -> Result<bool, Error> {
    Ok(operator(node) == "Gemm"
        && node.attr_float("alpha", 1.0)? == 1.0
        && node.attr_float("beta", 1.0)? == 1.0
        && node.attr_int("transA", 0)? == 0)
}

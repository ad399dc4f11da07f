//! What to call a node in a message.

use alloc::format;
use alloc::string::String;

use crate::proto::NodeProto;

/// What to call `node` in a message: `Gemm node "fc1"`, or by its first output if it has no name: `Gemm node producing "y"`.
pub fn describe(node: &NodeProto) -> String {
    let op_type = match node.op_type() {
        "" => "untyped",
        op_type => op_type,
    };
    match (node.name(), node.output.iter().find(|output| !output.is_empty())) {
        ("", Some(output)) => format!("{op_type} node producing \"{output}\""),
        ("", None) => format!("{op_type} node without name or output"),
        (name, _) => format!("{op_type} node \"{name}\""),
    }
}

//! Removes nodes that hand on their input unchanged.

use std::collections::HashMap;

use onnx_model::proto::{GraphProto, NodeProto};

use crate::Error;

/// Removes Identity and inference-time Dropout nodes whose result is not an output of the graph.
pub(crate) fn remove(graph: &mut GraphProto) -> Result<(), Error> {
    // Subgraphs read outer names too; a graph that has any is left as it is.
    if graph.node.iter().any(|node| node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty())) {
        return Ok(());
    }
    let mut replaced: HashMap<String, String> = HashMap::new();
    let outputs: Vec<String> = graph.output.iter().map(|output| output.name().to_owned()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        for input in &mut node.input {
            if let Some(source) = replaced.get(input) {
                input.clone_from(source);
            }
        }
        if hands_on(&node) && !node.output.iter().any(|output| outputs.contains(output)) {
            replaced.insert(node.output[0].clone(), node.input[0].clone());
        } else {
            kept.push(node);
        }
    }
    graph.node = kept;
    Ok(())
}

fn hands_on(node: &NodeProto) -> bool {
    let one_result = node.output.iter().filter(|output| !output.is_empty()).count() == 1 && !node.input.is_empty();
    // Dropout with a third input may be told at run time to train.
    one_result && matches!((node.op_type(), node.input.len()), ("Identity", _) | ("Dropout", 1 | 2))
}

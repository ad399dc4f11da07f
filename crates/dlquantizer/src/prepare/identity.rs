//! Removes nodes that hand on their input unchanged.

use std::collections::{HashMap, HashSet};

use onnx_model::proto::{GraphProto, NodeProto};

use crate::node::operator;

/// Removes Identity and inference-time Dropout nodes whose result is not an output of the graph.
pub(crate) fn remove(graph: &mut GraphProto) {
    // Subgraphs read outer names too; a graph that has any is left as it is.
    if graph.node.iter().any(|node| node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty())) {
        return;
    }
    let mut replaced: HashMap<String, String> = HashMap::new();
    let outputs: HashSet<String> = graph.output.iter().map(|output| output.name().to_owned()).collect();
    let read: HashSet<String> = graph.node.iter().flat_map(|node| &node.input).chain(&outputs).cloned().collect();
    graph.node.retain_mut(|node| {
        for input in &mut node.input {
            if let Some(source) = replaced.get(input) {
                input.clone_from(source);
            }
        }
        match handed_on(node, &read).filter(|(_, output)| !outputs.contains(*output)) {
            Some((input, output)) => {
                replaced.insert(output.to_owned(), input.to_owned());
                false
            }
            None => true,
        }
    });
}

/// What the node reads and makes, if both are the same and nothing else that it makes, as Dropout its mask, is among `read`.
fn handed_on<'n>(node: &'n NodeProto, read: &HashSet<String>) -> Option<(&'n str, &'n str)> {
    // Dropout with a third input may be told at run time to train.
    let same = matches!((operator(node), node.input.len()), ("Identity", _) | ("Dropout", 1 | 2));
    let (output, rest) = node.output.split_first()?;
    let input = node.input.first()?;
    let alone = rest.iter().all(|other| other.is_empty() || !read.contains(other));
    (same && alone && !input.is_empty() && !output.is_empty()).then_some((input, output))
}

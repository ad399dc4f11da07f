//! Which values a node reads, its subgraphs included.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::{GraphProto, NodeProto};

/// The subgraphs in the attributes of `node`.
pub(crate) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
}

/// Names of the values `node` reads, each once: its inputs, and what its subgraphs take from the graph around them.
pub fn reads_of(node: &NodeProto) -> Vec<&str> {
    let mut reads = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |name| {
        if seen.insert(name) {
            reads.push(name);
        }
    };
    node.input.iter().map(String::as_str).filter(|name| !name.is_empty()).for_each(&mut add);
    subgraphs(node).flat_map(free_names).for_each(&mut add);
    reads
}

/// Names `graph` reads and does not define: they belong to the graph around it.
fn free_names(graph: &GraphProto) -> Vec<&str> {
    let defined: BTreeSet<&str> = defined_names(graph).collect();
    let mut free = Vec::new();
    let mut seen = BTreeSet::new();
    let outputs = graph.output.iter().map(|output| output.name());
    for name in graph.node.iter().flat_map(reads_of).chain(outputs) {
        if !name.is_empty() && !defined.contains(name) && seen.insert(name) {
            free.push(name);
        }
    }
    free
}

fn defined_names(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let inputs = graph.input.iter().map(|input| input.name());
    let initializers = graph.initializer.iter().map(|tensor| tensor.name());
    let sparse =
        graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()).map(|values| values.name());
    let outputs = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    inputs.chain(initializers).chain(sparse).chain(outputs)
}

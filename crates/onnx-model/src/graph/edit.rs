//! Putting a graph in order after an edit.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec;

use super::{reads_of, topological_order};
use crate::Error;
use crate::proto::{GraphProto, SparseTensorProto};

/// Moves each node, in subgraphs too, behind those it reads from; nodes that are in order stay where they are.
///
/// # Errors
/// [`Error::Cycle`].
pub fn sort_topologically(graph: &mut GraphProto) -> Result<(), Error> {
    for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
        attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs).try_for_each(sort_topologically)?;
    }
    let order = topological_order(&graph.node)?;
    if !order.is_sorted() {
        graph.node = order.into_iter().map(|index| core::mem::take(&mut graph.node[index])).collect();
    }
    Ok(())
}

/// Drops the nodes and initializers that no output of the graph depends on, with what is said about their values.
///
/// The inputs and outputs of the graph stay. An initializer that is listed among the inputs as well, as IR version 3 demands, is
/// dropped from both. Subgraphs stay as they are.
///
/// # Errors
/// [`Error::Cycle`].
pub fn remove_unused(graph: &mut GraphProto) -> Result<(), Error> {
    let mut live: BTreeSet<String> = graph.output.iter().map(|output| output.name().to_owned()).collect();
    let mut keep = vec![false; graph.node.len()];
    for index in topological_order(&graph.node)?.into_iter().rev() {
        let node = &graph.node[index];
        keep[index] = node.output.iter().any(|output| !output.is_empty() && live.contains(output));
        if keep[index] {
            live.extend(reads_of(node).into_iter().map(str::to_owned));
        }
    }
    let mut keep = keep.into_iter();
    graph.node.retain(|_| keep.next() == Some(true));

    let inputs = graph.input.iter().map(|input| input.name());
    let produced = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let remaining: BTreeSet<String> =
        inputs.chain(produced).chain(live.iter().map(String::as_str)).map(str::to_owned).collect();
    // What is said about a remaining tensor needs the tensors that hold its scale and zero point.
    graph.quantization_annotation.retain(|annotation| remaining.contains(annotation.tensor_name()));
    let parameters =
        graph.quantization_annotation.iter().flat_map(|annotation| &annotation.quant_parameter_tensor_names);
    live.extend(parameters.map(|entry| entry.value().to_owned()));

    let mut dropped = BTreeSet::new();
    let mut is_live = |name: &str| {
        let is_live = live.contains(name);
        if !is_live {
            dropped.insert(name.to_owned());
        }
        is_live
    };
    graph.initializer.retain(|tensor| is_live(tensor.name()));
    graph.sparse_initializer.retain(|sparse| is_live(sparse_name(sparse)));
    graph.input.retain(|input| !dropped.contains(input.name()));
    graph.value_info.retain(|value| remaining.contains(value.name()) && !dropped.contains(value.name()));
    Ok(())
}

fn sparse_name(sparse: &SparseTensorProto) -> &str {
    sparse.values.as_ref().map_or("", |values| values.name())
}

//! Topological order.

use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{describe, reads_of};
use crate::Error;
use crate::proto::NodeProto;

/// Indices of `nodes` so that each follows the ones it reads from; nodes that are in order stay where they are.
///
/// # Errors
/// [`Error::Cycle`].
pub(crate) fn topological_order(nodes: &[NodeProto]) -> Result<Vec<usize>, Error> {
    let producer: BTreeMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.output.iter().map(move |name| (name.as_str(), index)))
        .collect();
    // Edges between distinct nodes, each once; a node that reads its own output waits for itself for ever.
    let mut successors = vec![Vec::new(); nodes.len()];
    let mut predecessors = vec![BTreeSet::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for &before in reads_of(node).iter().filter_map(|name| producer.get(name)) {
            if predecessors[index].insert(before) {
                successors[before].push(index);
            }
        }
    }

    let mut waiting_for: Vec<usize> = predecessors.iter().map(BTreeSet::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&index| waiting_for[index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &after in &successors[index] {
            waiting_for[after] -= 1;
            if waiting_for[after] == 0 {
                ready.push(Reverse(after));
            }
        }
    }
    match (0..nodes.len()).find(|&index| waiting_for[index] > 0) {
        None => Ok(order),
        Some(stuck) => Err(Error::Cycle { node: describe(&nodes[on_cycle(stuck, &predecessors, &waiting_for)]) }),
    }
}

/// A node on a cycle, found by going back from `stuck`: a node that was never ready has a predecessor that was never ready.
fn on_cycle(stuck: usize, predecessors: &[BTreeSet<usize>], waiting_for: &[usize]) -> usize {
    let mut seen = BTreeSet::new();
    let mut node = stuck;
    while seen.insert(node) {
        node = predecessors[node].iter().copied().filter(|&before| waiting_for[before] > 0).min().unwrap_or(node);
    }
    node
}

//! Orders items so that each comes after what it reads, with nodes of the float runtime gathered into few groups.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::item::Item;

/// A run of items executed together.
pub(crate) enum Group<'a> {
    /// One step of the engine.
    Native(Item<'a>),
    /// Consecutive nodes of the float runtime.
    Float(Vec<Item<'a>>),
}

/// Kahn's algorithm that goes on in the float runtime, or outside it, for as long as something is ready there.
pub(crate) fn schedule(items: Vec<Item<'_>>) -> Vec<Group<'_>> {
    let mut made_by: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        made_by.extend(item.outputs.iter().map(|&output| (output, index)));
    }
    let mut missing = vec![0usize; items.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    for (index, item) in items.iter().enumerate() {
        for producer in item.inputs.iter().filter_map(|input| made_by.get(input)) {
            missing[index] += 1;
            readers[*producer].push(index);
        }
    }
    let mut ready: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for index in (0..items.len()).rev().filter(|&index| missing[index] == 0) {
        ready[usize::from(items[index].is_native())].push(index);
    }
    let mut items: Vec<Option<Item<'_>>> = items.into_iter().map(Some).collect();
    let mut groups = Vec::new();
    let mut native = false;
    loop {
        let next = ready[usize::from(native)].pop().or_else(|| {
            native = !native;
            ready[usize::from(native)].pop()
        });
        let Some(item) = next.and_then(|index| items[index].take().map(|item| (index, item))) else { break };
        let (index, item) = item;
        for &reader in &readers[index] {
            missing[reader] -= 1;
            if missing[reader] == 0
                && let Some(item) = &items[reader]
            {
                ready[usize::from(item.is_native())].push(reader);
            }
        }
        match groups.last_mut() {
            Some(Group::Float(nodes)) if !item.is_native() => nodes.push(item),
            _ if item.is_native() => groups.push(Group::Native(item)),
            _ => groups.push(Group::Float(vec![item])),
        }
    }
    groups
}

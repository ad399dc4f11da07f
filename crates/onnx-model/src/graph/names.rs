//! Names that are not taken yet.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::subgraphs;
use crate::proto::GraphProto;

/// All names a graph uses, for values and for nodes, and new ones that collide with none of them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    taken: BTreeSet<String>,
    /// How many names were made from each base.
    made: BTreeMap<String, usize>,
}

impl Names {
    /// The names `graph` uses, its subgraphs included.
    pub fn of(graph: &GraphProto) -> Self {
        let mut names = Names::default();
        names.add(graph);
        names
    }

    /// `base` if it is free, else `base_1`, `base_2` and so on; taken from now on.
    pub fn fresh(&mut self, base: &str) -> String {
        let made = self.made.entry(base.to_owned()).or_default();
        let mut name = base.to_owned();
        while name.is_empty() || self.taken.contains(&name) {
            *made += 1;
            name = format!("{base}_{made}");
        }
        self.taken.insert(name.clone());
        name
    }

    fn add(&mut self, graph: &GraphProto) {
        let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info).map(|value| value.name());
        let initializers = graph.initializer.iter().map(|tensor| tensor.name());
        let sparse =
            graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()).map(|values| values.name());
        self.taken.extend(values.chain(initializers).chain(sparse).map(str::to_owned));
        for node in &graph.node {
            self.taken.extend(node.input.iter().chain(&node.output).cloned());
            self.taken.insert(node.name().to_owned());
            subgraphs(node).for_each(|subgraph| self.add(subgraph));
        }
    }
}

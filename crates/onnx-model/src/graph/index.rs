//! Looking up who produces and who reads a value.

use alloc::borrow::ToOwned;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use super::{describe, reads_of, topological_order};
use crate::proto::{GraphProto, NodeProto, TensorProto};
use crate::{Error, Tensor};

/// Who produces and who reads each value of a graph.
///
/// It borrows the graph: make the edits after asking, and a new index after the edits.
#[derive(Debug)]
pub struct GraphIndex<'g> {
    graph: &'g GraphProto,
    producers: BTreeMap<&'g str, usize>,
    consumers: BTreeMap<&'g str, Vec<usize>>,
    initializers: BTreeMap<&'g str, &'g TensorProto>,
    outputs: BTreeSet<&'g str>,
    order: Vec<usize>,
}

impl<'g> GraphIndex<'g> {
    /// Indexes `graph`, subgraphs only as readers of its values.
    ///
    /// # Errors
    /// [`Error::DuplicateName`] if two nodes or two initializers produce the same value, [`Error::Cycle`].
    pub fn new(graph: &'g GraphProto) -> Result<Self, Error> {
        let duplicate = |name: &str, first, second| Error::DuplicateName {
            graph: graph.name().to_owned(),
            name: name.to_owned(),
            first,
            second,
        };
        let mut producers = BTreeMap::new();
        let mut consumers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                match producers.entry(output.as_str()) {
                    Entry::Vacant(entry) => entry.insert(index),
                    Entry::Occupied(first) => {
                        return Err(duplicate(output, describe(&graph.node[*first.get()]), describe(node)));
                    }
                };
            }
            for name in reads_of(node) {
                consumers.entry(name).or_default().push(index);
            }
        }
        let mut initializers = BTreeMap::new();
        for tensor in &graph.initializer {
            if initializers.insert(tensor.name(), tensor).is_some() {
                return Err(duplicate(tensor.name(), "an initializer".to_owned(), "an initializer".to_owned()));
            }
        }
        let outputs = graph.output.iter().map(|output| output.name()).collect();
        Ok(GraphIndex { graph, producers, consumers, initializers, outputs, order: topological_order(&graph.node)? })
    }

    /// Index of the node that produces `name`.
    pub fn producer(&self, name: &str) -> Option<usize> {
        self.producers.get(name).copied()
    }

    /// Indices of the nodes that read `name`, directly or in a subgraph, ascending and each once.
    pub fn consumers(&self, name: &str) -> &[usize] {
        self.consumers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The initializer `name`.
    pub fn initializer(&self, name: &str) -> Option<&'g TensorProto> {
        self.initializers.get(name).copied()
    }

    /// The value of `name` if it is constant: an initializer, or the output of a `Constant` node.
    ///
    /// An initializer that is listed among the graph's inputs counts as constant, though a caller may override it.
    ///
    /// # Errors
    /// [`Error::UnsupportedType`], [`Error::Tensor`] or [`Error::Attribute`] if it is constant but cannot be read as a [`Tensor`].
    pub fn constant(&self, name: &str) -> Result<Option<Tensor>, Error> {
        if let Some(tensor) = self.initializer(name) {
            return Tensor::from_proto(tensor).map(Some);
        }
        match self.producer(name).map(|index| &self.graph.node[index]) {
            Some(node) if node.op_type() == "Constant" && crate::model::is_default_domain(node.domain()) => {
                constant_value(node, name).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether `name` is an output of the graph.
    pub fn is_graph_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// Indices of the nodes in topological order.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

/// The value of a `Constant` node, in whichever of the operator's attributes it is given.
fn constant_value(node: &NodeProto, name: &str) -> Result<Tensor, Error> {
    if let Some(tensor) = node.attr_tensor("value")? {
        return Ok(Tensor { name: name.to_owned(), ..Tensor::from_proto(tensor)? });
    }
    if node.attr("value_float").is_some() {
        return Tensor::f32(name, &[], vec![node.attr_float("value_float", 0.0)?]);
    }
    if node.attr("value_int").is_some() {
        return Tensor::i64(name, &[], vec![node.attr_int("value_int", 0)?]);
    }
    if let Some(values) = node.attr_floats("value_floats")? {
        return Tensor::f32(name, &[values.len()], values.to_vec());
    }
    if let Some(values) = node.attr_ints("value_ints")? {
        return Tensor::i64(name, &[values.len()], values.to_vec());
    }
    Err(Error::Node {
        node: describe(node),
        problem: "its value is text or a sparse tensor, which cannot be read as a dense tensor of numbers".to_owned(),
    })
}

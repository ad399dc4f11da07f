//! The constants of a graph, as they are stored and as they are read.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::graph::GraphIndex;
use crate::model::is_default_domain;
use crate::proto::{DataType, GraphProto, NodeProto, TensorProto};
use crate::tensor::Layout;

/// A constant as a node reads it.
pub(super) struct Constant<'g> {
    /// The stored tensor that it comes from.
    pub(super) stored: &'g str,
    /// Shape of the stored tensor.
    pub(super) shape: Vec<usize>,
    pub(super) data_type: DataType,
    /// Whether a node turned stored integers into what is read.
    pub(super) dequantized: bool,
    pub(super) elements: usize,
    /// Bytes of what is stored, scales and zero points included.
    pub(super) bytes: u64,
}

/// The constants of a graph by the names they are read by.
pub(super) struct Constants<'g> {
    read: BTreeMap<&'g str, Constant<'g>>,
    /// Nodes that only compute with constants.
    nodes: BTreeSet<usize>,
    bytes: u64,
}

impl<'g> Constants<'g> {
    /// What is stored in the graph, and what nodes compute from that alone.
    pub(super) fn of(graph: &'g GraphProto, index: &GraphIndex<'g>) -> Self {
        let mut constants = Self { read: BTreeMap::new(), nodes: BTreeSet::new(), bytes: 0 };
        for tensor in &graph.initializer {
            constants.store(tensor.name(), tensor);
        }
        for &position in index.order() {
            constants.compute(position, &graph.node[position]);
        }
        constants
    }

    pub(super) fn get(&self, name: &str) -> Option<&Constant<'g>> {
        self.read.get(name)
    }

    pub(super) fn is_constant_node(&self, position: usize) -> bool {
        self.nodes.contains(&position)
    }

    /// Bytes of everything that is stored.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn store(&mut self, name: &'g str, tensor: &'g TensorProto) {
        let Ok(layout) = Layout::of(tensor) else { return };
        // Text has no fixed size; what it takes is of no weight here.
        let bytes = layout.byte_count().unwrap_or(0) as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        let Layout { data_type, shape, count: elements } = layout;
        self.read.insert(name, Constant { stored: name, shape, data_type, dequantized: false, elements, bytes });
    }

    /// Notes what a node computes if all it reads is constant.
    fn compute(&mut self, position: usize, node: &'g NodeProto) {
        let Some(output) = node.output.first() else { return };
        if node.op_type() == "Constant" && is_default_domain(node.domain()) {
            self.nodes.insert(position);
            if let Some(tensor) = node.attribute.iter().find_map(|attribute| attribute.t.as_deref()) {
                self.store(output, tensor);
            }
            return;
        }
        let (Some(first), true) = (node.input.first().and_then(|input| self.read.get(input.as_str())), moves(node))
        else {
            return;
        };
        let others: Option<Vec<_>> = node.input[1..]
            .iter()
            .filter(|input| !input.is_empty())
            .map(|input| self.read.get(input.as_str()))
            .collect();
        let Some(others) = others else { return };
        let quantization = others.iter().map(|constant| constant.bytes).fold(0, u64::saturating_add);
        let computed = Constant {
            stored: first.stored,
            shape: first.shape.clone(),
            data_type: first.data_type,
            dequantized: first.dequantized || node.op_type() == "DequantizeLinear",
            elements: first.elements,
            bytes: first.bytes.saturating_add(quantization),
        };
        self.read.insert(output, computed);
        self.nodes.insert(position);
    }
}

/// Whether a node keeps the elements of its first input, only lays them out or writes them differently.
fn moves(node: &NodeProto) -> bool {
    is_default_domain(node.domain())
        && matches!(
            node.op_type(),
            "DequantizeLinear"
                | "QuantizeLinear"
                | "Cast"
                | "Identity"
                | "Transpose"
                | "Reshape"
                | "Squeeze"
                | "Unsqueeze"
        )
}

//! What a model consists of: its layers with their shapes, parameters, multiplications and bytes.

mod constants;
mod macs;
mod role;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::graph::GraphIndex;
use crate::proto::{DataType, GraphProto, NodeProto};
use crate::shapes::{Shapes, Size};
use crate::{Dim, Error};
use constants::Constants;
use role::{Reader, Role};

/// The layers of a model, and what they hold in total.
///
/// Only dimensions are looked at, never elements, so that it is as quick for a large model as for a small one.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// In topological order: every node of the main graph but constants, what is computed from constants or shapes alone, and conversions
    /// between integers and floats.
    pub layers: Vec<LayerSummary>,
    /// Parameters that training changes.
    pub trainable: usize,
    /// Parameters that it leaves alone: running means and variances, normalization of the input.
    pub fixed: usize,
    /// Multiply-accumulates per sample of the layers where they are known.
    pub macs: u64,
    /// Whether those of some layer are not known, because a shape is not.
    pub macs_incomplete: bool,
    /// Bytes of all constants as they are stored.
    pub bytes: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSummary {
    /// Name of its node, or of what it makes if the node has none.
    pub name: String,
    /// Its operator; `MatMul+Add` where the sum only adds a bias to the product.
    pub operator: String,
    /// Shape of what it makes, the batch included; `None` if not even the number of dimensions is known.
    pub output: Option<Vec<Dim>>,
    /// Shape of its weights, the first of its parameters, as they are stored.
    pub weights: Option<Vec<usize>>,
    /// Type of the stored weights.
    pub precision: Option<DataType>,
    /// Parameters that training changes; those of a tensor that several layers share count for the first of them.
    pub trainable: usize,
    /// Parameters that training leaves alone.
    pub fixed: usize,
    /// Multiply-accumulates per sample, of matrix products, convolutions and recurrent layers; 0 for all others, `None` if a shape is not
    /// known.
    pub macs: Option<u64>,
    /// Bytes of its constants as they are stored, scales and zero points of quantized ones included.
    pub bytes: u64,
}

impl LayerSummary {
    /// Number of parameters, trainable or not.
    pub fn parameters(&self) -> usize {
        self.trainable.saturating_add(self.fixed)
    }
}

impl Summary {
    /// Summarizes the main graph of a model.
    ///
    /// # Errors
    /// [`Error::DuplicateName`], [`Error::Cycle`] or [`Error::Attribute`] if the graph is malformed.
    pub fn of(model: &crate::Model) -> Result<Self, Error> {
        Self::of_graph(model.graph())
    }

    fn of_graph(graph: &GraphProto) -> Result<Self, Error> {
        let index = GraphIndex::new(graph)?;
        let shapes = Shapes::of(graph, &index)?;
        let of_sample = Shapes::of_one_sample(graph, &index)?;
        let batch = fixed_batch(graph, &of_sample);
        let constants = Constants::of(graph, &index);
        let mut walk = Walk {
            graph,
            index: &index,
            constants: &constants,
            claimed: BTreeSet::new(),
            learned: BTreeSet::new(),
            scales: BTreeSet::new(),
            biases: BTreeSet::new(),
        };
        let mut layers = Vec::new();
        for &position in index.order() {
            let node = &graph.node[position];
            let Some(mut layer) = walk.layer(position, node, &shapes)? else { continue };
            layer.macs = macs::of_node(node, &of_sample)?.map(|macs| macs / batch);
            layers.push(layer);
        }
        let sum = |of: fn(&LayerSummary) -> usize| layers.iter().map(of).fold(0, usize::saturating_add);
        Ok(Self {
            trainable: sum(|layer| layer.trainable),
            fixed: sum(|layer| layer.fixed),
            macs: layers.iter().filter_map(|layer| layer.macs).fold(0, u64::saturating_add),
            macs_incomplete: layers.iter().any(|layer| layer.macs.is_none()),
            bytes: constants.bytes(),
            layers,
        })
    }
}

/// Samples that a model with a fixed leading dimension takes at once.
fn fixed_batch(graph: &GraphProto, of_sample: &Shapes<'_>) -> u64 {
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|tensor| tensor.name()).collect();
    let mut inputs = graph.input.iter().map(|input| input.name()).filter(|name| !constants.contains(name));
    let leading = inputs.next().and_then(|name| of_sample.get(name)?.first()?.fixed());
    leading.map_or(1, |size| size.max(1) as u64)
}

/// A walk through the nodes in topological order.
struct Walk<'w, 'g> {
    graph: &'g GraphProto,
    index: &'w GraphIndex<'g>,
    constants: &'w Constants<'g>,
    /// Constants that belong to a layer already.
    claimed: BTreeSet<&'g str>,
    /// What is computed with trainable parameters.
    learned: BTreeSet<&'g str>,
    /// Scales and zero points that are computed from values.
    scales: BTreeSet<&'g str>,
    /// Nodes that are the bias of a layer before.
    biases: BTreeSet<usize>,
}

impl<'g> Walk<'_, 'g> {
    /// The layer that begins with a node, without its multiplications.
    fn layer(
        &mut self,
        position: usize,
        node: &'g NodeProto,
        shapes: &Shapes<'g>,
    ) -> Result<Option<LayerSummary>, Error> {
        let reader = Reader::of(node);
        let about_shapes = node.output.first().is_some_and(|output| shapes.is_about_shapes(output));
        if self.constants.is_constant_node(position) || about_shapes || self.biases.contains(&position) {
            return Ok(None);
        }
        let mut layer = LayerSummary {
            name: match (node.name(), node.output.iter().find(|output| !output.is_empty())) {
                ("", Some(output)) => output.clone(),
                (name, _) => name.to_owned(),
            },
            operator: node.op_type().to_owned(),
            output: None,
            weights: None,
            precision: None,
            trainable: 0,
            fixed: 0,
            macs: None,
            bytes: 0,
        };
        let read = |set: &BTreeSet<&str>| node.input.iter().any(|input| set.contains(input.as_str()));
        let (after_learned, by_scales) = (read(&self.learned), node.op_type() == "Mul" && read(&self.scales));
        for (place, input) in node.input.iter().enumerate() {
            let Some(constant) = self.constants.get(input) else { continue };
            let role = match by_scales {
                true => Role::Setting,
                false => reader.role(place, constant, after_learned),
            };
            self.claim(&mut layer, input, role);
        }
        let mut output = node.output.first().map_or("", String::as_str);
        if let Some((bias, add, sum)) = self.bias(node, output) {
            self.claim(&mut layer, bias, Role::Trainable);
            layer.operator = format!("{}+Add", layer.operator);
            self.biases.insert(add);
            output = sum;
        }
        self.follow(node, output, after_learned || layer.trainable > 0);
        if reader.converts() {
            return Ok(None);
        }
        layer.output = shapes.get(output).map(|shape| shape.iter().map(dim).collect());
        Ok(Some(layer))
    }

    /// Notes what a node's results are made of.
    fn follow(&mut self, node: &'g NodeProto, output: &'g str, learned: bool) {
        let results = node.output.iter().map(String::as_str);
        if node.op_type() == "DynamicQuantizeLinear" {
            self.scales.extend(results.clone().skip(1));
        }
        if learned {
            self.learned.extend(results.filter(|name| !name.is_empty()));
            self.learned.insert(output);
        }
    }

    /// The constant that an Add after a product without bias brings in, the position of the Add and its result.
    fn bias(&self, node: &NodeProto, product: &str) -> Option<(&'g str, usize, &'g str)> {
        let (true, [add]) = (node.op_type() == "MatMul", self.index.consumers(product)) else { return None };
        let (position, add) = (*add, &self.graph.node[*add]);
        let bias = match add.input.as_slice() {
            [a, b] if a == product => b,
            [a, b] if b == product => a,
            _ => return None,
        };
        let vector = self.constants.get(bias)?.elements > 1;
        let usable = add.op_type() == "Add" && vector && !self.index.is_graph_output(product);
        usable.then_some((bias.as_str(), position, add.output.first()?.as_str()))
    }

    /// Adds a constant to a layer, unless another has it.
    fn claim(&mut self, layer: &mut LayerSummary, name: &'g str, role: Role) {
        let Some(constant) = self.constants.get(name) else { return };
        if role != Role::Setting && layer.weights.is_none() {
            layer.weights = Some(constant.shape.clone());
            layer.precision = Some(constant.data_type);
        }
        if self.claimed.insert(constant.stored) {
            match role {
                Role::Trainable => layer.trainable = layer.trainable.saturating_add(constant.elements),
                Role::Fixed => layer.fixed = layer.fixed.saturating_add(constant.elements),
                Role::Setting => {}
            }
            layer.bytes = layer.bytes.saturating_add(constant.bytes);
        }
    }
}

fn dim(size: &Size<'_>) -> Dim {
    match *size {
        Size::Fixed(size) => Dim::Fixed(size),
        Size::Named(name) => Dim::Symbolic(name.to_owned()),
        Size::Unknown => Dim::Unknown,
    }
}

#[cfg(test)]
mod tests;

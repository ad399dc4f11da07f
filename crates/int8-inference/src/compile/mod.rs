//! From an ONNX graph to a plan: decide how each tensor is made, order the work, lay out the buffers.

mod blocked_weights;
mod buffers;
mod decide;
pub(crate) mod dense;
pub(crate) mod dense_dynamic;
pub(crate) mod dense_float;
mod elementwise;
mod forms;
pub(crate) mod graph;
mod integer_weights;
mod item;
mod lower;
mod probe;
mod product;
mod schedule;
mod shape;

use alloc::string::String;
use alloc::vec::Vec;

use kernels::Kernel;
use onnx_model::Model;

use crate::Error;
use crate::plan::Plan;
use graph::Graph;
use lower::{Demand, Lowering};
use schedule::Group;

/// What the compiler would fuse, for whoever decides where to quantize.
pub struct FusionHints<'a>(Graph<'a>);

impl<'a> FusionHints<'a> {
    /// Indexes a model.
    ///
    /// # Errors
    ///
    /// When its graph has cycles or produces a tensor twice.
    pub fn new(model: &'a Model) -> Result<Self, Error> {
        Ok(Self(Graph::new(model)?))
    }

    /// The tensor that `tensor` is a function of element by element, if there is one: quantize both, and what lies between becomes
    /// one table lookup.
    ///
    /// # Errors
    ///
    /// When a node on the way has an attribute of the wrong type.
    pub fn elementwise_source(&self, tensor: &'a str) -> Result<Option<&'a str>, Error> {
        Ok(elementwise::region(&self.0, tensor, |_| false)?
            .filter(|region| !region.function.is_identity())
            .map(|region| region.source))
    }
}

/// Compiles `model`; `taps` are tensors to return beside the graph's outputs.
pub(crate) fn compile(model: &Model, taps: &[String], kernel: &dyn Kernel) -> Result<Plan, Error> {
    let model = &*forms::qdq_form(model)?;
    let graph = Graph::new(model)?;
    let outputs: Vec<&str> = graph.proto.output.iter().map(|output| output.name()).collect();
    let mut wanted = outputs;
    for tap in taps {
        let known = graph
            .producer(tap)
            .and_then(|(_, node)| node.output.iter().find(|output| *output == tap))
            .map(String::as_str)
            .or_else(|| graph.proto.input.iter().map(|input| input.name()).find(|name| name == tap))
            .ok_or_else(|| Error::NoSuchTensor(tap.clone()))?;
        wanted.push(known);
    }
    let items = decide::decide(&graph, &wanted)?;
    let mut lowering = Lowering::new(&graph, model, kernel, Demand::new(&items, &wanted))?;
    for group in schedule::schedule(items) {
        match group {
            Group::Native(item) => lowering.native(item)?,
            Group::Float(nodes) => lowering.float(nodes)?,
        }
    }
    lowering.finish(&wanted)
}

//! Decides, tensor by tensor, how each is computed.

use std::collections::{HashMap, HashSet};

use onnx_model::proto::NodeProto;

use super::dense::match_dense;
use super::elementwise::{clip_bounds, region};
use super::graph::Graph;
use super::item::{Item, ItemKind};
use crate::Error;

/// The items that `wanted` tensors need, in no particular order.
///
/// One forward pass decides each node's outputs from its inputs alone, then a backward pass keeps what is reached; neither
/// recurses, so a hostile chain of a million nodes costs memory in proportion and no stack.
pub(crate) fn decide<'a>(graph: &Graph<'a>, wanted: &[&'a str]) -> Result<Vec<Item<'a>>, Error> {
    let mut decider = Decider::new(graph);
    let mut items: Vec<Option<Item<'a>>> = Vec::with_capacity(graph.proto.node.len());
    let mut made_by: HashMap<&'a str, usize> = HashMap::new();
    for &node in graph.index.order() {
        let item = decider.item(node)?;
        if item.is_native() {
            decider.native.extend(item.outputs.iter().copied());
        }
        made_by.extend(item.outputs.iter().map(|&output| (output, items.len())));
        items.push(Some(item));
    }
    let mut kept = Vec::new();
    let mut stack: Vec<&'a str> = wanted.to_vec();
    while let Some(tensor) = stack.pop() {
        let Some(item) = made_by.get(tensor).and_then(|&index| items[index].take()) else { continue };
        stack.extend(item.inputs.iter().copied());
        kept.push(item);
    }
    Ok(kept)
}

struct Decider<'g, 'a> {
    graph: &'g Graph<'a>,
    /// Tensors the engine computes or holds itself.
    native: HashSet<&'a str>,
}

impl<'g, 'a> Decider<'g, 'a> {
    fn new(graph: &'g Graph<'a>) -> Self {
        // A float model belongs to the float runtime as a whole; in a quantized one, or where there is no float runtime, the
        // work on the inputs is ours as well.
        let quantized = graph.proto.node.iter().any(|node| node.op_type() == "QuantizeLinear");
        let inputs = graph.proto.input.iter().map(|input| input.name());
        let native = if quantized || cfg!(not(feature = "float")) {
            inputs.filter(|name| graph.index.initializer(name).is_none()).collect()
        } else {
            HashSet::new()
        };
        Self { graph, native }
    }

    fn item(&self, index: usize) -> Result<Item<'a>, Error> {
        let node = &self.graph.proto.node[index];
        let native = match (node.domain(), node.output.as_slice()) {
            ("" | "ai.onnx", [output]) => match node.op_type() {
                "QuantizeLinear" => self.quantized(node, output)?,
                "DequantizeLinear" => self
                    .graph
                    .dequantized(output)?
                    .map(|dequantize| one(dequantize.input, output, ItemKind::Dequantize(dequantize.params))),
                _ => self.float(node, output)?,
            },
            _ => None,
        };
        Ok(native.unwrap_or_else(|| Item {
            inputs: self.graph.reads(index).filter(|name| !self.graph.is_constant(name)).collect(),
            outputs: node.output.iter().map(String::as_str).filter(|name| !name.is_empty()).collect(),
            kind: ItemKind::Onnx(index),
        }))
    }

    /// How a QuantizeLinear node's result is made, with as much as possible of what precedes it fused in.
    fn quantized(&self, node: &'a NodeProto, output: &'a str) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        let (Some(params), Some(real)) = (graph.quant_params(node)?, node.input.first()) else { return Ok(None) };
        if graph.is_constant(real) {
            return Ok(None);
        }
        if let Some((input, dense)) = match_dense(graph, real, Some(params))? {
            return Ok(Some(one(input, output, ItemKind::Dense(dense))));
        }
        if let Some((_, reshape)) = graph.producer(real).filter(|(_, node)| is_reshape(graph, node))
            && let Some(inner) = graph.dequantized(&reshape.input[0])?
            && inner.params == params
        {
            return Ok(Some(one(inner.input, output, ItemKind::Reshape(reshape))));
        }
        if let Some(region) = region(graph, real)?
            && let Some(inner) = graph.dequantized(region.source)?
        {
            let kind = ItemKind::Lookup { function: region.function, from: inner.params, params };
            return Ok(Some(one(inner.input, output, kind)));
        }
        if let Some(item) = self.quantized_add(real, output, params)? {
            return Ok(Some(item));
        }
        Ok(Some(one(real, output, ItemKind::Quantize(params))))
    }

    /// Add of two dequantized tensors, with Relu or Clip behind it.
    fn quantized_add(
        &self,
        real: &'a str,
        output: &'a str,
        params: crate::QuantParams,
    ) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        let Some((_, mut node)) = graph.producer(real) else { return Ok(None) };
        let mut clamp = (f32::NEG_INFINITY, f32::INFINITY);
        if matches!(node.op_type(), "Relu" | "Clip") {
            clamp = match node.op_type() {
                "Relu" => (0.0, f32::INFINITY),
                _ => match clip_bounds(graph, node)? {
                    Some(bounds) => bounds,
                    None => return Ok(None),
                },
            };
            let Some((_, inner)) = node.input.first().and_then(|input| graph.producer(input)) else { return Ok(None) };
            node = inner;
        }
        let ("Add", [a, b]) = (node.op_type(), node.input.as_slice()) else { return Ok(None) };
        let (Some(a), Some(b)) = (graph.dequantized(a)?, graph.dequantized(b)?) else { return Ok(None) };
        let kind = ItemKind::Add { from: [a.params, b.params], params, clamp };
        Ok(Some(Item { inputs: vec![a.input, b.input], outputs: vec![output], kind }))
    }

    /// How a float tensor is made, where the engine makes it itself.
    fn float(&self, node: &'a NodeProto, output: &'a str) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        if let Some((input, dense)) = match_dense(graph, output, None)? {
            return Ok(Some(one(input, output, ItemKind::Dense(dense))));
        }
        let Some(first) = node.input.first() else { return Ok(None) };
        if is_reshape(graph, node) {
            return Ok(self.native.contains(first.as_str()).then(|| one(first, output, ItemKind::Reshape(node))));
        }
        if node.op_type() == "Softmax" {
            return Ok(self.native.contains(first.as_str()).then(|| one(first, output, ItemKind::Softmax(node))));
        }
        if let Some(region) = region(graph, output)?
            && !region.function.is_identity()
            && self.native.contains(region.source)
        {
            return Ok(Some(one(region.source, output, ItemKind::Map(region.function))));
        }
        if let ("Add", [a, b]) = (node.op_type(), node.input.as_slice())
            && self.native.contains(a.as_str())
            && self.native.contains(b.as_str())
        {
            return Ok(Some(Item { inputs: vec![a, b], outputs: vec![output], kind: ItemKind::AddFloat }));
        }
        Ok(None)
    }
}

fn one<'a>(input: &'a str, output: &'a str, kind: ItemKind<'a>) -> Item<'a> {
    Item { inputs: vec![input], outputs: vec![output], kind }
}

/// Flatten, or Reshape to a constant shape.
fn is_reshape(graph: &Graph<'_>, node: &NodeProto) -> bool {
    match node.op_type() {
        "Flatten" => !node.input.is_empty(),
        "Reshape" => node.input.get(1).is_some_and(|shape| graph.is_constant(shape)),
        _ => false,
    }
}

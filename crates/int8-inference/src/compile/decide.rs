//! Decides, tensor by tensor, how each is computed.

use std::collections::HashMap;

use onnx_model::ValueInfo;
use onnx_model::proto::NodeProto;

use super::dense::match_dense;
use super::elementwise::{clip_bounds, region};
use super::graph::{Graph, op};
use super::item::{Item, ItemKind};
use super::shape;
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
            let sample = decider.sample_after(&item);
            decider.native.extend(item.outputs.iter().map(|&output| (output, sample.clone())));
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
    /// Tensors the engine computes or holds itself, with the shape of one sample where the file tells it. What follows from a float
    /// region has no known shape yet.
    native: HashMap<&'a str, Option<Vec<usize>>>,
}

impl<'g, 'a> Decider<'g, 'a> {
    fn new(graph: &'g Graph<'a>) -> Self {
        // A float model belongs to the float runtime as a whole; in a quantized one, or where there is no float runtime, the
        // work on the inputs is ours as well.
        let quantized = graph.proto.node.iter().any(|node| op(node) == "QuantizeLinear");
        let inputs = graph.proto.input.iter().filter(|input| graph.index.initializer(input.name()).is_none());
        let native = if quantized || cfg!(not(feature = "float")) {
            let sample = |input| ValueInfo::from(input).shape.as_deref().and_then(shape::fixed_sample);
            inputs.map(|input| (input.name(), sample(input))).collect()
        } else {
            HashMap::new()
        };
        Self { graph, native }
    }

    fn is_native(&self, tensor: &str) -> bool {
        self.native.contains_key(tensor)
    }

    fn sample(&self, tensor: &str) -> Option<&[usize]> {
        self.native.get(tensor)?.as_deref()
    }

    /// Whether samples of both tensors are known to have one shape.
    fn same_shape(&self, a: &str, b: &str) -> bool {
        self.sample(a).is_some_and(|sample| self.sample(b) == Some(sample))
    }

    /// Shape of a sample of what the item makes.
    fn sample_after(&self, item: &Item<'a>) -> Option<Vec<usize>> {
        let mut sample = self.sample(item.inputs.first()?)?.to_vec();
        match &item.kind {
            ItemKind::Reshape(node) => shape::reshaped(self.graph, node, &sample).ok(),
            ItemKind::Dense(dense) => {
                *sample.last_mut()? = dense.outputs(self.graph)?;
                Some(sample)
            }
            _ => Some(sample),
        }
    }

    /// Whether a Flatten or Reshape of `tensor` is known to leave the batch alone.
    fn is_plain_reshape(&self, node: &NodeProto, tensor: &str) -> bool {
        self.sample(tensor).is_some_and(|sample| shape::reshaped(self.graph, node, sample).is_ok())
    }

    fn item(&self, index: usize) -> Result<Item<'a>, Error> {
        let node = &self.graph.proto.node[index];
        let native = match node.output.as_slice() {
            [output] => match op(node) {
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
            && self.is_plain_reshape(reshape, inner.input)
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
        if matches!(op(node), "Relu" | "Clip") {
            clamp = match op(node) {
                "Relu" => (0.0, f32::INFINITY),
                _ => match clip_bounds(graph, node)? {
                    Some(bounds) => bounds,
                    None => return Ok(None),
                },
            };
            let Some((_, inner)) = node.input.first().and_then(|input| graph.producer(input)) else { return Ok(None) };
            node = inner;
        }
        let ("Add", [a, b]) = (op(node), node.input.as_slice()) else { return Ok(None) };
        let (Some(a), Some(b)) = (graph.dequantized(a)?, graph.dequantized(b)?) else { return Ok(None) };
        if !self.same_shape(a.input, b.input) {
            return Ok(None);
        }
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
            return Ok(self.is_plain_reshape(node, first).then(|| one(first, output, ItemKind::Reshape(node))));
        }
        if op(node) == "Softmax" {
            let axis = node.attr_int("axis", if graph.opset >= 13 { -1 } else { 1 })?;
            let last = self.sample(first).is_some_and(|sample| axis == -1 || axis == sample.len() as i64);
            return Ok(last.then(|| one(first, output, ItemKind::Softmax)));
        }
        if let Some(region) = region(graph, output)?
            && !region.function.is_identity()
            && self.is_native(region.source)
        {
            return Ok(Some(one(region.source, output, ItemKind::Map(region.function))));
        }
        if let ("Add", [a, b]) = (op(node), node.input.as_slice())
            && self.same_shape(a, b)
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
    match op(node) {
        "Flatten" => !node.input.is_empty(),
        "Reshape" => node.input.get(1).is_some_and(|shape| graph.is_constant(shape)),
        _ => false,
    }
}

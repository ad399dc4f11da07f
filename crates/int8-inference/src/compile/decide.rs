//! Decides, tensor by tensor, how each is computed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::proto::NodeProto;
use onnx_model::{DataType, TensorData, ValueInfo};

use super::dense::{DensePattern, match_dense};
use super::dense_dynamic::match_dense_dynamic;
use super::dense_float::{is_bias, match_dense_float};
use super::elementwise::{Region, clip_bounds, region};
use super::graph::{Dequantize, Graph, op};
use super::item::{Item, ItemKind};
use super::shape;
use crate::operators::Operator;
use crate::{Error, QuantParams};

/// The items that `wanted` tensors need, in no particular order.
///
/// One forward pass decides each node's outputs from its inputs alone, then a backward pass keeps what is reached; neither
/// recurses, so a hostile chain of a million nodes costs memory in proportion and no stack.
pub(crate) fn decide<'a>(graph: &Graph<'a>, wanted: &[&'a str]) -> Result<Vec<Item<'a>>, Error> {
    let mut decider = Decider::new(graph, wanted);
    let mut natives: BTreeMap<usize, Item<'a>> = BTreeMap::new();
    for &node in graph.index.order() {
        if let Some(item) = decider.item(node)? {
            decider.made(&item);
            natives.insert(node, item);
        }
    }
    let mut reached = reach(graph, &natives, wanted);
    if !decider.quantized && reached.iter().any(|node| !natives.contains_key(node)) {
        // In a float model that needs the float runtime, the engine takes what its dense layers need; the rest is better off in one
        // piece over there.
        let layers = reached.iter().filter_map(|node| natives.get(node));
        let layers = layers.filter(|item| {
            matches!(item.kind, ItemKind::DenseFloat(_) | ItemKind::DenseDynamic(_) | ItemKind::Operator(..))
        });
        let results: Vec<&'a str> = layers.flat_map(|item| item.outputs.iter().copied()).collect();
        let needed: BTreeSet<usize> = reach(graph, &natives, &results).into_iter().collect();
        natives.retain(|node, _| needed.contains(node));
        reached = reach(graph, &natives, wanted);
    }
    Ok(reached.into_iter().map(|node| natives.remove(&node).unwrap_or_else(|| float_runtime(graph, node))).collect())
}

/// The nodes whose items are needed for `wanted`, each once.
fn reach<'a>(graph: &Graph<'a>, natives: &BTreeMap<usize, Item<'a>>, wanted: &[&'a str]) -> Vec<usize> {
    let mut reached = Vec::new();
    let mut seen = BTreeSet::new();
    let mut stack: Vec<&'a str> = wanted.to_vec();
    while let Some(tensor) = stack.pop() {
        let Some((node, _)) = graph.producer(tensor).filter(|(node, _)| seen.insert(*node)) else { continue };
        match natives.get(&node) {
            Some(item) => stack.extend(&item.inputs),
            None => stack.extend(graph.reads(node).filter(|name| !graph.is_known(name))),
        }
        reached.push(node);
    }
    reached
}

/// The item of a node that the engine has no step for.
fn float_runtime<'a>(graph: &Graph<'a>, index: usize) -> Item<'a> {
    let node = &graph.proto.node[index];
    Item {
        inputs: graph.reads(index).filter(|name| !graph.is_known(name)).collect(),
        outputs: node.output.iter().map(String::as_str).filter(|name| !name.is_empty()).collect(),
        kind: ItemKind::Onnx(index),
    }
}

struct Decider<'g, 'a> {
    graph: &'g Graph<'a>,
    wanted: BTreeSet<&'a str>,
    quantized: bool,
    /// Tensors the engine computes or holds itself, with the shape of one sample where the file tells it. What follows from a float
    /// region has no known shape yet.
    native: BTreeMap<&'a str, Option<Vec<usize>>>,
    /// Those of them that are 8-bit integers in a buffer.
    bytes: BTreeSet<&'a str>,
    /// Tensors that are only known as a whole: of other types than f32, or made by a quantization operator.
    whole: BTreeSet<&'a str>,
    /// Those of them that are elementwise functions in f32.
    maps: BTreeSet<&'a str>,
}

impl<'g, 'a> Decider<'g, 'a> {
    fn new(graph: &'g Graph<'a>, wanted: &[&'a str]) -> Self {
        let quantized = graph.proto.node.iter().any(|node| op(node) == "QuantizeLinear");
        let is_whole = |input: &ValueInfo| {
            input.element_type != DataType::Float || input.shape.as_ref().is_some_and(Vec::is_empty)
        };
        let whole = graph.inputs().filter(|(_, input)| is_whole(input)).map(|(name, _)| name).collect();
        let inputs = graph.inputs().filter(|(_, input)| !is_whole(input));
        // Without a float runtime to leave it to, an input of unknown shape is refused by name when it is laid out.
        let anyway = quantized || cfg!(not(feature = "float"));
        let native = inputs
            .map(|(name, input)| (name, input.shape.as_deref().and_then(shape::fixed_sample)))
            .filter(|(_, sample)| anyway || sample.is_some())
            .collect();
        Self {
            graph,
            wanted: wanted.iter().copied().collect(),
            quantized,
            native,
            bytes: BTreeSet::new(),
            whole,
            maps: BTreeSet::new(),
        }
    }

    /// Takes note of what an item of the engine makes.
    fn made(&mut self, item: &Item<'a>) {
        let bytes = match &item.kind {
            ItemKind::Operator(..) => {
                self.whole.extend(&item.outputs);
                return;
            }
            ItemKind::Quantize(_) | ItemKind::Lookup { .. } | ItemKind::Add { .. } | ItemKind::AddRow { .. } => true,
            ItemKind::Dense(dense) => dense.output.is_some(),
            ItemKind::Reshape(_) => item.inputs.iter().all(|input| self.bytes.contains(input)),
            _ => false,
        };
        if bytes {
            self.bytes.extend(&item.outputs);
        }
        let sample = self.sample_after(item);
        self.native.extend(item.outputs.iter().map(|&output| (output, sample.clone())));
        if matches!(item.kind, ItemKind::Map(_)) {
            self.maps.extend(&item.outputs);
        }
    }

    /// Whether one node alone reads the tensor, so that it need not exist where that node's work includes its own.
    fn is_inner(&self, tensor: &str) -> bool {
        self.graph.index.consumers(tensor).len() == 1 && !self.wanted.contains(tensor)
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
            ItemKind::DenseFloat(dense) => {
                *sample.last_mut()? = dense.n;
                Some(sample)
            }
            ItemKind::DenseDynamic(dense) => {
                *sample.last_mut()? = dense.n;
                Some(sample)
            }
            _ => Some(sample),
        }
    }

    /// Whether a Flatten or Reshape of `tensor` is known to leave the batch alone.
    fn is_plain_reshape(&self, node: &NodeProto, tensor: &str) -> bool {
        self.sample(tensor).is_some_and(|sample| shape::reshaped(self.graph, node, sample).is_ok())
    }

    /// How the engine makes the node's result, if it does.
    fn item(&self, index: usize) -> Result<Option<Item<'a>>, Error> {
        let node = &self.graph.proto.node[index];
        let fused = match (op(node), node.output.as_slice()) {
            ("QuantizeLinear", [output]) => self.quantized(node, output)?,
            ("DequantizeLinear", [output]) => self
                .dequantized(output)?
                .map(|dequantize| one(dequantize.input, output, ItemKind::Dequantize(dequantize.params))),
            (_, [output]) => self.float(node, output)?,
            _ => None,
        };
        match fused {
            Some(item) => Ok(Some(item)),
            None => self.operator(index),
        }
    }

    /// The node as a quantization operator on whole tensors, if it is one and not just a constant in another form.
    fn operator(&self, index: usize) -> Result<Option<Item<'a>>, Error> {
        let node = &self.graph.proto.node[index];
        if node.output.first().is_some_and(|output| self.graph.is_known(output)) {
            return Ok(None);
        }
        let Some(operator) = Operator::of(node)? else { return Ok(None) };
        let kind = ItemKind::Operator(index, operator);
        Ok(Some(Item { kind, ..float_runtime(self.graph, index) }))
    }

    /// The tensor as what a DequantizeLinear node makes of integers in a buffer.
    fn dequantized(&self, tensor: &str) -> Result<Option<Dequantize<'a>>, Error> {
        Ok(self.graph.dequantized(tensor)?.filter(|inner| self.bytes.contains(inner.input)))
    }

    /// A quantized dense layer whose result is `tensor`, on integers in a buffer.
    fn dense(
        &self,
        tensor: &'a str,
        output: Option<QuantParams>,
    ) -> Result<Option<(&'a str, DensePattern<'a>)>, Error> {
        Ok(match_dense(self.graph, tensor, output)?.filter(|(input, _)| self.bytes.contains(input)))
    }

    /// How a QuantizeLinear node's result is made, with as much as possible of what precedes it fused in.
    fn quantized(&self, node: &'a NodeProto, output: &'a str) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        let (Some(params), Some(real)) = (graph.quant_params(node)?, node.input.first()) else { return Ok(None) };
        if graph.is_known(real) || self.whole.contains(real.as_str()) {
            return Ok(None);
        }
        if let Some((input, dense)) = self.dense(real, Some(params))? {
            return Ok(Some(one(input, output, ItemKind::Dense(dense))));
        }
        if let Some((_, reshape)) = graph.producer(real).filter(|(_, node)| is_reshape(graph, node))
            && let Some(inner) = self.dequantized(&reshape.input[0])?
            && inner.params == params
            && self.is_plain_reshape(reshape, inner.input)
        {
            return Ok(Some(one(inner.input, output, ItemKind::Reshape(reshape))));
        }
        if let Some(region) = region(graph, real, |_| false)?
            && let Some(inner) = self.dequantized(region.source)?
        {
            let kind = ItemKind::Lookup { function: region.function, from: inner.params, params };
            return Ok(Some(one(inner.input, output, kind)));
        }
        if let Some(item) = self.quantized_add(real, output, params)? {
            return Ok(Some(item));
        }
        Ok(Some(one(real, output, ItemKind::Quantize(params))))
    }

    /// Add of two dequantized tensors, one of them maybe a constant, with Relu or Clip behind it.
    fn quantized_add(&self, real: &'a str, output: &'a str, params: QuantParams) -> Result<Option<Item<'a>>, Error> {
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
        let (a, b) = match (self.dequantized(a)?, self.dequantized(b)?) {
            (Some(a), Some(b)) => (a, b),
            (Some(computed), None) => return self.add_row(computed, b, output, params, clamp),
            (None, Some(computed)) => return self.add_row(computed, a, output, params, clamp),
            (None, None) => return Ok(None),
        };
        if !self.same_shape(a.input, b.input) {
            return Ok(None);
        }
        let kind = ItemKind::Add { from: [a.params, b.params], params, clamp };
        Ok(Some(Item { inputs: vec![a.input, b.input], outputs: vec![output], kind }))
    }

    /// Sum of a dequantized tensor and a dequantized constant that has a value for each index of the last axis.
    fn add_row(
        &self,
        computed: Dequantize<'a>,
        constant: &str,
        output: &'a str,
        params: QuantParams,
        clamp: (f32, f32),
    ) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        let Some(node) = graph.constant_dequantize(constant) else { return Ok(None) };
        let (Some(row_params), Some(sample)) = (graph.quant_params(node)?, self.sample(computed.input)) else {
            return Ok(None);
        };
        let Some(values) = node.input.first().and_then(|name| graph.constant(name)) else { return Ok(None) };
        let row = match values.data {
            TensorData::U8(values) if !row_params.signed => values,
            TensorData::I8(values) if row_params.signed => values.into_iter().map(|value| value as u8 ^ 0x80).collect(),
            _ => return Ok(None),
        };
        if sample.last() != Some(&row.len()) || !is_bias(&values.shape, sample.len() + 1, row.len()) {
            return Ok(None);
        }
        let kind = ItemKind::AddRow { from: [computed.params, row_params], row, params, clamp };
        Ok(Some(one(computed.input, output, kind)))
    }

    /// How a float tensor is made, where the engine makes it itself.
    fn float(&self, node: &'a NodeProto, output: &'a str) -> Result<Option<Item<'a>>, Error> {
        let graph = self.graph;
        if let Some((input, dense)) = self.dense(output, None)? {
            return Ok(Some(one(input, output, ItemKind::Dense(dense))));
        }
        let found = match_dense_float(graph, output, |name| self.sample(name), |name| self.is_inner(name))?;
        if let Some((input, dense)) = found {
            return Ok(Some(one(input, output, ItemKind::DenseFloat(dense))));
        }
        let found = match_dense_dynamic(graph, output, |name| self.sample(name), |name| self.is_inner(name))?;
        if let Some((input, dense)) = found {
            return Ok(Some(one(input, output, ItemKind::DenseDynamic(dense))));
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
        if let Some(region) = self.map(output)? {
            return Ok(Some(one(region.source, output, ItemKind::Map(region.function))));
        }
        if let ("Add", [a, b]) = (op(node), node.input.as_slice())
            && self.same_shape(a, b)
        {
            return Ok(Some(Item { inputs: vec![a, b], outputs: vec![output], kind: ItemKind::AddFloat }));
        }
        Ok(None)
    }

    /// The float tensor as an elementwise function of another that the engine has.
    fn map(&self, output: &'a str) -> Result<Option<Region<'a>>, Error> {
        let usable = |region: &Region<'_>| {
            let rank = self.sample(region.source).map(|sample| sample.len() + 1);
            !region.function.is_identity()
                && self.is_native(region.source)
                && rank.is_none_or(|rank| region.constant_rank <= rank)
        };
        // What is computed anyway is not computed again, and a chain too long for one expression is several.
        let exists = |name: &str| self.is_native(name) && !(self.maps.contains(name) && self.is_inner(name));
        let longest = region(self.graph, output, |name| name != output && exists(name))?;
        match longest.filter(usable) {
            Some(region) => Ok(Some(region)),
            None => Ok(region(self.graph, output, |name| name != output && self.is_native(name))?.filter(usable)),
        }
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

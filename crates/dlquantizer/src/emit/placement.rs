//! Decides which activations are quantized, and how.

use std::collections::{BTreeMap, HashMap, HashSet};

use int8_inference::FusionHints;
use onnx_model::Model;
use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};

use crate::constants::is_constant;
use crate::node::operator;
use crate::{Calibration, Error, Layer, LayerRecipe, Precision, QuantParams, Recipe, TensorRecord};

/// Parameters of every activation to quantize, by tensor.
///
/// What a quantized layer reads is quantized, and from there backwards what makes that tensor out of another layer's result without
/// leaving 8 bits: through reshapes (with the same parameters), elementwise functions (as tables) and residual sums.
pub(crate) fn activations(
    model: &Model,
    layers: &[(&Layer, LayerRecipe)],
    recipe: &Recipe,
    calibration: &Calibration,
) -> Result<BTreeMap<String, QuantParams>, Error> {
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let hints = FusionHints::new(model)?;
    let int8 = || layers.iter().filter(|(_, choice)| choice.precision == Precision::Int8);
    let makers: HashMap<&str, &LayerRecipe> =
        layers.iter().map(|(layer, choice)| (layer.output.as_str(), choice)).collect();
    let int8_makes = |tensor: &str| makers.get(tensor).is_some_and(|choice| choice.precision == Precision::Int8);
    let records: HashMap<&str, &TensorRecord> =
        calibration.tensors().iter().map(|record| (record.name.as_str(), record)).collect();
    let choose = |tensor: &str| -> Result<QuantParams, Error> {
        // A reshape changes nothing about the values: all forms of a tensor share the parameters of the first.
        let mut first = tensor;
        while let Some(node) = index.producer(first).map(|producer| &graph.node[producer])
            && let Some(source) = reshaped(graph, &index, node)
        {
            first = source;
        }
        let method = makers.get(first).map_or(recipe.range, |choice| choice.range);
        let record = records.get(first);
        record
            .and_then(|record| method.quant_params(&record.statistics, recipe.activations.into(), recipe.scheme))
            .ok_or_else(|| Error::NotCalibrated(first.to_owned()))
    };
    // Everything that can be had in 8 bits: what int8 layers read and make, and what follows from that alone.
    let mut eight_bit: HashSet<&str> =
        int8().flat_map(|(layer, _)| [layer.input.as_str(), layer.output.as_str()]).collect();
    for &position in index.order() {
        let node = &graph.node[position];
        for output in &node.output {
            let follows = match step(graph, &index, &hints, node, output)? {
                Step::Reshape(source) => eight_bit.contains(source),
                Step::From(sources) => sources.iter().all(|source| eight_bit.contains(source)),
                Step::Other => false,
            };
            if follows {
                eight_bit.insert(output);
            }
        }
    }
    let mut params: BTreeMap<String, QuantParams> = BTreeMap::new();
    let mut queue: Vec<&str> = int8().map(|(layer, _)| layer.input.as_str()).collect();
    while let Some(tensor) = queue.pop() {
        if params.contains_key(tensor) {
            continue;
        }
        params.insert(tensor.to_owned(), choose(tensor)?);
        let Some(node) = index.producer(tensor).map(|producer| &graph.node[producer]) else { continue };
        if int8_makes(tensor) {
            continue;
        }
        match step(graph, &index, &hints, node, tensor)? {
            Step::Reshape(source) => queue.push(source),
            Step::From(sources) if sources.iter().all(|source| eight_bit.contains(source)) => queue.extend(sources),
            Step::From(_) | Step::Other => {}
        }
    }
    Ok(params)
}

/// How a tensor follows from others without leaving 8 bits.
enum Step<'a> {
    /// The same values in another shape.
    Reshape(&'a str),
    /// A sum of two tensors, with Relu or Clip behind it, or an elementwise function of one.
    From(Vec<&'a str>),
    Other,
}

fn step<'a>(
    graph: &'a GraphProto,
    index: &GraphIndex<'a>,
    hints: &FusionHints<'a>,
    node: &'a NodeProto,
    tensor: &str,
) -> Result<Step<'a>, Error> {
    if let Some(source) = reshaped(graph, index, node) {
        return Ok(Step::Reshape(source));
    }
    let sum = match (operator(node), node.input.first()) {
        ("Relu" | "Clip", Some(inner)) => index.producer(inner).map(|producer| &graph.node[producer]),
        _ => Some(node),
    };
    if let Some(sum) = sum.filter(|sum| operator(sum) == "Add")
        && let [a, b] = sum.input.as_slice()
        && !is_constant(graph, index, a)
        && !is_constant(graph, index, b)
    {
        return Ok(Step::From(vec![a, b]));
    }
    let output = node.output.iter().find(|output| *output == tensor);
    let source = output.map(|output| hints.elementwise_source(output)).transpose()?.flatten();
    Ok(source.map_or(Step::Other, |source| Step::From(vec![source])))
}

/// What a Flatten, or a Reshape to a constant shape, gives another shape.
fn reshaped<'a>(graph: &GraphProto, index: &GraphIndex<'_>, node: &'a NodeProto) -> Option<&'a str> {
    match (operator(node), node.input.as_slice()) {
        ("Flatten", [source]) => Some(source),
        ("Reshape", [source, shape]) if is_constant(graph, index, shape) => Some(source),
        _ => None,
    }
}

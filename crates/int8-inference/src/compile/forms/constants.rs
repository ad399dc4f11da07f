//! Weights that are kept in float and quantized when the model runs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use onnx_model::Tensor;
use onnx_model::graph::{GraphIndex, describe};
use onnx_model::proto::GraphProto;

use super::super::graph::op;
use crate::Error;
use crate::operators::{Operands, Operator};

/// The graph with QuantizeLinear of constants computed; `None` if there is none.
pub(super) fn quantized(graph: &GraphProto) -> Result<Option<GraphProto>, Error> {
    if !graph.node.iter().any(|node| op(node) == "QuantizeLinear") {
        return Ok(None);
    }
    let index = GraphIndex::new(graph)?;
    let is_constant = |name: &str| {
        let made = index.producer(name).map(|at| &graph.node[at]);
        index.initializer(name).is_some() || made.is_some_and(|node| op(node) == "Constant")
    };
    let mut values: BTreeMap<usize, Tensor> = BTreeMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        if op(node) != "QuantizeLinear" || !node.input.iter().all(|name| name.is_empty() || is_constant(name)) {
            continue;
        }
        let Some(operator) = Operator::of(node)? else { continue };
        let mut operands = Vec::with_capacity(node.input.len());
        for name in &node.input {
            operands.push(index.constant(name)?);
        }
        let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
        let invalid = |reason| Error::Invalid { node: describe(node), reason };
        if let (Some(value), Some(name)) =
            (operator.run(&Operands(&operands)).map_err(invalid)?.pop(), node.output.first())
        {
            values.insert(at, Tensor { name: name.clone(), ..value });
        }
    }
    if values.is_empty() {
        return Ok(None);
    }
    let mut graph = graph.clone();
    let mut at = 0;
    graph.node.retain(|_| {
        at += 1;
        !values.contains_key(&(at - 1))
    });
    graph.initializer.extend(values.values().map(Tensor::to_proto));
    Ok(Some(graph))
}

//! Turns MatMul, and MatMul followed by a constant Add, into Gemm.

use std::collections::HashSet;

use onnx_model::graph::{GraphIndex, node};
use onnx_model::{Model, Shapes};

use super::Origins;
use crate::Error;
use crate::constants::float_shape;
use crate::layers::bias_operand;
use crate::node::{node_name, only_output, operator};

/// Gemm without its bias operand needs this opset.
const OPTIONAL_BIAS_OPSET: i64 = 11;

/// Rewrites every MatMul of a matrix and constant weights; the Add of a constant vector behind it becomes the bias.
pub(crate) fn from_matmul(model: &mut Model, origins: &mut Origins) -> Result<(), Error> {
    let opset = model.opset();
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let shapes = Shapes::of(graph, &index)?;
    let mut rewritten = Vec::new();
    let mut dropped: HashSet<usize> = HashSet::new();
    for (position, matmul) in graph.node.iter().enumerate().filter(|(_, node)| operator(node) == "MatMul") {
        let ([input, weights], Some(product)) = (matmul.input.as_slice(), only_output(matmul)) else { continue };
        if shapes.rank(input) != Some(2) || float_shape(&index, input)?.is_some() {
            continue;
        }
        let shape = float_shape(&index, weights)?.and_then(|shape| <[usize; 2]>::try_from(shape).ok());
        let Some([_, n]) = shape else { continue };
        let name = node_name(matmul);
        let add = match index.consumers(product) {
            [reader] if !index.is_graph_output(product) && operator(&graph.node[*reader]) == "Add" => Some(*reader),
            _ => None,
        };
        let bias = match add {
            Some(add) => {
                let bias = bias_operand(&index, &graph.node[add].input, product, n)?;
                bias.zip(only_output(&graph.node[add])).map(|(bias, result)| (add, bias, result))
            }
            None => None,
        };
        match bias {
            Some((add, bias, result)) => {
                origins.set(result, vec![name.clone(), node_name(&graph.node[add])]);
                rewritten.push((add, node("Gemm", &name, &[input, weights, bias], &[result])));
                dropped.insert(position);
            }
            None if opset >= OPTIONAL_BIAS_OPSET => {
                rewritten.push((position, node("Gemm", &name, &[input, weights], &[product])));
            }
            None => {}
        }
    }
    let graph = model.graph_mut();
    for (position, gemm) in rewritten {
        graph.node[position] = gemm;
    }
    let mut position = 0..;
    graph.node.retain(|_| position.next().is_none_or(|position| !dropped.contains(&position)));
    Ok(())
}

//! Turns MatMul, and MatMul followed by a constant Add, into Gemm.

use std::collections::HashSet;

use onnx_model::Model;
use onnx_model::graph::{GraphIndex, node};

use super::edit::float_constant;
use super::{Origins, ranks};
use crate::Error;
use crate::layers::node_name;

/// Gemm without its bias operand needs this opset.
const OPTIONAL_BIAS_OPSET: i64 = 11;

/// Rewrites every MatMul of a matrix and constant weights; the Add of a constant vector behind it becomes the bias.
pub(crate) fn from_matmul(model: &mut Model, origins: &mut Origins) -> Result<(), Error> {
    let opset = model.opset();
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let ranks = ranks(graph, &index);
    let mut rewritten = Vec::new();
    let mut dropped: HashSet<usize> = HashSet::new();
    for (position, matmul) in graph.node.iter().enumerate().filter(|(_, node)| node.op_type() == "MatMul") {
        let ([input, weights], [product]) = (matmul.input.as_slice(), matmul.output.as_slice()) else { continue };
        if ranks.get(input.as_str()) != Some(&2) || index.constant(input)?.is_some() {
            continue;
        }
        let Some([_, n]) = float_constant(&index, weights)?.and_then(|(shape, _)| <[usize; 2]>::try_from(shape).ok())
        else {
            continue;
        };
        let name = node_name(matmul);
        let add = match index.consumers(product) {
            [reader] if !index.is_graph_output(product) && graph.node[*reader].op_type() == "Add" => Some(*reader),
            _ => None,
        };
        let bias = match add {
            Some(add) => vector_operand(&index, &graph.node[add].input, product, n)?.map(|bias| (add, bias)),
            None => None,
        };
        match bias {
            Some((add, bias)) => {
                let add_node = &graph.node[add];
                let result = add_node.output[0].as_str();
                origins.set(result, vec![name.clone(), node_name(add_node)]);
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
    let mut position = 0;
    graph.node.retain(|_| {
        position += 1;
        !dropped.contains(&(position - 1))
    });
    Ok(())
}

/// The other operand of an Add if it is a constant vector of `n` elements; Gemm broadcasts no higher rank.
fn vector_operand<'a>(
    index: &GraphIndex<'_>,
    operands: &'a [String],
    product: &str,
    n: usize,
) -> Result<Option<&'a str>, Error> {
    let other = match operands {
        [a, b] if a == product => b,
        [a, b] if b == product => a,
        _ => return Ok(None),
    };
    Ok(match float_constant(index, other)? {
        Some((shape, _)) if shape == [n] || shape == [1, n] => Some(other),
        _ => None,
    })
}

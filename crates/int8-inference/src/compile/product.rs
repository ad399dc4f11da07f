//! Finds the matrix product behind a tensor, with the bias, Relu and Clip that a kernel takes along.

use alloc::string::String;

use onnx_model::proto::NodeProto;

use super::elementwise::clip_bounds;
use super::graph::{Graph, op};
use crate::Error;

/// Most Relu and Clip behind a product that a kernel takes along; those behind them are steps of their own.
///
/// The walk from a tensor back to its product is made anew for each tensor, so that without an end it would take a file's chain of operators
/// quadratic time. Exporters write one, or a Relu and a Clip.
pub(super) const MAX_CLAMPS: usize = 8;

/// Gemm without scaling, MatMul or MatMul + Add, with Relu and Clip behind it.
pub(crate) struct Product<'a> {
    /// The Gemm or MatMul.
    pub(crate) node: &'a NodeProto,
    pub(crate) input: &'a str,
    pub(crate) weights: &'a str,
    /// Whether the weights lie as `[outputs, inputs]`.
    pub(crate) transposed: bool,
    pub(crate) bias: Option<&'a str>,
    /// Real interval that Relu and Clip leave.
    pub(crate) clamp: (f32, f32),
}

/// Matches a product whose result is `tensor`. `passes` says of a tensor in between whether the match may go on behind it.
pub(crate) fn match_product<'a>(
    graph: &Graph<'a>,
    tensor: &'a str,
    passes: impl Fn(&str) -> bool,
) -> Result<Option<Product<'a>>, Error> {
    let mut clamp = (f32::NEG_INFINITY, f32::INFINITY);
    let mut current = tensor;
    let mut clamps = 0;
    let (node, bias) = loop {
        let Some((_, node)) = graph.producer(current) else { return Ok(None) };
        let Some(first) = node.input.first() else { return Ok(None) };
        match op(node) {
            // Walking from the result towards the product, an inner clamp is narrowed by the outer ones already seen.
            "Relu" => clamp = narrow((0.0, f32::INFINITY), clamp),
            "Clip" => match clip_bounds(graph, node)? {
                Some(bounds) if bounds.0 <= bounds.1 => clamp = narrow(bounds, clamp),
                _ => return Ok(None),
            },
            "Gemm" => break (node, node.input.get(2).map(String::as_str).filter(|name| !name.is_empty())),
            "MatMul" => break (node, None),
            "Add" => {
                let Some((product, bias)) = bias_add(graph, node, &passes) else { return Ok(None) };
                break (product, Some(bias));
            }
            _ => return Ok(None),
        }
        clamps += 1;
        if clamps > MAX_CLAMPS || !passes(first) {
            return Ok(None);
        }
        current = first;
    };
    let gemm = op(node) == "Gemm";
    if gemm
        && (node.attr_float("alpha", 1.0)? != 1.0
            || node.attr_float("beta", 1.0)? != 1.0
            || node.attr_int("transA", 0)? != 0)
    {
        return Ok(None);
    }
    let transposed = gemm && node.attr_int("transB", 0)? != 0;
    let [input, weights, ..] = node.input.as_slice() else { return Ok(None) };
    Ok(Some(Product { node, input, weights, transposed, bias, clamp }))
}

/// `outer` applied after `inner`, as one interval.
pub(super) fn narrow(inner: (f32, f32), outer: (f32, f32)) -> (f32, f32) {
    (inner.0.clamp(outer.0, outer.1), inner.1.clamp(outer.0, outer.1))
}

/// An Add of a MatMul's result and a constant.
fn bias_add<'a>(
    graph: &Graph<'a>,
    add: &'a NodeProto,
    passes: impl Fn(&str) -> bool,
) -> Option<(&'a NodeProto, &'a str)> {
    let [a, b] = add.input.as_slice() else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(product, bias)| {
        let (_, node) = graph.producer(product).filter(|(_, node)| op(node) == "MatMul")?;
        let constant = graph.is_constant(bias) || graph.constant_dequantize(bias).is_some();
        (constant && passes(product)).then_some((node, bias.as_str()))
    })
}

//! Raises a model's operator set to the first that has the DequantizeLinear it needs: per channel, or of blocks and 4 bits.

use std::borrow::Cow;

use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{NodeProto, TensorProto};
use onnx_model::{Model, Shapes, Tensor};

use crate::node::{node_name, operator};
use crate::{Error, LayerRecipe, Precision};

/// The first opset whose DequantizeLinear has an axis.
const PER_CHANNEL_OPSET: i64 = 13;

/// The first opset with blocks of weights and weights of 4 bits.
const BLOCKED_OPSET: i64 = 21;

/// The oldest opset that can be raised.
const FIRST_OPSET: i64 = 7;

/// Operators that mean the same in opset 21 as in every opset from [`FIRST_OPSET`] on, or from the first that has them.
const UNCHANGED: [&str; 41] = [
    "Abs",
    "Add",
    "AveragePool",
    "Cast",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Flatten",
    "Gather",
    "Gemm",
    "Gelu",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "MatMul",
    "MaxPool",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Relu",
    "Reshape",
    "Selu",
    "Shape",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Tanh",
    "Transpose",
    "Where",
];

/// Operators that mean the same in opset 21 as in opset 13, but not as in all before.
const UNCHANGED_SINCE_13: [&str; 8] =
    ["Clip", "LogSoftmax", "ReduceSum", "Slice", "Softmax", "Split", "Squeeze", "Unsqueeze"];

/// The model in the opset that the layers' `choices` need, or in its own. Clip and Softmax are rewritten; operators that changed in other
/// ways are refused by name.
pub(crate) fn raised<'m>(
    model: &'m Model,
    mut choices: impl Iterator<Item = &'m LayerRecipe>,
) -> Result<Cow<'m, Model>, Error> {
    let needed = if choices.any(has_blocks) { BLOCKED_OPSET } else { PER_CHANNEL_OPSET };
    let opset = model.opset();
    if opset >= needed {
        return Ok(Cow::Borrowed(model));
    }
    let mut raised = model.clone();
    let index = GraphIndex::new(model.graph())?;
    let shapes = Shapes::of(model.graph(), &index)?;
    let mut names = Names::of(model.graph());
    let mut bounds = Vec::new();
    let graph = raised.graph_mut();
    for node in &mut graph.node {
        let same = match operator(node) {
            // Operators of other domains have opsets of their own.
            "" => true,
            _ if opset < FIRST_OPSET => false,
            op if UNCHANGED.contains(&op) => true,
            // From opset 18 on a Split without sizes has to say how many parts it makes.
            "Split" if opset >= 13 => node.input.get(1).is_some_and(|sizes| !sizes.is_empty()),
            op if opset >= 13 && UNCHANGED_SINCE_13.contains(&op) => true,
            "Clip" if opset >= 11 => true,
            "Clip" => {
                bounds.extend(clip_to_inputs(node, &mut names)?);
                true
            }
            // `spatial`, a statistic for each feature, was all that became possible after opset 8.
            "BatchNormalization" => {
                let spatial = node.attr_int("spatial", 1)? != 0;
                node.attribute.retain(|attribute| attribute.name() != "spatial");
                spatial && node.output.iter().skip(1).all(String::is_empty)
            }
            // Before opset 13 Softmax flattens from its axis on, which is the same where only the last axis is left.
            "Softmax" => {
                let rank = node.input.first().and_then(|input| shapes.rank(input));
                let axis = node.attr_int("axis", 1)?;
                node.attribute.retain(|attribute| attribute.name() != "axis");
                axis == -1 || rank.is_some_and(|rank| axis == rank as i64 - 1)
            }
            _ => false,
        };
        if !same {
            return Err(Error::OldOpset { opset, needed, node: node_name(node), op_type: node.op_type().to_owned() });
        }
    }
    graph.initializer.extend(bounds);
    raised.set_opset(needed);
    Ok(Cow::Owned(raised))
}

/// Whether the layer's weights have a scale for each block, or 4 bits.
fn has_blocks(choice: &LayerRecipe) -> bool {
    match choice.precision {
        Precision::Int4Weights => true,
        Precision::Int8Weights => choice.block.is_some(),
        Precision::Int8 | Precision::Dynamic | Precision::Float => false,
    }
}

/// Moves the bounds of a Clip from attributes, where they were before opset 11, to constant inputs.
fn clip_to_inputs(node: &mut NodeProto, names: &mut Names) -> Result<Vec<TensorProto>, Error> {
    let mut constants = Vec::new();
    for (bound, default) in [("min", f32::MIN), ("max", f32::MAX)] {
        let name = names.fresh(&format!("{}_{bound}", node_name(node)));
        constants.push(Tensor::f32(&name, &[], vec![node.attr_float(bound, default)?])?.to_proto());
        node.input.push(name);
    }
    node.attribute.clear();
    Ok(constants)
}

#[cfg(test)]
mod tests {
    use onnx_model::graph::node;
    use onnx_model::proto::GraphProto;

    use super::*;

    /// No float runtime executes `spatial = 0`, so that no calibration leads here.
    #[test]
    fn a_normalization_with_statistics_per_element_is_refused() {
        let with_spatial = |spatial| {
            let inputs = ["x", "scale", "shift", "mean", "variance"];
            let node = node("BatchNormalization", "normal", &inputs, &["y"]).with_int("spatial", spatial);
            Model::new(GraphProto { node: vec![node], ..GraphProto::default() }, 7)
        };
        let error = raised(&with_spatial(0), [].iter()).map(drop).unwrap_err().to_string();
        assert!(error.contains("opset 7") && error.contains("BatchNormalization node \"normal\""), "{error}");
        // Opset 13 knows no such attribute.
        assert!(raised(&with_spatial(1), [].iter()).unwrap().graph().node[0].attribute.is_empty());
    }
}

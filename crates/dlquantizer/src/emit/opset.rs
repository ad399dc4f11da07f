//! Raises a model's operator set to the first that has per-channel DequantizeLinear.

use std::borrow::Cow;

use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{NodeProto, TensorProto};
use onnx_model::{Model, Tensor};

use crate::Error;
use crate::node::{node_name, operator};
use crate::shapes::Shapes;

/// The first opset whose DequantizeLinear has an axis.
const PER_CHANNEL_OPSET: i64 = 13;

/// The oldest opset that can be raised.
const FIRST_OPSET: i64 = 7;

/// Operators that mean the same in opset 13 as in every opset from [`FIRST_OPSET`] on.
const UNCHANGED: [&str; 35] = [
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
    "GlobalAveragePool",
    "HardSigmoid",
    "Identity",
    "LeakyRelu",
    "Log",
    "MatMul",
    "MaxPool",
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
    "Sqrt",
    "Sub",
    "Tanh",
    "Transpose",
];

/// The model in opset 13 at least. Clip and Softmax are rewritten; operators that changed in other ways are refused by name.
pub(crate) fn raised(model: &Model) -> Result<Cow<'_, Model>, Error> {
    let opset = model.opset();
    if opset >= PER_CHANNEL_OPSET {
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
            "Clip" if opset >= 11 => true,
            "Clip" => {
                bounds.extend(clip_to_inputs(node, &mut names)?);
                true
            }
            // `spatial`, a statistic for each feature, was all that became possible after opset 8.
            "BatchNormalization" => {
                let spatial = node.attr_int("spatial", 1)? != 0;
                node.attribute.retain(|attribute| attribute.name() != "spatial");
                spatial
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
            return Err(Error::OldOpset { opset, node: node_name(node), op_type: node.op_type().to_owned() });
        }
    }
    graph.initializer.extend(bounds);
    raised.set_opset(PER_CHANNEL_OPSET);
    Ok(Cow::Owned(raised))
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
        let error = raised(&with_spatial(0)).map(drop).unwrap_err().to_string();
        assert!(error.contains("opset 7") && error.contains("BatchNormalization node \"normal\""), "{error}");
        // Opset 13 knows no such attribute.
        assert!(raised(&with_spatial(1)).unwrap().graph().node[0].attribute.is_empty());
    }
}

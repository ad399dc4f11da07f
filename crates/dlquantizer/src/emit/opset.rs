//! Raises a model's operator set to the first that has per-channel DequantizeLinear.

use onnx_model::graph::Names;
use onnx_model::proto::NodeProto;
use onnx_model::{Model, Tensor};

use crate::Error;
use crate::layers::node_name;
use crate::prepare::ranks;

/// The first opset whose DequantizeLinear has an axis.
const PER_CHANNEL_OPSET: i64 = 13;

/// Operators that mean the same in opset 13 as in every opset from 9 on.
const UNCHANGED: [&str; 36] = [
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
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
pub(crate) fn raised(model: &Model) -> Result<Model, Error> {
    let opset = model.opset();
    let mut raised = model.clone();
    if opset >= PER_CHANNEL_OPSET {
        return Ok(raised);
    }
    let index = onnx_model::graph::GraphIndex::new(model.graph())?;
    let ranks = ranks(model.graph(), &index);
    let mut names = Names::of(model.graph());
    let mut bounds = Vec::new();
    let graph = raised.graph_mut();
    for node in &mut graph.node {
        let refuse = || Error::OldOpset { opset, node: node_name(node), op_type: node.op_type().to_owned() };
        match node.op_type() {
            op if UNCHANGED.contains(&op) && opset >= 9 => {}
            "Clip" if opset >= 11 => {}
            "Clip" => bounds.extend(clip_to_inputs(node, &mut names)?),
            // Before opset 13 Softmax flattens from its axis on, which is the same where only the last axis is left.
            "Softmax" => {
                let rank = node.input.first().and_then(|input| ranks.get(input.as_str()));
                let axis = node.attr_int("axis", 1)?;
                if axis != -1 && rank.is_none_or(|&rank| axis != rank as i64 - 1) {
                    return Err(refuse());
                }
                node.attribute.retain(|attribute| attribute.name() != "axis");
            }
            _ => return Err(refuse()),
        }
    }
    graph.initializer.extend(bounds);
    raised.set_opset(PER_CHANNEL_OPSET);
    Ok(raised)
}

/// Moves the bounds of a Clip from attributes, where they were before opset 11, to constant inputs.
fn clip_to_inputs(
    node: &mut NodeProto,
    names: &mut Names,
) -> Result<impl Iterator<Item = onnx_model::proto::TensorProto>, Error> {
    let mut constants = Vec::new();
    for (bound, default) in [("min", f32::MIN), ("max", f32::MAX)] {
        let name = names.fresh(&format!("{}_{bound}", node_name(node)));
        constants.push(Tensor::f32(&name, &[], vec![node.attr_float(bound, default)?])?.to_proto());
        node.input.push(name);
    }
    node.attribute.clear();
    Ok(constants.into_iter())
}

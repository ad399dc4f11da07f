//! Number of dimensions of tensors, as far as a few rules tell.

use std::collections::HashMap;

use onnx_model::ValueInfo;
use onnx_model::graph::GraphIndex;
use onnx_model::proto::GraphProto;

/// Ranks of the tensors for which the file or the rules below say it.
pub(crate) fn ranks<'a>(graph: &'a GraphProto, index: &GraphIndex<'a>) -> HashMap<&'a str, usize> {
    let mut ranks: HashMap<&str, usize> = HashMap::new();
    for info in graph.input.iter().chain(&graph.value_info).chain(&graph.output) {
        if let Some(shape) = ValueInfo::from(info).shape {
            ranks.insert(info.name(), shape.len());
        }
    }
    for tensor in &graph.initializer {
        ranks.insert(tensor.name(), tensor.dims.len());
    }
    for &node in index.order() {
        let node = &graph.node[node];
        let of = |input: usize| node.input.get(input).and_then(|name| ranks.get(name.as_str()).copied());
        let rank = match node.op_type() {
            "Gemm" | "Flatten" => Some(2),
            "MatMul" => of(0).zip(of(1)).filter(|&(a, b)| a >= 2 && b == 2).map(|(a, _)| a),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => of(0).zip(of(1)).map(|(a, b)| a.max(b)),
            "Relu" | "Clip" | "Sigmoid" | "Tanh" | "Softmax" | "Gelu" | "Erf" | "Elu" | "Selu" | "Softplus"
            | "LeakyRelu" | "HardSigmoid" | "HardSwish" | "BatchNormalization" | "Identity" | "Dropout" | "Abs"
            | "Neg" | "Exp" | "Sqrt" | "Cast" | "LayerNormalization" => of(0),
            "Reshape" => node
                .input
                .get(1)
                .and_then(|shape| index.initializer(shape))
                .and_then(|shape| shape.dims.first())
                .and_then(|&length| usize::try_from(length).ok()),
            _ => None,
        };
        if let (Some(rank), Some(output)) = (rank, node.output.first()) {
            ranks.entry(output).or_insert(rank);
        }
    }
    ranks
}

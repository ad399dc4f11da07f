//! What is left of a model without the float runtime.

use std::collections::HashSet;

use onnx_model::graph::{GraphIndex, remove_unused};
use onnx_model::{DataType, Dim, Model, ValueInfo};

use super::record::CutTensor;
use crate::Error;

/// The part of `model` between its inputs and `cut` on one side and `outputs` on the other: cut tensors become inputs.
pub(super) fn cut(model: &Model, cut: &[CutTensor], outputs: &[String]) -> Result<Model, Error> {
    let mut graph = model.graph().clone();
    let index = GraphIndex::new(model.graph())?;
    let names: HashSet<&str> = cut.iter().map(|cut| cut.tensor.as_str()).collect();
    let made = names.iter().copied().chain(outputs.iter().map(String::as_str));
    if let Some(missing) = made.into_iter().find(|&name| index.producer(name).is_none()) {
        return Err(Error::Probe(format!("names the tensor \"{missing}\", which no node of the model makes")));
    }
    let distinct: HashSet<&String> = outputs.iter().collect();
    if names.len() < cut.len() || distinct.len() < outputs.len() {
        return Err(Error::Probe("names a tensor twice".to_owned()));
    }

    graph.node.retain(|node| node.output.iter().all(|output| !names.contains(output.as_str())));
    graph.value_info.retain(|value| !names.contains(value.name()));
    for CutTensor { tensor, shape } in cut {
        let batch = std::iter::once(Dim::Symbolic("batch".to_owned()));
        let shape = batch.chain(shape.iter().map(|&size| Dim::Fixed(size))).collect();
        let input = ValueInfo { name: tensor.clone(), element_type: DataType::Float, shape: Some(shape) };
        graph.input.push((&input).into());
    }
    let declared = std::mem::take(&mut graph.output);
    graph.output = outputs
        .iter()
        .map(|name| {
            let unknown = || (&ValueInfo { name: name.clone(), element_type: DataType::Float, shape: None }).into();
            declared.iter().find(|output| output.name() == name).cloned().unwrap_or_else(unknown)
        })
        .collect();
    remove_unused(&mut graph)?;
    let read: HashSet<String> = {
        let index = GraphIndex::new(&graph)?;
        let inputs = graph.input.iter().map(|input| input.name());
        inputs.filter(|name| !index.consumers(name).is_empty()).map(str::to_owned).collect()
    };
    graph.input.retain(|input| read.contains(input.name()));
    let part = model.with_graph(graph);
    part.check()?;
    Ok(part)
}

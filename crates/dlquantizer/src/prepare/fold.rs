//! Folds scale and shift into the dense layer before or after them.

use onnx_model::Model;
use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::GraphProto;

use super::affine::Affine;
use super::edit::DenseConstants;
use super::{Origins, ranks};
use crate::Error;
use crate::layers::node_name;

/// A fold that is possible.
enum Fold {
    /// The affine node follows the Gemm at `gemm`.
    Behind { gemm: usize },
    /// The affine node precedes these Gemms, possibly through the reshape at `reshape`.
    Before { gemms: Vec<usize>, reshape: Option<usize> },
}

/// Folds the first affine node that can be; `false` when there is none left.
pub(crate) fn fold_one(model: &mut Model, origins: &mut Origins) -> Result<bool, Error> {
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let ranks = ranks(graph, &index);
    let mut found = None;
    for &position in index.order() {
        let node = &graph.node[position];
        let rank = node.input.first().and_then(|input| ranks.get(input.as_str()).copied());
        let Some(affine) = Affine::read(&index, node, rank)? else { continue };
        let Some(fold) = possible(graph, &index, position, &affine)? else { continue };
        let targets = match &fold {
            Fold::Behind { gemm } => vec![*gemm],
            Fold::Before { gemms, .. } => gemms.clone(),
        };
        let mut constants = Vec::new();
        for &gemm in &targets {
            constants.extend(DenseConstants::read(&index, &graph.node[gemm])?.map(|dense| (gemm, dense)));
        }
        let behind = matches!(fold, Fold::Behind { .. });
        let fits = |dense: &DenseConstants| affine.fits(if behind { dense.n } else { dense.k });
        if constants.len() == targets.len() && constants.iter().all(|(_, dense)| fits(dense)) {
            found = Some((position, affine, fold, constants));
            break;
        }
    }
    let Some((position, affine, fold, mut constants)) = found else { return Ok(false) };
    for (_, dense) in &mut constants {
        match fold {
            Fold::Behind { .. } => after(dense, &affine),
            Fold::Before { .. } => before(dense, &affine),
        }
    }
    let affine_name = node_name(&graph.node[position]);
    let result = graph.node[position].output[0].clone();
    let mut names = Names::of(graph);
    let graph = model.graph_mut();
    for (gemm, dense) in &constants {
        if dense.write(graph, &mut names, *gemm)?.is_none() {
            return Err(Error::FoldOverflow { node: affine_name, layer: node_name(&graph.node[*gemm]) });
        }
        let (own, old) = (node_name(&graph.node[*gemm]), graph.node[*gemm].output[0].clone());
        let mut behind = origins.of(&old, &own);
        match &fold {
            Fold::Behind { .. } => {
                graph.node[*gemm].output[0].clone_from(&result);
                behind.push(affine_name.clone());
                origins.set(&result, behind);
            }
            Fold::Before { reshape, .. } => {
                if reshape.is_none() {
                    graph.node[*gemm].input[0].clone_from(&affine.source);
                }
                behind.insert(0, affine_name.clone());
                origins.set(&old, behind);
            }
        }
    }
    if let Fold::Before { reshape: Some(reshape), .. } = fold {
        graph.node[reshape].input[0].clone_from(&affine.source);
    }
    graph.node.remove(position);
    onnx_model::graph::sort_topologically(graph)?;
    Ok(true)
}

/// How the affine node at `position` can be folded.
fn possible(
    graph: &GraphProto,
    index: &GraphIndex<'_>,
    position: usize,
    affine: &Affine,
) -> Result<Option<Fold>, Error> {
    if let Some(gemm) = index.producer(&affine.source)
        && graph.node[gemm].op_type() == "Gemm"
        && index.consumers(&affine.source).len() == 1
        && !index.is_graph_output(&affine.source)
    {
        return Ok(Some(Fold::Behind { gemm }));
    }
    let result = graph.node[position].output[0].as_str();
    // One scale for features of different units would throw away what a per-feature scale of the inputs is there for.
    if index.is_graph_output(result) || (!affine.has_one_scale() && comes_from_input(graph, index, &affine.source)?) {
        return Ok(None);
    }
    let reads_as_activation = |tensor: &str, reader: &usize| {
        let node = &graph.node[*reader];
        node.op_type() == "Gemm"
            && node.input.first().is_some_and(|input| input == tensor)
            && node.input.iter().filter(|input| *input == tensor).count() == 1
    };
    let readers = index.consumers(result);
    if !readers.is_empty() && readers.iter().all(|reader| reads_as_activation(result, reader)) {
        return Ok(Some(Fold::Before { gemms: readers.to_vec(), reshape: None }));
    }
    if let ([reshape], true) = (readers, affine.is_uniform())
        && matches!(graph.node[*reshape].op_type(), "Flatten" | "Reshape")
        && graph.node[*reshape].input[0] == result
    {
        let flat = graph.node[*reshape].output[0].as_str();
        let readers = index.consumers(flat);
        if !readers.is_empty()
            && !index.is_graph_output(flat)
            && readers.iter().all(|reader| reads_as_activation(flat, reader))
        {
            return Ok(Some(Fold::Before { gemms: readers.to_vec(), reshape: Some(*reshape) }));
        }
    }
    Ok(None)
}

/// Whether the tensor is a model input, or one only scaled, shifted or reshaped.
fn comes_from_input(graph: &GraphProto, index: &GraphIndex<'_>, tensor: &str) -> Result<bool, Error> {
    let mut tensor = tensor.to_owned();
    while let Some(producer) = index.producer(&tensor) {
        let node = &graph.node[producer];
        tensor = match Affine::read(index, node, Some(2))? {
            Some(affine) => affine.source,
            None if matches!(node.op_type(), "Flatten" | "Reshape") => node.input[0].clone(),
            None => return Ok(false),
        };
    }
    Ok(true)
}

/// `(x W + b) * scale + shift` as one dense layer.
fn after(dense: &mut DenseConstants, affine: &Affine) {
    for (position, weight) in dense.weights.iter_mut().enumerate() {
        *weight *= affine.scale_at(position % dense.n);
    }
    for (output, bias) in dense.bias.iter_mut().enumerate() {
        *bias = *bias * affine.scale_at(output) + affine.shift_at(output);
    }
}

/// `(x * scale + shift) W + b` as one dense layer.
fn before(dense: &mut DenseConstants, affine: &Affine) {
    for (position, weight) in dense.weights.iter_mut().enumerate() {
        let (input, output) = (position / dense.n, position % dense.n);
        dense.bias[output] += affine.shift_at(input) * *weight;
        *weight *= affine.scale_at(input);
    }
}

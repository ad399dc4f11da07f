//! Folds scale and shift into the dense layer before or after them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use onnx_model::Shapes;
use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{GraphProto, TensorProto};

use super::Origins;
use super::affine::Affine;
use super::dense_constants::DenseConstants;
use crate::Error;
use crate::node::{node_name, only_output, operator, reads_first};

/// Folds every affine node that can be: behind a Gemm that it alone reads, or before the Gemms that alone read it.
///
/// What would leave the range of f32 stays a node of its own.
pub(crate) fn fold(graph: &mut GraphProto, origins: &mut Origins) -> Result<(), Error> {
    let edits = {
        let index = GraphIndex::new(graph)?;
        let shapes = Shapes::of(graph, &index)?;
        let mut folder = Folder {
            graph,
            index: &index,
            shapes: &shapes,
            origins,
            dense: BTreeMap::new(),
            results: HashMap::new(),
            sources: HashMap::new(),
            reshapes: BTreeSet::new(),
            gone: HashSet::new(),
        };
        let scaled_inputs = folder.behind()?;
        folder.before(&scaled_inputs)?;
        folder.edits()?
    };
    edits.apply(graph);
    Ok(())
}

struct Folder<'g, 'f> {
    graph: &'g GraphProto,
    index: &'f GraphIndex<'g>,
    shapes: &'f Shapes<'g>,
    origins: &'f mut Origins,
    /// The constants of the Gemms that something was folded into.
    dense: BTreeMap<usize, DenseConstants>,
    /// What a Gemm makes with the nodes folded in behind it.
    results: HashMap<usize, &'g str>,
    /// What is read instead of a tensor whose node was folded into its readers.
    sources: HashMap<&'g str, &'g str>,
    /// The reshapes that something was folded through: what they make has other values now, and needs another name.
    reshapes: BTreeSet<usize>,
    /// The nodes folded away.
    gone: HashSet<usize>,
}

/// The Gemms that alone read a tensor, directly or through folded nodes.
#[derive(Clone, Default)]
struct Readers {
    gemms: Vec<usize>,
    /// The reshapes between, behind which features have lost their place.
    reshapes: Vec<usize>,
}

impl<'g> Folder<'g, '_> {
    /// Folds affine nodes into the Gemm before them, from the inputs on; returns the inputs and what is only scaled, shifted or
    /// reshaped of them.
    fn behind(&mut self) -> Result<HashSet<&'g str>, Error> {
        let mut scaled_inputs: HashSet<&str> = self.graph.input.iter().map(|input| input.name()).collect();
        let mut made_by: HashMap<&str, usize> = HashMap::new();
        for &position in self.index.order() {
            let node = &self.graph.node[position];
            let Some(result) = only_output(node) else { continue };
            match operator(node) {
                "Gemm" => {
                    made_by.insert(result, position);
                    self.results.insert(position, result);
                }
                "Flatten" | "Reshape" => {
                    if node.input.first().is_some_and(|source| scaled_inputs.contains(source.as_str())) {
                        scaled_inputs.insert(result);
                    }
                }
                _ => {
                    let Some(affine) = Affine::read(self.index, self.shapes, node)? else { continue };
                    if scaled_inputs.contains(affine.source) {
                        scaled_inputs.insert(result);
                    }
                    let Some(&gemm) = made_by.get(affine.source) else { continue };
                    let alone = self.index.consumers(affine.source).len() == 1;
                    if !alone || self.index.is_graph_output(affine.source) {
                        continue;
                    }
                    if self.fold_into(&[gemm], |dense| dense.followed_by(&affine))? {
                        self.gone.insert(position);
                        made_by.insert(result, gemm);
                        let mut names = self.origin(gemm);
                        names.push(node_name(node));
                        self.origins.set(result, names);
                        self.results.insert(gemm, result);
                    }
                }
            }
        }
        Ok(scaled_inputs)
    }

    /// Folds affine nodes into the Gemms behind them, from the outputs on.
    fn before(&mut self, scaled_inputs: &HashSet<&str>) -> Result<(), Error> {
        // By the reshapes and folded nodes that nothing but Gemms reads.
        let mut passed: HashMap<usize, Readers> = HashMap::new();
        for &position in self.index.order().iter().rev() {
            let node = &self.graph.node[position];
            if self.gone.contains(&position) {
                continue;
            }
            let Some(result) = only_output(node) else { continue };
            let Some(mut readers) = self.readers(result, &passed) else { continue };
            if matches!(operator(node), "Flatten" | "Reshape") {
                readers.reshapes.push(position);
                passed.insert(position, readers);
                continue;
            }
            let Some(affine) = Affine::read(self.index, self.shapes, node)? else { continue };
            // One scale for features of different units would throw away what a per-feature scale of the inputs is there for.
            let evens_inputs_out = !affine.has_one_scale() && scaled_inputs.contains(affine.source);
            if evens_inputs_out || (!readers.reshapes.is_empty() && !affine.is_uniform()) {
                continue;
            }
            if self.fold_into(&readers.gemms, |dense| dense.preceded_by(&affine))? {
                self.gone.insert(position);
                self.sources.insert(result, affine.source);
                self.reshapes.extend(&readers.reshapes);
                for &gemm in &readers.gemms {
                    let mut names = self.origin(gemm);
                    names.insert(0, node_name(node));
                    self.origins.set(self.results[&gemm], names);
                }
                passed.insert(position, readers);
            }
        }
        Ok(())
    }

    /// The readers of a tensor that is no output of the graph, if all of them are Gemms that multiply it or in `passed`.
    fn readers(&self, tensor: &str, passed: &HashMap<usize, Readers>) -> Option<Readers> {
        let mut all = Readers::default();
        if self.index.is_graph_output(tensor) || self.index.consumers(tensor).is_empty() {
            return None;
        }
        for reader in self.index.consumers(tensor) {
            let node = &self.graph.node[*reader];
            match (operator(node), passed.get(reader)) {
                ("Gemm", _) if reads_first(node, tensor) && self.results.contains_key(reader) => {
                    all.gemms.push(*reader)
                }
                ("Flatten" | "Reshape", Some(_)) if !reads_first(node, tensor) => return None,
                (_, Some(readers)) => {
                    all.gemms.extend(&readers.gemms);
                    all.reshapes.extend(&readers.reshapes);
                }
                _ => return None,
            }
        }
        Some(all)
    }

    /// Changes the constants of all `gemms`, or of none when one of them has no constants or cannot take the change.
    fn fold_into(
        &mut self,
        gemms: &[usize],
        change: impl Fn(&DenseConstants) -> Option<DenseConstants>,
    ) -> Result<bool, Error> {
        let mut changed = Vec::with_capacity(gemms.len());
        for &gemm in gemms {
            let constants = match self.dense.get(&gemm) {
                Some(dense) => change(dense),
                None => DenseConstants::read(self.index, &self.graph.node[gemm])?.and_then(|dense| change(&dense)),
            };
            let Some(constants) = constants else { return Ok(false) };
            changed.push((gemm, constants));
        }
        self.dense.extend(changed);
        Ok(true)
    }

    fn origin(&self, gemm: usize) -> Vec<String> {
        self.origins.of(self.results[&gemm], &node_name(&self.graph.node[gemm]))
    }

    /// All changes in terms of the graph, which the folder borrows.
    fn edits(self) -> Result<Edits, Error> {
        let mut names = Names::of(self.graph);
        let stored: HashMap<&str, usize> =
            self.graph.initializer.iter().enumerate().map(|(position, tensor)| (tensor.name(), position)).collect();
        let declared: HashSet<&str> =
            self.graph.input.iter().chain(&self.graph.output).map(|info| info.name()).collect();
        let mut edits = Edits::default();
        for (&gemm, dense) in &self.dense {
            let node = &self.graph.node[gemm];
            let base = if node.name().is_empty() { "dense" } else { node.name() };
            for ((input, tensor), role) in (1..).zip(dense.tensors()?).zip(["weight", "bias"]) {
                let old = node.input.get(input).map(String::as_str).unwrap_or_default();
                // A constant nobody else reads keeps its name and place.
                let own = self.index.consumers(old).len() == 1
                    && node.input.iter().filter(|name| *name == old).count() == 1
                    && !declared.contains(old);
                let position = stored.get(old).copied().filter(|_| own);
                let name = if position.is_some() { old.to_owned() } else { names.fresh(&format!("{base}.{role}")) };
                edits.constants.push((position, TensorProto { name: Some(name.clone()), ..tensor.to_proto() }));
                edits.inputs.push((gemm, input, name));
            }
            edits.results.push((gemm, self.results[&gemm].to_owned()));
        }
        let mut renamed: HashMap<&str, String> = HashMap::new();
        for &reshape in &self.reshapes {
            if let Some(old) = only_output(&self.graph.node[reshape]) {
                let name = names.fresh(old);
                edits.results.push((reshape, name.clone()));
                renamed.insert(old, name);
            }
        }
        for (position, node) in self.graph.node.iter().enumerate().filter(|(position, _)| !self.gone.contains(position))
        {
            for (input, name) in node.input.iter().enumerate() {
                let mut source = name.as_str();
                while let Some(&before) = self.sources.get(source) {
                    source = before;
                }
                let source = renamed.get(source).map_or(source, String::as_str);
                if source != name {
                    edits.inputs.push((position, input, source.to_owned()));
                }
            }
        }
        edits.gone = self.gone;
        Ok(edits)
    }
}

/// What folding changes in a graph.
#[derive(Default)]
struct Edits {
    /// New constants, and the place of those that replace one.
    constants: Vec<(Option<usize>, TensorProto)>,
    /// Node, input and what it reads from now on.
    inputs: Vec<(usize, usize, String)>,
    /// Node and what it makes from now on.
    results: Vec<(usize, String)>,
    gone: HashSet<usize>,
}

impl Edits {
    fn apply(self, graph: &mut GraphProto) {
        for (position, tensor) in self.constants {
            match position {
                Some(position) => graph.initializer[position] = tensor,
                None => graph.initializer.push(tensor),
            }
        }
        for (node, input, name) in self.inputs {
            let inputs = &mut graph.node[node].input;
            inputs.resize(inputs.len().max(input + 1), String::new());
            inputs[input] = name;
        }
        for (node, name) in self.results {
            graph.node[node].output[0] = name;
        }
        let mut position = 0..;
        graph.node.retain(|_| position.next().is_none_or(|position| !self.gone.contains(&position)));
    }
}

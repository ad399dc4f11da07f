//! Whether the nodes and values of a graph fit together.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::String;

use super::MAX_GRAPH_DEPTH;
use super::attribute::check_attributes;
use super::sparse_tensor::check_sparse;
use super::types::check_value;
use crate::Error;
use crate::graph::{describe, subgraphs, topological_order};
use crate::model::is_default_domain;
use crate::proto::{FunctionProto, GraphProto, NodeProto, OperatorSetIdProto};
use crate::tensor::check_tensor;

/// The names that can be read at some point of a graph, and what has them.
pub(super) struct Scope<'g> {
    /// The graph around it.
    outer: Option<&'g Scope<'g>>,
    /// Name of the graph or function.
    owner: &'g str,
    /// Its nodes.
    nodes: &'g [NodeProto],
    names: BTreeMap<&'g str, Source<'g>>,
    /// How many graphs are around it.
    depth: usize,
    in_function: bool,
    /// Whether a version of ONNX's own operators is imported.
    has_default_opset: bool,
}

#[derive(Clone, Copy)]
enum Source<'g> {
    Input,
    Initializer,
    Node(&'g NodeProto),
}

impl Source<'_> {
    fn describe(self) -> String {
        match self {
            Source::Input => "an input".to_owned(),
            Source::Initializer => "an initializer".to_owned(),
            Source::Node(node) => describe(node),
        }
    }
}

impl<'g> Scope<'g> {
    /// What a model's graphs are in: no names yet.
    pub(super) fn of_model(imports: &'g [OperatorSetIdProto]) -> Self {
        let has_default_opset = imports.iter().any(|import| is_default_domain(import.domain()));
        Scope {
            outer: None,
            owner: "",
            nodes: &[],
            names: BTreeMap::new(),
            depth: 0,
            in_function: false,
            has_default_opset,
        }
    }

    pub(super) fn of_function(function: &'g FunctionProto) -> Self {
        Scope {
            owner: function.name(),
            nodes: &function.node,
            in_function: true,
            ..Scope::of_model(&function.opset_import)
        }
    }

    pub(super) fn add_input(&mut self, name: &'g str) -> Result<(), Error> {
        self.add(name, Source::Input)
    }

    fn add(&mut self, name: &'g str, source: Source<'g>) -> Result<(), Error> {
        if name.is_empty() {
            return Err(self.problem(format!("{} has no name", source.describe())));
        }
        match self.names.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(source);
                Ok(())
            }
            // An initializer may be listed among the inputs: it is the input's default.
            Entry::Occupied(mut entry) if matches!((entry.get(), source), (Source::Input, Source::Initializer)) => {
                entry.insert(source);
                Ok(())
            }
            Entry::Occupied(entry) => Err(Error::DuplicateName {
                graph: self.owner.to_owned(),
                name: name.to_owned(),
                first: entry.get().describe(),
                second: source.describe(),
            }),
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name) || self.outer.is_some_and(|outer| outer.contains(name))
    }

    pub(super) fn problem(&self, problem: String) -> Error {
        Error::Graph { graph: self.owner.to_owned(), problem }
    }
}

/// Checks `graph`, which sees the names of `outer`, and gives its names at its end.
pub(super) fn check_graph<'g>(graph: &'g GraphProto, outer: &'g Scope<'g>) -> Result<Scope<'g>, Error> {
    let mut scope = Scope {
        outer: Some(outer),
        owner: graph.name(),
        nodes: &graph.node,
        names: BTreeMap::new(),
        depth: outer.depth + 1,
        in_function: outer.in_function,
        has_default_opset: outer.has_default_opset,
    };
    if scope.depth > MAX_GRAPH_DEPTH {
        return Err(scope.problem(format!("it is nested more than {MAX_GRAPH_DEPTH} graphs deep; flatten the model")));
    }
    for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
        check_value(value).map_err(|problem| scope.problem(problem))?;
    }
    for input in &graph.input {
        scope.add_input(input.name())?;
    }
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
        scope.add(tensor.name(), Source::Initializer)?;
    }
    for sparse in &graph.sparse_initializer {
        check_sparse(sparse)?;
        scope.add(sparse.values.as_ref().map_or("", |values| values.name()), Source::Initializer)?;
    }
    check_nodes(&mut scope)?;
    match graph.output.iter().find(|output| !scope.contains(output.name())) {
        None => Ok(scope),
        Some(missing) => Err(scope.problem(format!("its output \"{}\" is produced by no node", missing.name()))),
    }
}

/// Checks the nodes of `scope` in their order, adding their outputs to its names.
pub(super) fn check_nodes(scope: &mut Scope) -> Result<(), Error> {
    for node in scope.nodes {
        if node.op_type().is_empty() {
            return Err(Error::Node { node: describe(node), problem: "it has no op_type".to_owned() });
        }
        if !scope.has_default_opset && is_default_domain(node.domain()) {
            return Err(Error::Opset(format!(
                "{} is one of ONNX's own operators, but no version of them is imported; add the default domain to opset_import",
                describe(node)
            )));
        }
        check_attributes(node, scope.in_function)?;
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            if !scope.contains(input) {
                return Err(missing_input(scope, node, input));
            }
        }
        subgraphs(node).try_for_each(|subgraph| check_graph(subgraph, scope).map(drop))?;
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            scope.add(output, Source::Node(node))?;
        }
    }
    Ok(())
}

/// Why `input` of `node`, which is in the innermost graph of `scope`, is not there yet.
fn missing_input(scope: &Scope, node: &NodeProto, input: &str) -> Error {
    let mut around = Some(scope);
    while let Some(scope) = around {
        if scope.nodes.iter().any(|other| other.output.iter().any(|output| output == input)) {
            return match topological_order(scope.nodes) {
                Err(cycle) => cycle,
                Ok(_) => Error::Unsorted { node: describe(node), input: input.to_owned() },
            };
        }
        around = scope.outer;
    }
    let problem = format!("its input \"{input}\" is no input or initializer of the graph and produced by no node");
    Error::Node { node: describe(node), problem }
}

//! A checked model in memory.

mod bytes;
#[cfg(feature = "std")]
mod external_data;
#[cfg(feature = "std")]
mod open;
#[cfg(feature = "std")]
mod save;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::{Error, ValueInfo, check};

/// Newest version of the intermediate representation this crate knows.
pub const NEWEST_IR_VERSION: i64 = 14;
/// Newest version of the default operator set this crate knows.
pub const NEWEST_OPSET: i64 = 28;

/// The first opset of each IR version above 4: the IR version an opset's new types and messages need (`docs/Versioning.md` of ONNX).
/// Below 4, initializers would have to be inputs as well.
const FIRST_OPSET_OF_IR: [(i64, i64); 10] =
    [(10, 5), (11, 6), (12, 7), (15, 8), (19, 9), (21, 10), (23, 11), (24, 12), (25, 13), (28, 14)];

/// An ONNX model in memory.
///
/// What was opened or parsed is checked; edits through [`graph_mut`](Self::graph_mut) are checked again when the model is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its `graph` is always present.
    proto: ModelProto,
}

impl Model {
    /// A model around `graph` that imports version `opset` of the default operator set.
    ///
    /// Its IR version is the oldest that goes with the opset, so that as many runtimes as possible accept the file.
    pub fn new(graph: GraphProto, opset: i64) -> Self {
        let mut model = Model { proto: ModelProto { graph: Some(graph), ..ModelProto::default() } };
        model.set_opset(opset);
        model
    }

    /// The same model with the name and version of the tool that wrote it.
    #[must_use]
    pub fn with_producer(mut self, name: &str, version: &str) -> Self {
        self.proto.producer_name = Some(name.to_owned());
        self.proto.producer_version = Some(version.to_owned());
        self
    }

    /// A model around another graph that means its operators and functions as this one does.
    #[must_use]
    pub fn with_graph(&self, graph: GraphProto) -> Self {
        Model {
            proto: ModelProto {
                ir_version: self.proto.ir_version,
                opset_import: self.proto.opset_import.clone(),
                functions: self.proto.functions.clone(),
                graph: Some(graph),
                ..ModelProto::default()
            },
        }
    }

    /// Checks that the model is well formed.
    ///
    /// Versions are known; names are unique; every value that is read exists and is produced earlier; tensors hold as many elements as
    /// their shapes say; attributes hold what their types say; all of it in subgraphs and functions, too. Whether an operator exists
    /// and is given what it wants is for whoever runs it to say.
    ///
    /// # Errors
    /// The first thing that is wrong, with its node or tensor.
    pub fn check(&self) -> Result<(), Error> {
        check::check_model(&self.proto)
    }

    /// The message itself.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The main graph.
    pub fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("every constructor makes sure there is a graph, and nothing takes it away")
    }

    /// The main graph, to edit.
    pub fn graph_mut(&mut self) -> &mut GraphProto {
        self.proto.graph.get_or_insert_default()
    }

    /// Version of the default operator set, 0 if none is imported, as in a model
    /// of other domains' operators alone.
    pub fn opset(&self) -> i64 {
        self.proto.opset_import.iter().find(|id| is_default_domain(id.domain())).map_or(0, |id| id.version())
    }

    /// Imports version `opset` of the default operator set instead of the present one, and raises the IR version if it has to be.
    ///
    /// The nodes stay as they are: the caller sees to it that they mean the same in that version.
    pub fn set_opset(&mut self, opset: i64) {
        let imports = &mut self.proto.opset_import;
        match imports.iter_mut().find(|id| is_default_domain(id.domain())) {
            Some(id) => id.version = Some(opset),
            None => imports.insert(0, OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) }),
        }
        self.proto.ir_version = self.proto.ir_version.max(Some(ir_version_of(opset)));
    }

    /// The metadata entry `key`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.proto.metadata_props.iter().find(|entry| entry.key() == key).map(StringStringEntryProto::value)
    }

    /// Sets the metadata entry `key`.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        let entries = &mut self.proto.metadata_props;
        match entries.iter_mut().find(|entry| entry.key() == key) {
            Some(entry) => entry.value = Some(value.to_owned()),
            None => entries.push(StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) }),
        }
    }

    /// What has to be given to run the model: the graph inputs that are not initializers.
    pub fn inputs(&self) -> Vec<ValueInfo> {
        let graph = self.graph();
        let dense = graph.initializer.iter().map(|tensor| tensor.name());
        let sparse =
            graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()).map(|tensor| tensor.name());
        let initializers: alloc::collections::BTreeSet<&str> = dense.chain(sparse).collect();
        graph.input.iter().filter(|input| !initializers.contains(input.name())).map(ValueInfo::from).collect()
    }

    /// What the model computes.
    pub fn outputs(&self) -> Vec<ValueInfo> {
        self.graph().output.iter().map(ValueInfo::from).collect()
    }
}

/// Whether `domain` is that of ONNX's own operators.
pub(crate) fn is_default_domain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn ir_version_of(opset: i64) -> i64 {
    FIRST_OPSET_OF_IR.iter().rev().find(|(first, _)| opset >= *first).map_or(4, |(_, ir_version)| *ir_version)
}

#[cfg(test)]
mod tests;

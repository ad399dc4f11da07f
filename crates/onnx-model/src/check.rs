//! Whether a model is well formed.

mod attribute;
mod function;
mod graph;
mod sparse_tensor;
mod types;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;

use crate::Error;
use crate::model::{NEWEST_IR_VERSION, NEWEST_OPSET, is_default_domain};
use crate::proto::{ModelProto, OperatorSetIdProto};

use graph::{Scope, check_graph};

/// How deep graphs may be nested in each other. Together with [`MAX_TYPE_DEPTH`] it keeps every model that passes within the 100
/// levels of messages that protobuf decoders accept.
pub(crate) const MAX_GRAPH_DEPTH: usize = 24;
/// How deep types (a sequence of optional sequences) may be nested in each other.
pub(crate) const MAX_TYPE_DEPTH: usize = 10;

pub(crate) fn check_model(model: &ModelProto) -> Result<(), Error> {
    check_ir_version(model)?;
    let Some(graph) = &model.graph else {
        return Err(Error::NotOnnx("it has no graph".to_owned()));
    };
    check_opsets(&model.opset_import)?;
    let root = Scope::of_model(&model.opset_import);
    let scope = check_graph(graph, &root)?;
    function::check_functions(&model.functions)?;
    for info in &model.training_info {
        if let Some(initialization) = &info.initialization {
            check_graph(initialization, &root)?;
        }
        if let Some(algorithm) = &info.algorithm {
            check_graph(algorithm, &scope)?;
        }
    }
    Ok(())
}

/// Checks that the IR version is one whose every field is known.
pub(crate) fn check_ir_version(model: &ModelProto) -> Result<(), Error> {
    match model.ir_version {
        Some(1..=NEWEST_IR_VERSION) => Ok(()),
        Some(newer) if newer > NEWEST_IR_VERSION => Err(Error::IrVersion(format!(
            "the model is of ONNX IR version {newer}, the newest known is {NEWEST_IR_VERSION}; export it with an older IR version"
        ))),
        Some(invalid) => Err(Error::IrVersion(format!("there is no ONNX IR version {invalid}; the file is damaged"))),
        None => Err(Error::IrVersion("not an ONNX model, or a truncated one: it has no ir_version".to_owned())),
    }
}

/// Checks that there are imports, of each domain one, and of the default one a version that is known.
fn check_opsets(imports: &[OperatorSetIdProto]) -> Result<(), Error> {
    let mut versions = BTreeMap::new();
    for import in imports {
        let domain = if is_default_domain(import.domain()) { "ai.onnx" } else { import.domain() };
        if import.version() < 1 {
            return Err(Error::Opset(format!("operator set \"{domain}\" has no version; correct opset_import")));
        }
        if let Some(other) = versions.insert(domain, import.version())
            && other != import.version()
        {
            let version = import.version();
            return Err(Error::Opset(format!(
                "operator set \"{domain}\" is imported in versions {other} and {version}; keep one opset_import"
            )));
        }
    }
    match versions.get("ai.onnx") {
        Some(&version) if version > NEWEST_OPSET => Err(Error::Opset(format!(
            "the model uses version {version} of ONNX's operators, the newest known is {NEWEST_OPSET}; export it with an older opset"
        ))),
        Some(_) => Ok(()),
        None if versions.is_empty() => {
            Err(Error::Opset("not an ONNX model, or a truncated one: it has no opset_import".to_owned()))
        }
        // A model of other domains' operators alone needs none; `check_nodes` sees to the rest.
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

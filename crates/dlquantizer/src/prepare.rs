//! Rewrites a float model into the form that quantizes best, without changing what it computes.
//!
//! Identity and inference-time Dropout disappear, MatMul (+ Add) on matrices becomes Gemm, and BatchNormalization and constant scale or
//! shift are folded into the dense layers beside them. All arithmetic on weights is in f64, rounded once.

mod affine;
mod dense_constants;
mod fold;
mod gemm;
mod identity;

use std::collections::HashMap;

use onnx_model::Model;
use onnx_model::graph::remove_unused;

use crate::Error;

/// Numpy's broadcasting and inference as BatchNormalization's and Dropout's only mode, on which the rewrites rely, came with this opset.
const FIRST_OPSET: i64 = 7;

/// A prepared model and where its nodes come from.
pub(crate) struct Prepared {
    pub(crate) model: Model,
    pub(crate) origins: Origins,
}

/// The names of the original nodes behind each rewritten one, keyed by the tensor it makes.
#[derive(Default)]
pub(crate) struct Origins(HashMap<String, Vec<String>>);

impl Origins {
    /// The nodes of the network as given that became the node making `tensor`; `own` is the node's own name.
    pub(crate) fn of(&self, tensor: &str, own: &str) -> Vec<String> {
        self.0.get(tensor).cloned().unwrap_or_else(|| vec![own.to_owned()])
    }

    fn set(&mut self, tensor: &str, names: Vec<String>) {
        self.0.insert(tensor.to_owned(), names);
    }
}

/// Prepares a copy of `network`. Preparing a prepared model changes nothing.
pub(crate) fn prepare(network: &Model) -> Result<Prepared, Error> {
    network.check()?;
    let mut model = network.clone();
    let mut origins = Origins::default();
    if model.opset() >= FIRST_OPSET {
        // Files of the oldest IR version list every initializer among the inputs; new ones are not.
        model.set_opset(model.opset());
        // Before anything asks who else reads a tensor.
        remove_unused(model.graph_mut())?;
        identity::remove(model.graph_mut());
        gemm::from_matmul(&mut model, &mut origins)?;
        fold::fold(model.graph_mut(), &mut origins)?;
        remove_unused(model.graph_mut())?;
        model.check()?;
    }
    Ok(Prepared { model, origins })
}

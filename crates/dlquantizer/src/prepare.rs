//! Rewrites a float model into the form that quantizes best, without changing what it computes.
//!
//! Identity and inference-time Dropout disappear, MatMul (+ Add) on matrices becomes Gemm, and BatchNormalization and constant scale or
//! shift are folded into the dense layers beside them. All arithmetic on weights is in f64, rounded once.

mod affine;
mod edit;
mod fold;
mod gemm;
mod identity;
mod rank;

use std::collections::HashMap;

use onnx_model::Model;
use onnx_model::graph::remove_unused;

use crate::Error;

pub(crate) use edit::float_constant;
pub(crate) use rank::ranks;

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
    let mut model = network.clone();
    let mut origins = Origins::default();
    identity::remove(model.graph_mut())?;
    gemm::from_matmul(&mut model, &mut origins)?;
    while fold::fold_one(&mut model, &mut origins)? {}
    remove_unused(model.graph_mut())?;
    model.check()?;
    Ok(Prepared { model, origins })
}

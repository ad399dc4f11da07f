//! Stands in where the crate is built without a float runtime: nothing can be made of these types.

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use core::convert::Infallible;

use onnx_model::Tensor;
use onnx_model::graph::describe;

use crate::Error;
use crate::compile::graph::Graph;
use crate::dynamic::{Dynamic, WholeInput, WholeValue};
use crate::error::OTHER_RUNTIME;

pub(crate) type RuntimeValue = Infallible;

/// The float runtime's threads: none.
pub(crate) struct FloatPool;

impl FloatPool {
    pub(crate) fn new(_threads: usize) -> Self {
        Self
    }
}

pub(crate) struct FloatRegion {
    pub(crate) inputs: Vec<WholeInput>,
    pub(crate) first_slot: usize,
    pub(crate) node_count: usize,
    never: Infallible,
}

impl FloatRegion {
    pub(crate) fn compile(
        graph: &Graph<'_>,
        nodes: &[usize],
        _inputs: Vec<WholeInput>,
        _outputs: &[&str],
        _first_slot: usize,
    ) -> Result<Self, Error> {
        let node = nodes.first().map(|&index| describe(&graph.proto.node[index])).unwrap_or_default();
        Err(Error::Unsupported {
            node,
            reason: "this build has no float execution (feature `float`)".to_owned(),
            way_out: OTHER_RUNTIME,
        })
    }

    pub(crate) fn run(&self, _inputs: Vec<WholeValue<'_>>, _pool: &FloatPool) -> Result<Vec<Dynamic>, Error> {
        match self.never {}
    }
}

pub(crate) fn tensor(value: &RuntimeValue) -> Option<Tensor> {
    match *value {}
}

pub(crate) fn float_values(value: &RuntimeValue) -> Option<(Cow<'_, [f32]>, Vec<usize>)> {
    match *value {}
}

//! Stands in where the crate is built without a float runtime: nothing can be made of these types.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;

use super::{RegionInput, RegionValue};
use onnx_model::graph::describe;

use crate::Error;
use crate::compile::graph::Graph;
use crate::error::OTHER_RUNTIME;
use crate::plan::PlanInput;

pub(crate) type Dynamic = Infallible;

/// The float runtime's threads: none.
pub(crate) struct FloatPool;

impl FloatPool {
    pub(crate) fn new(_threads: usize) -> Self {
        Self
    }
}

pub(crate) struct FloatRegion {
    pub(crate) inputs: Vec<RegionInput>,
    pub(crate) first_slot: usize,
    pub(crate) node_count: usize,
    never: Infallible,
}

impl FloatRegion {
    pub(crate) fn compile(
        graph: &Graph<'_>,
        nodes: &[usize],
        _inputs: Vec<RegionInput>,
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

    pub(crate) fn probe(
        &self,
        _batch: usize,
        _inputs: &[PlanInput],
        _earlier: &BTreeMap<&str, Dynamic>,
    ) -> Result<Vec<Dynamic>, Error> {
        match self.never {}
    }

    pub(crate) fn run(&self, _inputs: Vec<RegionValue<'_>>, _pool: &FloatPool) -> Result<Vec<Dynamic>, Error> {
        match self.never {}
    }
}

pub(crate) fn sample_shape(tensor: &Dynamic, _batch: usize) -> Option<Vec<usize>> {
    match *tensor {}
}

#[cfg(feature = "std")]
pub(crate) fn values(tensor: &Dynamic) -> Option<super::TensorValues> {
    match *tensor {}
}

pub(crate) fn float_values(tensor: &Dynamic) -> Option<(Cow<'_, [f32]>, Vec<usize>)> {
    match *tensor {}
}

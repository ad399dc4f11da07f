//! Float execution by rten.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Arc, OnceLock};

use ndarray::ArrayD;
use onnx_model::graph::{Names, describe};
use onnx_model::proto::{GraphProto, ValueInfoProto};
use onnx_model::{DataType, Dim, Model, ValueInfo};
use rten::{ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};

use super::rewrite::for_rten;
use super::{RegionInput, RegionValue, TensorValues};
use crate::Error;
use crate::compile::elements;
use crate::compile::graph::Graph;
use crate::error::OTHER_RUNTIME;
use crate::plan::{Place, PlanInput};

/// Largest tensor made up to learn the shapes behind a region.
const MAX_PROBE_ELEMENTS: usize = 1 << 28;

/// A tensor in rten's form.
pub(crate) type Dynamic = Value;

/// The threads rten may use, started when it first runs.
pub(crate) struct FloatPool {
    threads: usize,
    pool: OnceLock<Arc<ThreadPool>>,
}

impl FloatPool {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, pool: OnceLock::new() }
    }

    fn pool(&self) -> Arc<ThreadPool> {
        self.pool.get_or_init(|| Arc::new(ThreadPool::with_num_threads(self.threads))).clone()
    }
}

/// Nodes of the graph as a model of their own.
pub(crate) struct FloatRegion {
    pub(crate) inputs: Vec<RegionInput>,
    /// Its results go to this slot and the following ones.
    pub(crate) first_slot: usize,
    pub(crate) node_count: usize,
    model: rten::Model,
    input_ids: Vec<NodeId>,
    /// Whether rten wants the input as int32 (ONNX integers of any width).
    integer: Vec<bool>,
    output_ids: Vec<NodeId>,
}

impl FloatRegion {
    pub(crate) fn compile(
        graph: &Graph<'_>,
        nodes: &[usize],
        inputs: Vec<RegionInput>,
        outputs: &[&str],
        first_slot: usize,
    ) -> Result<Self, Error> {
        let bytes = submodel(graph, nodes, &inputs, outputs)?.to_bytes();
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = guarded(|| options.load(bytes)).map_err(|reason| Error::Unsupported {
            node: nodes.first().map(|&index| describe(&graph.proto.node[index])).unwrap_or_default(),
            reason: format!("the float runtime refuses it or a node after it: {reason}"),
            way_out: OTHER_RUNTIME,
        })?;
        let id = |name: &str| model.node_id(name).map_err(|error| Error::Float(format!("tensor \"{name}\": {error}")));
        let input_ids = inputs.iter().map(|input| id(&input.name)).collect::<Result<_, _>>()?;
        let output_ids = outputs.iter().map(|name| id(name)).collect::<Result<_, _>>()?;
        let integer = inputs.iter().map(|input| input_element(graph, &input.name).is_some_and(is_integer)).collect();
        Ok(Self { inputs, first_slot, node_count: nodes.len(), model, input_ids, integer, output_ids })
    }

    /// Results on zeros for a batch of `batch`, to learn their shapes.
    pub(crate) fn probe(
        &self,
        batch: usize,
        model_inputs: &[PlanInput],
        earlier: &BTreeMap<&str, Dynamic>,
    ) -> Result<Vec<Dynamic>, Error> {
        let mut zeros = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let shape = match (input.place, &input.sample) {
                (Place::Dynamic(_), _) => None,
                (Place::Input(index), None) => Some(probe_shape(&model_inputs[index], batch)?),
                (_, sample) => Some(core::iter::once(batch).chain(sample.iter().flatten().copied()).collect()),
            };
            zeros.push(match shape {
                None => None,
                Some(shape) => {
                    let shape: Vec<usize> = shape;
                    let count = elements(&input.name, &shape)?;
                    if count > MAX_PROBE_ELEMENTS {
                        return Err(Error::Shape {
                            tensor: input.name.clone(),
                            reason: format!("its shape {shape:?} is too large for a partly quantized model"),
                        });
                    }
                    Some((vec![0.0f32; count], shape))
                }
            });
        }
        let values = self
            .inputs
            .iter()
            .zip(&zeros)
            .map(|(input, zeros)| match (zeros, earlier.get(input.name.as_str())) {
                (Some((values, shape)), _) => Ok(RegionValue::Float(values, shape.clone())),
                (None, Some(value)) => Ok(RegionValue::Dynamic(value)),
                (None, None) => Err(Error::NoSuchTensor(input.name.clone())),
            })
            .collect::<Result<_, _>>()?;
        self.run(values, &FloatPool::new(1))
    }

    /// Executes the nodes; the results come in the order of the region's outputs.
    pub(crate) fn run(&self, inputs: Vec<RegionValue<'_>>, pool: &FloatPool) -> Result<Vec<Dynamic>, Error> {
        let inputs = inputs
            .into_iter()
            .zip(self.input_ids.iter().zip(&self.integer))
            .map(|(input, (&id, &integer))| {
                let value: ValueOrView<'_> = match input {
                    RegionValue::Float(values, shape) if integer => Tensor::from_data(
                        shape.as_slice(),
                        values.iter().map(|&value| value as i32).collect::<Vec<_>>(),
                    )
                    .into(),
                    RegionValue::Float(values, shape) => TensorView::from_data(shape.as_slice(), values).into(),
                    RegionValue::Dynamic(value) => value.into(),
                };
                (id, value)
            })
            .collect();
        let mut options = RunOptions::default();
        options.thread_pool = Some(pool.pool());
        guarded(|| self.model.run(inputs, &self.output_ids, Some(options))).map_err(Error::Float)
    }
}

/// Calls into rten. Its operators assert what they expect of a graph, and a file may hold any graph.
fn guarded<T, E: core::fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("an operator was given what it cannot take".to_owned()),
    }
}

fn submodel(graph: &Graph<'_>, nodes: &[usize], inputs: &[RegionInput], outputs: &[&str]) -> Result<Model, Error> {
    let mut proto = GraphProto { name: Some("region".to_owned()), ..GraphProto::default() };
    let mut constants: Vec<&str> = Vec::new();
    let mut seen = alloc::collections::BTreeSet::new();
    for &index in nodes {
        constants.extend(graph.reads(index).filter(|name| graph.is_constant(name)).filter(|name| seen.insert(*name)));
    }
    // A requested constant is no result of the region; the plan refuses it by name.
    for name in constants {
        match graph.index.initializer(name) {
            Some(tensor) => proto.initializer.push(tensor.clone()),
            None => proto.node.extend(graph.producer(name).map(|(_, node)| node.clone())),
        }
    }
    let mut names = Names::of(graph.proto);
    for &index in nodes {
        let rank = |name: &str| graph.index.initializer(name).map(|tensor| tensor.dims.len());
        proto.node.extend(for_rten(&graph.proto.node[index], &mut names, rank)?);
    }
    let declared = |name: &str| graph.proto.input.iter().find(|info| info.name() == name).cloned();
    proto.input = inputs.iter().map(|input| declared(&input.name).unwrap_or_else(|| named(&input.name))).collect();
    proto.output = outputs.iter().map(|name| named(name)).collect();
    Ok(graph.model.with_graph(proto))
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

fn input_element(graph: &Graph<'_>, name: &str) -> Option<DataType> {
    graph.proto.input.iter().find(|input| input.name() == name).map(|input| ValueInfo::from(input).element_type)
}

fn is_integer(element: DataType) -> bool {
    !matches!(element, DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
}

fn probe_shape(input: &PlanInput, batch: usize) -> Result<Vec<usize>, Error> {
    let unknown = || Error::Shape {
        tensor: input.name.clone(),
        reason: "its dimensions behind the batch are not fixed in the file; a partly quantized model needs them"
            .to_owned(),
    };
    let (_, rest) = input.shape.as_deref().and_then(|shape| shape.split_first()).ok_or_else(unknown)?;
    core::iter::once(Ok(batch))
        .chain(rest.iter().map(|dim| if let Dim::Fixed(size) = dim { Ok(*size) } else { Err(unknown()) }))
        .collect()
}

/// Shape of one sample of an f32 tensor whose first dimension is the batch.
pub(crate) fn sample_shape(tensor: &Dynamic, batch: usize) -> Option<Vec<usize>> {
    let view = tensor.as_tensor_view::<f32>()?;
    let shape = view.shape().to_vec();
    match shape.split_first() {
        Some((&first, rest)) if first == batch => Some(rest.to_vec()),
        _ => None,
    }
}

/// The tensor in plain form; `None` for types a caller has no use for (sequences).
pub(crate) fn values(tensor: &Dynamic) -> Option<TensorValues> {
    fn plain<T: Clone>(view: TensorView<'_, T>) -> Option<ArrayD<T>> {
        ArrayD::from_shape_vec(view.shape().to_vec(), view.to_vec()).ok()
    }
    None.or_else(|| tensor.as_tensor_view::<f32>().and_then(plain).map(TensorValues::F32))
        .or_else(|| tensor.as_tensor_view::<i32>().and_then(plain).map(TensorValues::I32))
        .or_else(|| tensor.as_tensor_view::<u8>().and_then(plain).map(TensorValues::U8))
        .or_else(|| tensor.as_tensor_view::<i8>().and_then(plain).map(TensorValues::I8))
}

/// An f32 tensor's values in row-major order and its shape; `None` for other types.
pub(crate) fn float_values(tensor: &Dynamic) -> Option<(Cow<'_, [f32]>, Vec<usize>)> {
    let view = tensor.as_tensor_view::<f32>()?;
    let shape = view.shape().to_vec();
    let values = match view.data() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(view.to_vec()),
    };
    Some((values, shape))
}

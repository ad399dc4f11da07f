//! Float execution by rten.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::sync::{Arc, OnceLock};

use onnx_model::graph::{Names, describe};
use onnx_model::proto::{GraphProto, ValueInfoProto};
use onnx_model::{DataType, Model, TensorData};
use rten::{ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};

use super::rewrite::for_rten;
use crate::Error;
use crate::compile::graph::Graph;
use crate::dynamic::{Dynamic, WholeInput, WholeValue};
use crate::error::OTHER_RUNTIME;

/// A tensor in rten's form.
pub(crate) type RuntimeValue = Value;

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
    pub(crate) inputs: Vec<WholeInput>,
    /// Its results go to this slot and the following ones.
    pub(crate) first_slot: usize,
    pub(crate) node_count: usize,
    model: rten::Model,
    input_ids: Vec<NodeId>,
    output_ids: Vec<NodeId>,
}

impl FloatRegion {
    pub(crate) fn compile(
        graph: &Graph<'_>,
        nodes: &[usize],
        inputs: Vec<WholeInput>,
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
        Ok(Self { inputs, first_slot, node_count: nodes.len(), model, input_ids, output_ids })
    }

    /// Executes the nodes; the results come in the order of the region's outputs.
    pub(crate) fn run(&self, inputs: Vec<WholeValue<'_>>, pool: &FloatPool) -> Result<Vec<Dynamic>, Error> {
        let mut given: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(inputs.len());
        for (value, (input, &id)) in inputs.iter().zip(self.inputs.iter().zip(&self.input_ids)) {
            let value = match value {
                WholeValue::Float(values, shape) if is_integer(input.element_type) => {
                    let integers = values.iter().map(|&value| value as i32).collect::<Vec<_>>();
                    Tensor::from_data(shape.as_slice(), integers).into()
                }
                WholeValue::Float(values, shape) => TensorView::from_data(shape.as_slice(), *values).into(),
                WholeValue::Dynamic(Dynamic::Runtime(value)) => value.into(),
                WholeValue::Dynamic(Dynamic::Typed(tensor)) => runtime_value(input, tensor)?,
                WholeValue::Typed(tensor) => runtime_value(input, tensor)?,
            };
            given.push((id, value));
        }
        let mut options = RunOptions::default();
        options.thread_pool = Some(pool.pool());
        let results = guarded(|| self.model.run(given, &self.output_ids, Some(options))).map_err(Error::Float)?;
        Ok(results.into_iter().map(Dynamic::Runtime).collect())
    }
}

/// A tensor in rten's form, which has four types: narrower integers become 8-bit ones, wider ones int32.
fn runtime_value<'t>(input: &WholeInput, tensor: &'t onnx_model::Tensor) -> Result<ValueOrView<'t>, Error> {
    let shape = tensor.shape.as_slice();
    Ok(match &tensor.data {
        TensorData::F32(values) => TensorView::from_data(shape, values.as_slice()).into(),
        TensorData::I32(values) => TensorView::from_data(shape, values.as_slice()).into(),
        TensorData::U8(values) | TensorData::U4(values) | TensorData::U2(values) => {
            TensorView::from_data(shape, values.as_slice()).into()
        }
        TensorData::I8(values) | TensorData::I4(values) | TensorData::I2(values) => {
            TensorView::from_data(shape, values.as_slice()).into()
        }
        TensorData::F64(_) | TensorData::F16(_) | TensorData::Bf16(_) => {
            Tensor::from_data(shape, tensor.to_f32()?).into()
        }
        TensorData::Bool(values) => {
            Tensor::from_data(shape, values.iter().map(|&value| i32::from(value)).collect::<Vec<_>>()).into()
        }
        _ => {
            let narrow = |value| {
                let reason = format!("it holds {value}, beyond the int32 of the float runtime");
                i32::try_from(value).map_err(|_| Error::Shape { tensor: input.name.clone(), reason })
            };
            let values = tensor.to_i64()?.into_iter().map(narrow).collect::<Result<Vec<i32>, _>>()?;
            Tensor::from_data(shape, values).into()
        }
    })
}

/// Calls into rten. Its operators assert what they expect of a graph, and a file may hold any graph.
fn guarded<T, E: core::fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("an operator was given what it cannot take".to_owned()),
    }
}

fn submodel(graph: &Graph<'_>, nodes: &[usize], inputs: &[WholeInput], outputs: &[&str]) -> Result<Model, Error> {
    let mut proto = GraphProto { name: Some("region".to_owned()), ..GraphProto::default() };
    let mut constants: Vec<&str> = Vec::new();
    let mut seen = alloc::collections::BTreeSet::new();
    for &index in nodes {
        constants.extend(graph.reads(index).filter(|name| graph.is_known(name)).filter(|name| seen.insert(*name)));
    }
    // A requested constant is no result of the region; the plan refuses it by name.
    for name in constants {
        match (graph.folded(name)?, graph.index.initializer(name)) {
            (Some(tensor), _) => proto.initializer.push(tensor.to_proto()),
            (None, Some(tensor)) => proto.initializer.push(tensor.clone()),
            (None, None) => proto.node.extend(graph.producer(name).map(|(_, node)| node.clone())),
        }
    }
    let mut names = Names::of(graph.proto);
    for &index in nodes {
        let rank = |name: &str| graph.index.initializer(name).map(|tensor| tensor.dims.len());
        proto.node.extend(for_rten(&graph.proto.node[index], graph.opset, &mut names, rank)?);
    }
    let declared = |name: &str| graph.proto.input.iter().find(|info| info.name() == name).cloned();
    proto.input = inputs.iter().map(|input| declared(&input.name).unwrap_or_else(|| named(&input.name))).collect();
    proto.output = outputs.iter().map(|name| named(name)).collect();
    Ok(graph.model.with_graph(proto))
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

fn is_integer(element: DataType) -> bool {
    !matches!(element, DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)
}

/// The tensor in ONNX's form, integers of any wider type as int32; `None` for what is no tensor (sequences).
pub(crate) fn tensor(value: &RuntimeValue) -> Option<onnx_model::Tensor> {
    fn plain<T: Clone>(view: TensorView<'_, T>, data: impl Fn(Vec<T>) -> TensorData) -> Option<onnx_model::Tensor> {
        onnx_model::Tensor::new("", view.shape(), data(view.to_vec())).ok()
    }
    None.or_else(|| plain(value.as_tensor_view::<f32>()?, TensorData::F32))
        .or_else(|| plain(value.as_tensor_view::<i32>()?, TensorData::I32))
        .or_else(|| plain(value.as_tensor_view::<u8>()?, TensorData::U8))
        .or_else(|| plain(value.as_tensor_view::<i8>()?, TensorData::I8))
}

/// An f32 tensor's values in row-major order and its shape; `None` for other types.
pub(crate) fn float_values(tensor: &RuntimeValue) -> Option<(Cow<'_, [f32]>, Vec<usize>)> {
    let view = tensor.as_tensor_view::<f32>()?;
    let shape = view.shape().to_vec();
    let values = match view.data() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(view.to_vec()),
    };
    Some((values, shape))
}

//! Turns items, in order, into steps over buffers.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use kernels::Kernel;
use onnx_model::graph::describe;
use onnx_model::{DataType, Model, TensorData, ValueInfo};

use super::buffers::{self, Virtual};
use super::dense::{DenseOutput, DensePattern};
use super::dense_dynamic::DenseDynamicPattern;
use super::dense_float::DenseFloatPattern;
use super::graph::Graph;
use super::item::{Item, ItemKind};
use super::{probe, shape};
use crate::Error;
use crate::dynamic::{Dynamic, WholeInput, WholeValue};
use crate::expression::Expression;
use crate::float_region::{FloatPool, FloatRegion};
use crate::operator_step::{OperatorInput, OperatorStep};
use crate::operators::{Operator, refused_type};
use crate::plan::{Place, Plan, PlanInput, PlanOutput, Step, Work};
use crate::quantization::QuantParams;

/// Largest batch a model may be fixed at: buffers are sized by it before any data is seen.
const MAX_FIXED_BATCH: usize = 4096;

/// What is known of a tensor once the step that makes it is laid out.
#[derive(Clone)]
struct Value {
    place: Place,
    /// Shape of one sample; unknown for results of the float runtime that only it reads.
    sample: Option<Vec<usize>>,
    params: Option<QuantParams>,
    /// Lowest and highest integer that a quantized tensor can hold.
    levels: (u8, u8),
}

/// Every integer there is.
const ALL_LEVELS: (u8, u8) = (u8::MIN, u8::MAX);

/// Who reads each tensor.
pub(crate) struct Demand<'a> {
    /// Tensors that some step on buffers reads.
    native: BTreeSet<&'a str>,
    /// How often items and results of the plan read each tensor.
    reads: BTreeMap<&'a str, usize>,
    /// Whether steps on buffers read what steps of whole tensors make.
    imports: bool,
}

impl<'a> Demand<'a> {
    pub(crate) fn new(items: &[Item<'a>], wanted: &[&'a str]) -> Self {
        let mut reads = BTreeMap::new();
        for name in items.iter().flat_map(|item| item.inputs.iter()).chain(wanted) {
            *reads.entry(*name).or_insert(0) += 1;
        }
        let native: BTreeSet<&'a str> =
            items.iter().filter(|item| item.has_buffers()).flat_map(|item| item.inputs.iter().copied()).collect();
        let mut foreign = items.iter().filter(|item| !item.has_buffers()).flat_map(|item| &item.outputs);
        let imports = foreign.any(|name| native.contains(name));
        Self { native, reads, imports }
    }
}

pub(crate) struct Lowering<'g, 'a> {
    graph: &'g Graph<'a>,
    kernel: &'g dyn Kernel,
    demand: Demand<'a>,
    plan: Plan,
    sizes: Virtual,
    values: BTreeMap<&'a str, Value>,
    /// Results of the steps of whole tensors on a batch of zeros, to learn their shapes.
    probes: BTreeMap<&'a str, Dynamic>,
}

impl<'g, 'a> Lowering<'g, 'a> {
    pub(crate) fn new(
        graph: &'g Graph<'a>,
        model: &Model,
        kernel: &'g dyn Kernel,
        demand: Demand<'a>,
    ) -> Result<Self, Error> {
        let fixed_batch = graph.fixed_batch;
        if let Some((batch, input)) = fixed_batch.filter(|(batch, _)| *batch > MAX_FIXED_BATCH) {
            return Err(Error::Shape {
                tensor: input.to_owned(),
                reason: format!(
                    "its batch is fixed at {batch}, more than {MAX_FIXED_BATCH}; export it with a free batch"
                ),
            });
        }
        let fixed_batch = fixed_batch.map(|(batch, _)| batch);
        let inputs: Vec<PlanInput> = model
            .inputs()
            .into_iter()
            .map(|input| PlanInput {
                sample: input.shape.as_deref().and_then(shape::fixed_sample),
                element_type: input.element_type,
                batched: false,
                name: input.name,
                shape: input.shape,
            })
            .collect();
        let declared = graph.proto.input.iter().map(|input| input.name());
        let values = declared
            .filter_map(|name| {
                let index = inputs.iter().position(|input| input.name == name)?;
                let sample = inputs[index].sample.clone();
                Some((name, Value { place: Place::Input(index), sample, params: None, levels: ALL_LEVELS }))
            })
            .collect();
        Ok(Self {
            graph,
            kernel,
            demand,
            plan: Plan {
                inputs,
                outputs: Vec::new(),
                steps: Vec::new(),
                float_buffers: Vec::new(),
                byte_buffers: Vec::new(),
                dynamic_slots: 0,
                fixed_batch,
                macs_per_sample: 0,
                float_macs_per_sample: 0,
            },
            sizes: Virtual { floats: Vec::new(), bytes: Vec::new() },
            values,
            probes: BTreeMap::new(),
        })
    }

    fn value(&self, tensor: &str) -> Result<&Value, Error> {
        self.values.get(tensor).ok_or_else(|| Error::NoSuchTensor(tensor.to_owned()))
    }

    /// A tensor a step of the engine reads: its place and the shape of one sample.
    fn operand(&self, tensor: &str) -> Result<(Place, Vec<usize>), Error> {
        let value = self.value(tensor)?;
        let sample = value.sample.clone().ok_or_else(|| Error::Shape {
            tensor: tensor.to_owned(),
            reason: "its dimensions behind the batch are not fixed in the file; the integer engine needs them"
                .to_owned(),
        })?;
        Ok((value.place, sample))
    }

    /// The same of a tensor of integers that is dequantized by these parameters.
    fn quantized_operand(&self, tensor: &str, read_as: QuantParams) -> Result<(Place, Vec<usize>), Error> {
        let invalid = |reason| Err(Error::Shape { tensor: tensor.to_owned(), reason });
        let Some(made_as) = self.value(tensor)?.params else {
            return invalid("it is dequantized but was not made by a QuantizeLinear node".to_owned());
        };
        if made_as.signed != read_as.signed {
            let data_type = |params: QuantParams| if params.signed { DataType::Int8 } else { DataType::Uint8 };
            return invalid(format!(
                "it is made as {} but dequantized with a zero point of type {}; the file has to say one type at both places",
                data_type(made_as),
                data_type(read_as)
            ));
        }
        self.operand(tensor)
    }

    /// Appends the step that makes `tensor`: u8 when it has parameters, else f32.
    fn emit(
        &mut self,
        tensor: &'a str,
        work: Work,
        sample: Vec<usize>,
        params: Option<QuantParams>,
    ) -> Result<(), Error> {
        let elements = shape::elements(tensor, &sample)?;
        let levels = levels(&work);
        let output = match params {
            Some(_) => {
                self.sizes.bytes.push(elements);
                Place::Byte(self.sizes.bytes.len() - 1)
            }
            None => {
                self.sizes.floats.push(elements);
                Place::Float(self.sizes.floats.len() - 1)
            }
        };
        let quantized = params.map(|params| {
            let real = self.graph.producer(tensor).and_then(|(_, node)| node.input.first());
            (params, real.cloned().unwrap_or_default())
        });
        self.plan.steps.push(Step {
            names: vec![tensor.to_owned()],
            sample: Some(sample.clone()),
            elements,
            quantized,
            output,
            work,
        });
        self.values.insert(tensor, Value { place: output, sample: Some(sample), params, levels });
        Ok(())
    }

    pub(crate) fn native(&mut self, item: Item<'a>) -> Result<(), Error> {
        let (&output, &first) = match (item.outputs.first(), item.inputs.first()) {
            (Some(output), Some(first)) => (output, first),
            _ => return Ok(()),
        };
        match item.kind {
            ItemKind::Quantize(params) => {
                let (input, sample) = self.operand(first)?;
                self.emit(output, Work::Quantize { input, params }, sample, Some(params))
            }
            ItemKind::Dequantize(params) => {
                let (input, sample) = self.quantized_operand(first, params)?;
                self.emit(output, Work::Dequantize { input, params }, sample, None)
            }
            ItemKind::Dense(pattern) => self.dense(first, output, &pattern),
            ItemKind::DenseFloat(pattern) => self.dense_float(first, output, &pattern),
            ItemKind::DenseDynamic(pattern) => self.dense_dynamic(first, output, &pattern),
            ItemKind::Lookup { function, from, params } => {
                let (input, sample) = self.quantized_operand(first, from)?;
                let table = table(&function, from, params);
                self.emit(output, Work::Lookup { input, table }, sample, Some(params))
            }
            ItemKind::Add { from, params, clamp } => {
                let (a, sample) = self.quantized_operand(first, from[0])?;
                let (b, other) = self.quantized_operand(item.inputs[1], from[1])?;
                same_shape(output, &sample, &other)?;
                let (min, max) = (params.quantize(clamp.0), params.quantize(clamp.1));
                let work = Work::Add { inputs: [(a, from[0]), (b, from[1])], output: params, min, max };
                self.emit(output, work, sample, Some(params))
            }
            ItemKind::AddRow { from, row, params, clamp } => {
                let (input, sample) = self.quantized_operand(first, from[0])?;
                let (min, max) = (params.quantize(clamp.0), params.quantize(clamp.1));
                let work = Work::AddRow { input: (input, from[0]), row: (row, from[1]), output: params, min, max };
                self.emit(output, work, sample, Some(params))
            }
            ItemKind::Reshape(node) => {
                let (place, sample) = self.operand(first)?;
                let sample = shape::reshaped(self.graph, node, &sample)?;
                let Value { params, levels, .. } = *self.value(first)?;
                if params.is_none() {
                    // Observers are shown the tensor, though nothing is done.
                    self.plan.steps.push(Step {
                        names: vec![output.to_owned()],
                        elements: shape::elements(output, &sample)?,
                        sample: Some(sample.clone()),
                        quantized: None,
                        output: place,
                        work: Work::View,
                    });
                }
                self.values.insert(output, Value { place, sample: Some(sample), params, levels });
                Ok(())
            }
            ItemKind::Map(function) => {
                let (input, sample) = self.operand(first)?;
                self.emit(output, Work::Map { input, function }, sample, None)
            }
            ItemKind::AddFloat => {
                let (a, sample) = self.operand(first)?;
                let (b, other) = self.operand(item.inputs[1])?;
                same_shape(output, &sample, &other)?;
                self.emit(output, Work::AddFloat([a, b]), sample, None)
            }
            ItemKind::Softmax => {
                let (input, sample) = self.operand(first)?;
                let row = sample.last().copied().unwrap_or(1);
                self.emit(output, Work::Softmax { input, row }, sample, None)
            }
            ItemKind::Operator(index, operator) => self.operator(index, operator, &item.outputs),
            ItemKind::Onnx(_) => Ok(()),
        }
    }

    fn dense(&mut self, input: &'a str, output: &'a str, pattern: &DensePattern<'a>) -> Result<(), Error> {
        let (place, mut sample) = self.quantized_operand(input, pattern.input)?;
        let dense = pattern.load(self.graph, self.kernel, self.value(input)?.levels)?;
        let (k, n) = (dense.weights.k(), dense.weights.n());
        let elements = shape::elements(input, &sample)?;
        match sample.last_mut() {
            Some(last) if *last == k => *last = n,
            _ => {
                return Err(Error::Invalid {
                    node: describe(pattern.node),
                    reason: format!("its weights take {k} features, its input \"{input}\" has samples of {sample:?}"),
                });
            }
        }
        let rows = sample[..sample.len() - 1].iter().product();
        self.plan.macs_per_sample =
            self.plan.macs_per_sample.saturating_add((elements as u64).saturating_mul(n as u64));
        let params = match dense.output {
            DenseOutput::U8 { .. } => pattern.output,
            DenseOutput::F32 { .. } => None,
        };
        self.emit(output, Work::Dense { input: place, rows, dense: Box::new(dense) }, sample, params)
    }

    fn dense_dynamic(
        &mut self,
        input: &'a str,
        output: &'a str,
        pattern: &DenseDynamicPattern<'a>,
    ) -> Result<(), Error> {
        let (place, mut sample) = self.operand(input)?;
        let elements = shape::elements(input, &sample)?;
        let dense = pattern.load(self.graph, self.kernel)?;
        if let Some(last) = sample.last_mut() {
            *last = pattern.n;
        }
        let rows = sample[..sample.len().saturating_sub(1)].iter().product();
        let macs = (elements as u64).saturating_mul(pattern.n as u64);
        self.plan.macs_per_sample = self.plan.macs_per_sample.saturating_add(macs);
        self.emit(output, Work::DenseDynamic { input: place, rows, dense: Box::new(dense) }, sample, None)
    }

    fn dense_float(&mut self, input: &'a str, output: &'a str, pattern: &DenseFloatPattern<'a>) -> Result<(), Error> {
        let (place, mut sample) = self.operand(input)?;
        let elements = shape::elements(input, &sample)?;
        let dense = pattern.load(self.graph, self.kernel)?;
        if let Some(last) = sample.last_mut() {
            *last = pattern.n;
        }
        let rows = sample[..sample.len().saturating_sub(1)].iter().product();
        let macs = (elements as u64).saturating_mul(pattern.n as u64);
        self.plan.float_macs_per_sample = self.plan.float_macs_per_sample.saturating_add(macs);
        self.emit(output, Work::DenseFloat { input: place, rows, dense: Box::new(dense) }, sample, None)
    }

    /// Makes one float region of the nodes and brings what the engine reads of it into buffers.
    pub(crate) fn float(&mut self, nodes: Vec<Item<'a>>) -> Result<(), Error> {
        let made: BTreeSet<&str> = nodes.iter().flat_map(|item| item.outputs.iter().copied()).collect();
        let mut inner_reads: BTreeMap<&str, usize> = BTreeMap::new();
        let mut inputs: Vec<WholeInput> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for &name in nodes.iter().flat_map(|item| &item.inputs) {
            *inner_reads.entry(name).or_insert(0) += 1;
            if !made.contains(name) && seen.insert(name) {
                inputs.push(self.whole_input(name)?);
            }
        }
        let results: Vec<&'a str> = nodes
            .iter()
            .flat_map(|item| item.outputs.iter().copied())
            .filter(|name| self.demand.reads.get(name) > inner_reads.get(name))
            .collect();
        let indices: Vec<usize> = nodes
            .iter()
            .filter_map(|item| if let ItemKind::Onnx(index) = item.kind { Some(index) } else { None })
            .collect();
        let first_slot = self.plan.dynamic_slots;
        let region = FloatRegion::compile(self.graph, &indices, inputs, &results, first_slot)?;
        if self.demand.imports {
            let inputs = region.inputs.iter().map(|input| self.probe(input)).collect::<Result<_, _>>()?;
            let probes = region.run(inputs, &FloatPool::new(1))?;
            self.probes.extend(results.iter().copied().zip(probes));
        }
        self.whole_step(&results, Work::Float(Box::new(region)))
    }

    /// One of ONNX's quantization operators on whole tensors.
    fn operator(&mut self, index: usize, operator: Operator, outputs: &[&'a str]) -> Result<(), Error> {
        let node = &self.graph.proto.node[index];
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in node.input.iter().map(String::as_str) {
            inputs.push(if name.is_empty() {
                OperatorInput::Absent
            } else if let Some(value) = self.graph.folded(name)? {
                OperatorInput::Constant(value)
            } else if self.graph.is_constant(name) {
                OperatorInput::Constant(self.graph.operand(node, name)?)
            } else {
                let input = self.whole_input(name)?;
                if TensorData::from_f32(Vec::new(), input.element_type).is_none()
                    && TensorData::from_i64(&[], input.element_type).is_none()
                {
                    return Err(refused_type(node, &format!("its input \"{name}\""), input.element_type));
                }
                OperatorInput::Computed(input)
            });
        }
        let first_slot = self.plan.dynamic_slots;
        let op_type = node.op_type().to_owned();
        let step = OperatorStep { node: describe(node), op_type, operator, inputs, first_slot };
        if self.demand.imports {
            let probes = step.results(|input| self.probe(input))?;
            self.probes.extend(outputs.iter().copied().zip(probes.into_iter().map(Dynamic::Typed)));
        }
        self.whole_step(outputs, Work::Operator(Box::new(step)))
    }

    /// A tensor as a step of whole tensors reads it.
    fn whole_input(&self, name: &str) -> Result<WholeInput, Error> {
        let Value { place, sample, params, .. } = self.value(name)?.clone();
        let element_type = match place {
            Place::Input(index) => self.plan.inputs[index].element_type,
            _ => DataType::Float,
        };
        Ok(WholeInput { name: name.to_owned(), place, sample, params, element_type })
    }

    /// What a step of whole tensors reads when nothing but shapes is asked for.
    fn probe(&self, input: &WholeInput) -> Result<WholeValue<'_>, Error> {
        match (input.place, self.probes.get(input.name.as_str())) {
            (Place::Dynamic(_), Some(value)) => Ok(WholeValue::Dynamic(value)),
            (Place::Dynamic(_), None) => Err(Error::NoSuchTensor(input.name.clone())),
            _ => {
                let batch = self.plan.fixed_batch.unwrap_or(1);
                probe::zeros(input, batch, &self.plan.inputs).map(|zeros| WholeValue::Typed(Cow::Owned(zeros)))
            }
        }
    }

    /// Appends a step whose results go to slots of their own, and brings what steps on buffers read of them into buffers.
    fn whole_step(&mut self, results: &[&'a str], work: Work) -> Result<(), Error> {
        let first_slot = self.plan.dynamic_slots;
        self.plan.dynamic_slots += results.len();
        self.plan.steps.push(Step {
            names: results.iter().map(|&name| name.to_owned()).collect(),
            sample: None,
            elements: 0,
            quantized: None,
            output: Place::Dynamic(first_slot),
            work,
        });
        for (offset, &name) in results.iter().enumerate() {
            let input = Place::Dynamic(first_slot + offset);
            if self.demand.native.contains(name) {
                self.import(name, input)?;
            } else {
                self.values.insert(name, Value { place: input, sample: None, params: None, levels: ALL_LEVELS });
            }
        }
        Ok(())
    }

    fn import(&mut self, tensor: &'a str, input: Place) -> Result<(), Error> {
        let batch = self.plan.fixed_batch.unwrap_or(1);
        let sample =
            self.probes.get(tensor).and_then(|probe| probe.sample_shape(batch)).ok_or_else(|| Error::Shape {
                tensor: tensor.to_owned(),
                reason: "it is quantized but is no float tensor with the batch in front".to_owned(),
            })?;
        self.emit(tensor, Work::Import(input), sample, None)
    }

    pub(crate) fn finish(mut self, wanted: &[&'a str]) -> Result<Plan, Error> {
        for &name in wanted {
            let value = self.values.get(name).cloned().ok_or_else(|| Error::Shape {
                tensor: name.to_owned(),
                reason: "it is a constant, not a result".to_owned(),
            })?;
            let declared = self.graph.proto.output.iter().find(|output| output.name() == name);
            let element_type = declared.map(|output| ValueInfo::from(output).element_type);
            self.plan.outputs.push(PlanOutput {
                element_type,
                name: name.to_owned(),
                place: value.place,
                sample: value.sample,
                params: value.params,
            });
        }
        if !self.plan.in_one_piece() && !self.plan.couples_samples() {
            self.plan.fixed_batch = None;
        }
        let Plan { steps, inputs, .. } = &mut self.plan;
        for step in steps.iter_mut().filter(|step| !matches!(step.work, Work::Float(_) | Work::Operator(_))) {
            for place in step.reads() {
                if let Place::Input(index) = *place {
                    inputs[index].batched = true;
                }
            }
        }
        buffers::share(&mut self.plan, &self.sizes);
        Ok(self.plan)
    }
}

fn same_shape(tensor: &str, a: &[usize], b: &[usize]) -> Result<(), Error> {
    if a == b {
        return Ok(());
    }
    Err(Error::Shape {
        tensor: tensor.to_owned(),
        reason: format!("it adds samples of {a:?} and {b:?}; only equal shapes are supported"),
    })
}

/// Lowest and highest integer that a step can make.
fn levels(work: &Work) -> (u8, u8) {
    match work {
        Work::Dense { dense, .. } => match dense.output {
            DenseOutput::U8 { min, max, .. } => (min, max),
            DenseOutput::F32 { .. } => ALL_LEVELS,
        },
        Work::Add { min, max, .. } | Work::AddRow { min, max, .. } => (*min, *max),
        Work::Lookup { table, .. } => {
            table.iter().fold((u8::MAX, u8::MIN), |(low, high), &level| (low.min(level), high.max(level)))
        }
        _ => ALL_LEVELS,
    }
}

/// The function between two quantizations at each of the 256 inputs.
fn table(function: &Expression, from: QuantParams, to: QuantParams) -> Box<[u8; 256]> {
    let levels: [f32; 256] = core::array::from_fn(|q| from.dequantize(q as u8));
    let mut values = [0.0; 256];
    function.map(&levels, &mut values);
    Box::new(values.map(|value| to.quantize(value)))
}

//! A compiled model: steps over numbered buffers.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::{DataType, Dim};

use crate::compile::dense::{Dense, DenseOutput};
use crate::compile::dense_dynamic::DenseDynamic;
use crate::compile::dense_float::DenseFloat;
use crate::expression::Expression;
use crate::float_region::FloatRegion;
use crate::operator_step::{OperatorInput, OperatorStep};
use crate::quantization::QuantParams;
use crate::session::StepInfo;

/// A compiled model.
pub(crate) struct Plan {
    pub(crate) inputs: Vec<PlanInput>,
    /// The graph's outputs, then the taps.
    pub(crate) outputs: Vec<PlanOutput>,
    pub(crate) steps: Vec<Step>,
    /// Elements per sample of each f32 buffer.
    pub(crate) float_buffers: Vec<usize>,
    /// Elements per sample of each u8 buffer.
    pub(crate) byte_buffers: Vec<usize>,
    /// Number of tensors that are made as a whole.
    pub(crate) dynamic_slots: usize,
    /// The batch size the model was exported with, where its float parts depend on it.
    pub(crate) fixed_batch: Option<usize>,
    /// Multiplications of the integer layers per sample.
    pub(crate) macs_per_sample: u64,
    /// Multiplications of the engine's own float layers per sample.
    pub(crate) float_macs_per_sample: u64,
}

/// An input of the model.
pub(crate) struct PlanInput {
    pub(crate) name: String,
    pub(crate) shape: Option<Vec<Dim>>,
    /// Shape of one sample, where the file fixes it.
    pub(crate) sample: Option<Vec<usize>>,
    pub(crate) element_type: DataType,
    /// Whether steps on buffers read it, so that its first dimension is the batch.
    pub(crate) batched: bool,
}

/// A result of the model.
#[cfg_attr(not(feature = "std"), allow(dead_code, reason = "results go by name only where there are arrays"))]
pub(crate) struct PlanOutput {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Shape of one sample; unknown for what the float runtime returns.
    pub(crate) sample: Option<Vec<usize>>,
    /// Set when the result is a quantized tensor.
    pub(crate) params: Option<QuantParams>,
    /// Type that the file declares for it, if it is an output of the graph.
    pub(crate) element_type: Option<DataType>,
}

/// Where a tensor lives during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The caller's array, read in place.
    Input(usize),
    Float(usize),
    Byte(usize),
    /// A tensor as a whole, of any type and shape.
    Dynamic(usize),
}

/// One operation of the plan.
pub(crate) struct Step {
    /// The tensor it makes, as the graph names it; several for a float region.
    pub(crate) names: Vec<String>,
    /// Shape of one sample of that tensor; unknown for what the float runtime makes.
    pub(crate) sample: Option<Vec<usize>>,
    /// Elements per sample of that tensor.
    pub(crate) elements: usize,
    /// For a quantized tensor: its parameters and the name of the real tensor it stands for.
    pub(crate) quantized: Option<(QuantParams, String)>,
    /// Where the tensor goes; the first of several for a float region.
    pub(crate) output: Place,
    pub(crate) work: Work,
}

/// What a [`Step`] does.
pub(crate) enum Work {
    Quantize {
        input: Place,
        params: QuantParams,
    },
    Dequantize {
        input: Place,
        params: QuantParams,
    },
    /// `rows` matrix rows per sample.
    Dense {
        input: Place,
        rows: usize,
        dense: Box<Dense>,
    },
    /// `rows` matrix rows per sample, in f32.
    DenseFloat {
        input: Place,
        rows: usize,
        dense: Box<DenseFloat>,
    },
    /// `rows` matrix rows per sample, quantized by the range they have together.
    DenseDynamic {
        input: Place,
        rows: usize,
        dense: Box<DenseDynamic>,
    },
    Lookup {
        input: Place,
        table: Box<[u8; 256]>,
    },
    Add {
        inputs: [(Place, QuantParams); 2],
        output: QuantParams,
        min: u8,
        max: u8,
    },
    /// A constant added to each row, in the u8 form.
    AddRow {
        input: (Place, QuantParams),
        row: (Vec<u8>, QuantParams),
        output: QuantParams,
        min: u8,
        max: u8,
    },
    Map {
        input: Place,
        function: Expression,
    },
    AddFloat([Place; 2]),
    /// Over rows of so many elements.
    Softmax {
        input: Place,
        row: usize,
    },
    /// The output place as it is, under another name and shape.
    View,
    /// Runs nodes in the float runtime.
    Float(Box<FloatRegion>),
    /// One of ONNX's quantization operators on whole tensors.
    Operator(Box<OperatorStep>),
    /// Copies an f32 tensor that was made as a whole into a buffer.
    Import(Place),
}

impl Plan {
    /// Whether any step works on whole tensors, so that a batch is not cut into pieces.
    pub(crate) fn in_one_piece(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.work, Work::Float(_) | Work::Operator(_)))
    }

    /// Whether samples that run together change each other's results.
    pub(crate) fn couples_samples(&self) -> bool {
        self.steps.iter().any(|step| match &step.work {
            Work::DenseDynamic { .. } => true,
            Work::Operator(step) => step.operator.couples_samples(),
            _ => false,
        })
    }
}

impl Step {
    /// What is told of it.
    pub(crate) fn info(&self) -> StepInfo {
        let (rows, k, n, weight_bytes) = match &self.work {
            Work::Dense { rows, dense, .. } => (*rows, dense.weights.k(), dense.weights.n(), dense.weights.bytes()),
            Work::DenseFloat { rows, dense, .. } => {
                (*rows, dense.weights.k(), dense.weights.n(), dense.weights.bytes())
            }
            Work::DenseDynamic { rows, dense, .. } => {
                (*rows, dense.weights.k(), dense.weights.n(), dense.weights.bytes())
            }
            _ => (0, 0, 0, 0),
        };
        StepInfo {
            tensor: self.names.join(", "),
            work: self.describe(),
            macs: (rows as u64).saturating_mul(k as u64).saturating_mul(n as u64),
            int8: matches!(self.work, Work::Dense { .. } | Work::DenseDynamic { .. }),
            weight_bytes,
        }
    }

    /// What it does, for people.
    pub(crate) fn describe(&self) -> String {
        let elements = self.elements;
        match &self.work {
            Work::Quantize { params, .. } => {
                format!("quantize {elements} f32 -> u8, scale {}, zero point {}", params.scale, params.zero_point)
            }
            Work::Dequantize { .. } => format!("dequantize {elements} u8 -> f32"),
            Work::Dense { rows, dense, .. } => {
                let result = match dense.output {
                    DenseOutput::U8 { .. } => "u8",
                    DenseOutput::F32 { .. } => "f32",
                };
                let (k, n) = (dense.weights.k(), dense.weights.n());
                format!("dense {}{k} -> {n}, u8 x s8 -> {result}", repeats(*rows))
            }
            Work::DenseFloat { rows, dense, .. } => {
                let DenseFloat { weights, .. } = dense.as_ref();
                format!("dense {}{} -> {}, {}", repeats(*rows), weights.k(), weights.n(), weights.describe())
            }
            Work::DenseDynamic { rows, dense, .. } => {
                let (k, n) = (dense.weights.k(), dense.weights.n());
                format!("dense {}{k} -> {n}, f32 quantized by its range, u8 x s8 -> f32", repeats(*rows))
            }
            Work::Lookup { .. } => format!("table lookup {elements} u8 -> u8"),
            Work::Add { .. } => format!("add {elements} u8 + u8 -> u8"),
            Work::AddRow { row, .. } => format!("add {elements} u8 + {} constant u8 -> u8", row.0.len()),
            Work::Map { .. } => format!("elementwise function of {elements} f32"),
            Work::AddFloat(_) => format!("add {elements} f32"),
            Work::Softmax { row, .. } => format!("softmax over {row} f32"),
            Work::View => format!("reshape to {:?}", self.sample.as_deref().unwrap_or_default()),
            Work::Float(region) if region.node_count == 1 => "1 node in the float runtime".to_owned(),
            Work::Float(region) => format!("{} nodes in the float runtime", region.node_count),
            Work::Operator(step) => format!("{} on a whole tensor", step.op_type),
            Work::Import(_) => format!("copy {elements} f32 from whole tensors"),
        }
    }

    /// The places it reads.
    pub(crate) fn reads(&mut self) -> Vec<&mut Place> {
        match &mut self.work {
            Work::Quantize { input, .. }
            | Work::Dequantize { input, .. }
            | Work::Dense { input, .. }
            | Work::DenseFloat { input, .. }
            | Work::DenseDynamic { input, .. }
            | Work::Lookup { input, .. }
            | Work::Map { input, .. }
            | Work::Softmax { input, .. }
            | Work::Import(input) => vec![input],
            Work::Add { inputs: [a, b], .. } => vec![&mut a.0, &mut b.0],
            Work::AddRow { input, .. } => vec![&mut input.0],
            Work::AddFloat([a, b]) => vec![a, b],
            Work::View => vec![],
            Work::Float(region) => region.inputs.iter_mut().map(|input| &mut input.place).collect(),
            Work::Operator(step) => {
                let computed = step.inputs.iter_mut().filter_map(|input| match input {
                    OperatorInput::Computed(input) => Some(&mut input.place),
                    OperatorInput::Absent | OperatorInput::Constant(_) => None,
                });
                computed.collect()
            }
        }
    }
}

/// How often a sample's product is run, where that is not once.
fn repeats(rows: usize) -> String {
    if rows == 1 { String::new() } else { format!("{rows} x ") }
}

//! ONNX's quantization operators by their definitions, on tensors of any shape and type.
//!
//! They run where no pattern of the compiler applies: scales or weights that are computed, per axis or in blocks, integers of other
//! widths. They are exact and small, not fast.

mod dequantize_linear;
mod dynamic_quantize_linear;
mod granularity;
mod matmul_integer;
mod matrices;
mod qlinear_matmul;
mod quantize_linear;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;
use onnx_model::{DataType, Tensor};

use crate::Error;
use crate::compile::graph::op;
use crate::error::OTHER_RUNTIME;
use dequantize_linear::DequantizeLinear;
pub(crate) use dynamic_quantize_linear::params_of_range;
use quantize_linear::QuantizeLinear;

/// A node of one of the operators.
pub(crate) enum Operator {
    QuantizeLinear(QuantizeLinear),
    DequantizeLinear(DequantizeLinear),
    DynamicQuantizeLinear,
    MatMulInteger,
    QLinearMatMul,
}

/// What an operator is given: its inputs in order, without those that are left out.
pub(crate) struct Operands<'a>(pub(crate) &'a [Option<&'a Tensor>]);

impl<'a> Operands<'a> {
    fn optional(&self, index: usize) -> Option<&'a Tensor> {
        self.0.get(index).copied().flatten()
    }

    fn required(&self, index: usize, name: &str) -> Result<&'a Tensor, String> {
        self.optional(index).ok_or_else(|| format!("its input {name} is missing"))
    }
}

impl Operator {
    /// The operator of a node, with its attributes; `None` if it is another one.
    ///
    /// # Errors
    ///
    /// When an attribute has the wrong type or asks for a type of number that cannot be computed with.
    pub(crate) fn of(node: &NodeProto) -> Result<Option<Self>, Error> {
        Ok(Some(match op(node) {
            "QuantizeLinear" => Self::QuantizeLinear(QuantizeLinear::of(node)?),
            "DequantizeLinear" => Self::DequantizeLinear(DequantizeLinear::of(node)?),
            "DynamicQuantizeLinear" => Self::DynamicQuantizeLinear,
            "MatMulInteger" => Self::MatMulInteger,
            "QLinearMatMul" => Self::QLinearMatMul,
            _ => return Ok(None),
        }))
    }

    /// Its results, in order.
    ///
    /// # Errors
    ///
    /// What is wrong with the operands, for people.
    pub(crate) fn run(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        match self {
            Self::QuantizeLinear(quantize) => quantize.run(operands).map(|y| vec![y]),
            Self::DequantizeLinear(dequantize) => dequantize.run(operands).map(|y| vec![y]),
            Self::DynamicQuantizeLinear => dynamic_quantize_linear::run(operands),
            Self::MatMulInteger => matmul_integer::run(operands).map(|y| vec![y]),
            Self::QLinearMatMul => qlinear_matmul::run(operands).map(|y| vec![y]),
        }
    }

    /// Whether a result depends on all samples together, so that a batch may not be cut.
    pub(crate) fn couples_samples(&self) -> bool {
        matches!(self, Self::DynamicQuantizeLinear)
    }
}

/// The refusal of a node that computes with numbers of a type that has no arithmetic here.
pub(crate) fn refused_type(node: &NodeProto, what: &str, data_type: DataType) -> Error {
    Error::Unsupported {
        node: describe(node),
        reason: format!("{what} is of type {data_type}"),
        way_out: OTHER_RUNTIME,
    }
}

/// The type that an attribute names by its number in ONNX; `None` where it names none.
fn type_attribute(node: &NodeProto, name: &str, known: &[DataType]) -> Result<Option<DataType>, Error> {
    let number = node.attr_int(name, 0)?;
    if number == 0 {
        return Ok(None);
    }
    let invalid = || Error::Invalid { node: describe(node), reason: format!("its {name} {number} is no type of ONNX") };
    let data_type =
        i32::try_from(number).ok().and_then(|number| DataType::try_from(number).ok()).ok_or_else(invalid)?;
    if known.contains(&data_type) {
        Ok(Some(data_type))
    } else {
        Err(refused_type(node, &format!("its {name}"), data_type))
    }
}

/// A result of a shape and of elements that were made for it.
fn result(shape: &[usize], data: Option<onnx_model::TensorData>) -> Result<Tensor, String> {
    let data = data.ok_or("its result does not fit its type")?;
    Tensor::new("", shape, data).map_err(|error| error.to_string())
}

/// The elements as real numbers, if they are of a floating-point type or, where `integers` says so, int32.
fn reals(tensor: &Tensor, name: &str, integers: bool) -> Result<Vec<f32>, String> {
    match tensor.data.data_type() {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 => {}
        DataType::Int32 if integers => {}
        other => return Err(format!("its input {name} is of type {other}, not of real numbers")),
    }
    tensor.to_f32().map_err(|error| error.to_string())
}

/// The elements as integers.
fn integers(tensor: &Tensor, name: &str) -> Result<Vec<i64>, String> {
    tensor.to_i64().map_err(|_| format!("its input {name} is of type {}, not of integers", tensor.data.data_type()))
}

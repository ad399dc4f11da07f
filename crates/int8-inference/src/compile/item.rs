//! What the compiler decides for each tensor before anything is laid out.

use alloc::vec::Vec;

use onnx_model::proto::NodeProto;

use super::dense::DensePattern;
use super::dense_dynamic::DenseDynamicPattern;
use super::dense_float::DenseFloatPattern;
use crate::expression::Expression;
use crate::operators::Operator;
use crate::quantization::QuantParams;

/// One unit of work: the tensors it reads, the tensors it makes, and how.
pub(crate) struct Item<'a> {
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) kind: ItemKind<'a>,
}

/// How an [`Item`] is executed.
pub(crate) enum ItemKind<'a> {
    /// f32 -> u8.
    Quantize(QuantParams),
    /// u8 -> f32.
    Dequantize(QuantParams),
    /// u8 x s8 product with everything fused behind it.
    Dense(DensePattern<'a>),
    /// f32 product with everything fused behind it.
    DenseFloat(DenseFloatPattern<'a>),
    /// u8 x s8 product of an f32 tensor quantized by its own range, with everything fused behind it.
    DenseDynamic(DenseDynamicPattern<'a>),
    /// u8 -> u8 through a table of an elementwise function.
    Lookup { function: Expression, from: QuantParams, params: QuantParams },
    /// Sum of two quantized tensors, clamped to an interval of real numbers.
    Add { from: [QuantParams; 2], params: QuantParams, clamp: (f32, f32) },
    /// Sum of a quantized tensor and a quantized constant with a value for each index of the last axis, in the u8 form.
    AddRow { from: [QuantParams; 2], row: Vec<u8>, params: QuantParams, clamp: (f32, f32) },
    /// The same values in another shape.
    Reshape(&'a NodeProto),
    /// An elementwise function on f32.
    Map(Expression),
    /// Sum of two f32 tensors of one shape.
    AddFloat,
    /// Softmax over the last axis of an f32 tensor.
    Softmax,
    /// One of ONNX's quantization operators, on whole tensors.
    Operator(usize, Operator),
    /// A node left to the float runtime.
    Onnx(usize),
}

impl Item<'_> {
    /// Whether the engine itself executes the item.
    pub(crate) fn is_native(&self) -> bool {
        !matches!(self.kind, ItemKind::Onnx(_))
    }

    /// Whether it reads and writes buffers of samples, not whole tensors.
    pub(crate) fn has_buffers(&self) -> bool {
        !matches!(self.kind, ItemKind::Onnx(_) | ItemKind::Operator(..))
    }
}

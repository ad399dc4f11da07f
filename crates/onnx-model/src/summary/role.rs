//! What a constant is to the operator that reads it.

use super::constants::Constant;
use crate::proto::{DataType, NodeProto};

/// What a constant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Training changes it.
    Trainable,
    /// It is a parameter that training leaves alone.
    Fixed,
    /// It says how the operator works: a shape, a bound, a scale.
    Setting,
}

/// An operator as a reader of constants.
pub(super) struct Reader<'n>(&'n str);

impl<'n> Reader<'n> {
    pub(super) fn of(node: &'n NodeProto) -> Self {
        Self(node.op_type())
    }

    /// Whether it only turns floats into integers or back.
    pub(super) fn converts(&self) -> bool {
        matches!(self.0, "QuantizeLinear" | "DequantizeLinear" | "DynamicQuantizeLinear")
    }

    /// Role of the constant at input `place`, for data that trainable parameters did or did not touch before.
    pub(super) fn role(&self, place: usize, constant: &Constant<'_>, after_learned: bool) -> Role {
        let (trainable, fixed): (&[usize], &[usize]) = match self.0 {
            "Gemm" | "MatMul" | "Conv" | "ConvTranspose" => (&[0, 1, 2], &[]),
            "MatMulInteger" | "ConvInteger" => (&[0, 1], &[]),
            "QLinearMatMul" => (&[0, 3], &[]),
            "QLinearConv" => (&[3, 8], &[]),
            "QGemm" => (&[3, 6], &[]),
            "BatchNormalization" => (&[1, 2], &[3, 4]),
            "LayerNormalization" | "RMSNormalization" | "InstanceNormalization" | "GroupNormalization" => {
                (&[1, 2], &[])
            }
            "RNN" | "GRU" => (&[1, 2, 3], &[5]),
            "LSTM" => (&[1, 2, 3, 7], &[5, 6]),
            "PRelu" => (&[1], &[]),
            "Gather" if constant.holds_reals() || constant.has_small_integers() => (&[0], &[]),
            "Gather" => (&[], &[]),
            "Add" | "Mul" if after_learned && constant.elements > 1 && constant.holds_reals() => (&[0, 1], &[]),
            "Add" | "Sub" | "Mul" | "Div" if constant.holds_reals() => (&[], &[0, 1]),
            "Pow"
            | "Min"
            | "Max"
            | "Mod"
            | "Where"
            | "Equal"
            | "Less"
            | "Greater"
            | "LessOrEqual"
            | "GreaterOrEqual"
            | "Reshape"
            | "Clip"
            | "Resize"
            | "Upsample"
            | "Pad"
            | "Slice"
            | "Squeeze"
            | "Unsqueeze"
            | "Expand"
            | "Tile"
            | "TopK"
            | "Split"
            | "OneHot"
            | "Range"
            | "ConstantOfShape"
            | "Dropout"
            | "QuantizeLinear"
            | "DequantizeLinear"
            | "QLinearAdd"
            | "QLinearMul"
            | "QLinearSigmoid"
            | "QLinearLeakyRelu"
            | "QLinearGlobalAveragePool"
            | "QLinearAveragePool"
            | "QLinearSoftmax"
            | "QLinearConcat"
            | "NonMaxSuppression"
            | "RoiAlign"
            | "GridSample" => (&[], &[]),
            // Of an operator unknown here, anything with the look of weights.
            _ if constant.elements > 1 && constant.holds_reals() => return Role::Trainable,
            _ => (&[], &[]),
        };
        match (trainable.contains(&place), fixed.contains(&place)) {
            (true, _) => Role::Trainable,
            (_, true) => Role::Fixed,
            _ => Role::Setting,
        }
    }
}

impl Constant<'_> {
    /// Whether its elements stand for real numbers: floats, or integers that are dequantized.
    fn holds_reals(&self) -> bool {
        let float =
            matches!(self.data_type, DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16);
        float || self.dequantized
    }

    /// Whether its elements are integers of at most 8 bits, as of weights that are dequantized later.
    fn has_small_integers(&self) -> bool {
        use DataType::{Int2, Int4, Int8, Uint2, Uint4, Uint8};
        matches!(self.data_type, Int8 | Uint8 | Int4 | Uint4 | Int2 | Uint2)
    }
}

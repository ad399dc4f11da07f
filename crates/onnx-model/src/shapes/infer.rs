//! Which rule an operator follows.

use alloc::vec;
use alloc::vec::Vec;

use super::{Shape, Shapes, Size};
use crate::Error;
use crate::graph::GraphIndex;
use crate::model::is_default_domain;
use crate::proto::NodeProto;

/// The domain of ONNX Runtime's own operators.
const MICROSOFT: &str = "com.microsoft";

impl<'g> Shapes<'g> {
    /// Shapes of the node's results as far as they are known (shape inference of the ONNX operator schemas).
    pub(super) fn infer(&self, index: &GraphIndex<'g>, node: &'g NodeProto) -> Result<Vec<Option<Shape<'g>>>, Error> {
        let first = || self.get(node.input.first()?).map(<[_]>::to_vec);
        let known = is_default_domain(node.domain()) || node.domain() == MICROSOFT;
        let only = match node.op_type() {
            _ if !known => None,
            "Gemm" => self.gemm(node, 0, 1)?,
            "QGemm" => self.gemm(node, 0, 3)?,
            "MatMul" | "MatMulInteger" => self.matmul(node, 0, 1),
            "QLinearMatMul" => self.matmul(node, 0, 3),
            "Conv" | "ConvInteger" => self.convolved(node, 0, 1)?,
            "QLinearConv" => self.convolved(node, 0, 3)?,
            "ConvTranspose" => self.transposed_convolution(node)?,
            "MaxPool" | "AveragePool" | "LpPool" => self.pooled(node)?,
            "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => self.pooled_globally(node),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "And" | "Or" | "Xor" | "Equal" | "Less" | "Greater"
            | "LessOrEqual" | "GreaterOrEqual" | "PRelu" => self.broadcast(node, &[0, 1]),
            "QLinearAdd" | "QLinearMul" => self.broadcast(node, &[0, 3]),
            "Where" => self.broadcast(node, &[0, 1, 2]),
            "Min" | "Max" | "Sum" | "Mean" => self.broadcast(node, &(0..node.input.len()).collect::<Vec<_>>()),
            "Relu"
            | "Clip"
            | "Sigmoid"
            | "Tanh"
            | "Softmax"
            | "LogSoftmax"
            | "Hardmax"
            | "Gelu"
            | "Erf"
            | "Elu"
            | "Celu"
            | "Selu"
            | "Softplus"
            | "Softsign"
            | "LeakyRelu"
            | "HardSigmoid"
            | "HardSwish"
            | "Mish"
            | "Swish"
            | "ThresholdedRelu"
            | "Shrink"
            | "Identity"
            | "Dropout"
            | "Cast"
            | "Abs"
            | "Neg"
            | "Not"
            | "Sign"
            | "Exp"
            | "Log"
            | "Sqrt"
            | "Reciprocal"
            | "Floor"
            | "Ceil"
            | "Round"
            | "Sin"
            | "Cos"
            | "BatchNormalization"
            | "LayerNormalization"
            | "RMSNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "LpNormalization"
            | "MeanVarianceNormalization"
            | "LRN"
            | "QuantizeLinear"
            | "DequantizeLinear"
            | "CumSum"
            | "QLinearSigmoid"
            | "QLinearLeakyRelu"
            | "SimplifiedLayerNormalization"
            | "SkipLayerNormalization" => first(),
            "DynamicQuantizeLinear" => return Ok(vec![first(), Some(Vec::new()), Some(Vec::new())]),
            "LSTM" | "GRU" | "RNN" => return self.recurrent(node),
            "Split" => return self.split(index, node),
            "Flatten" => self.flattened(node)?,
            "Reshape" => self.reshaped(index, node)?,
            "Squeeze" => self.squeezed(index, node)?,
            "Unsqueeze" => self.unsqueezed(index, node)?,
            "Transpose" => self.transposed(node)?,
            "Concat" => self.joined(node)?,
            "Gather" => self.gathered(node)?,
            "GatherElements" => node.input.get(1).and_then(|indices| self.get(indices)).map(<[_]>::to_vec),
            "Slice" => self.sliced(index, node)?,
            "Pad" => self.padded(index, node)?,
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
            | "ReduceLogSumExp" | "ReduceSumSquare" | "ArgMax" | "ArgMin" => self.reduced(index, node)?,
            "Shape" => first().map(|shape| vec![Size::Fixed(shape.len())]),
            "Size" => Some(Vec::new()),
            "ConstantOfShape" => node.input.first().map(|shape| self.sizes(index, shape)).transpose()?.flatten(),
            "Constant" => match node.attr_tensor("value")? {
                Some(value) => {
                    let dims = value.dims.iter();
                    Some(dims.map(|&dim| usize::try_from(dim).map_or(Size::Unknown, Size::Fixed)).collect())
                }
                None if node.attr("value_float").is_some() || node.attr("value_int").is_some() => Some(Vec::new()),
                None => None,
            },
            _ => None,
        };
        Ok(vec![only])
    }
}

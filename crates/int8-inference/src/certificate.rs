use alloc::string::String;

/// What the weights of an integer dense layer, and the integers its input can hold after a Clip, a table or a sum, prove about its sums.
///
/// A layer with fixed quantization parameters whose sums could leave int32 is refused when it is compiled. One whose input is quantized by
/// its range in the run may reach further: its sums then wrap modulo 2^32, as those of ONNX's MatMulInteger do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The tensor the layer makes, as [`StepInfo::tensor`](crate::StepInfo::tensor) names it.
    pub tensor: String,
    /// Output channels.
    pub channels: usize,
    /// Channels whose sums of two neighbouring products fit 16 bits, see [`kernels::pair_sums_fit`]: instruction sets without a 32-bit dot
    /// product may take twice as many bytes at once for them.
    pub pair_sums_proven: usize,
    /// Lowest sum that any such input gives in any channel, input zero point included, and the bias where it is added to the sum as an
    /// integer. Where the zero point is found in the run, it is the lowest over all zero points.
    pub lowest: i64,
    /// Highest such sum.
    pub highest: i64,
}

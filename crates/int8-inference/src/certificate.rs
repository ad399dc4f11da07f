use alloc::string::String;

/// What the weights of an integer dense layer, and the integers its input can hold after a Clip, a table or a sum, prove about its sums.
///
/// A session exists only where no sum can leave int32; a layer that could is refused when it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The tensor the layer makes, as [`StepInfo::tensor`](crate::StepInfo::tensor) names it.
    pub tensor: String,
    /// Output channels.
    pub channels: usize,
    /// Channels whose sums of two neighbouring products fit 16 bits, see [`kernels::pair_sums_fit`]: instruction sets without a 32-bit dot
    /// product may take twice as many bytes at once for them.
    pub pair_sums_proven: usize,
    /// Lowest int32 accumulator that any such input gives in any channel, bias and input zero point included.
    pub lowest: i32,
    /// Highest such accumulator.
    pub highest: i32,
}

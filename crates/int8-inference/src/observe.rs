//! What a run shows of its tensors while it makes them.

/// A tensor that a run has just made.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The tensor's name in the graph.
    pub tensor: &'a str,
    /// Its shape, `[batch, ...]` for nearly all tensors.
    pub shape: &'a [usize],
    /// Its values in row-major order.
    pub values: ObservedValues<'a>,
}

/// The values of an [`Observed`] tensor.
#[derive(Debug)]
pub enum ObservedValues<'a> {
    /// Real numbers.
    F32(&'a [f32]),
    /// The integers of a quantized tensor.
    Quantized {
        /// In the u8 form of [`QuantParams`](crate::QuantParams).
        values: &'a [u8],
        /// What they stand for.
        params: crate::QuantParams,
        /// The real tensor that was quantized.
        real: &'a str,
    },
}

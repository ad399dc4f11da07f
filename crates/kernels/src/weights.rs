/// Int8 weights `[k, n]` (inputs, output channels), row-major, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// `k * n` integers.
    pub values: &'a [i8],
    /// Inputs per output channel.
    pub k: usize,
    /// Output channels.
    pub n: usize,
    /// The integer that stands for 0 in each output channel, `[n]`; empty where that is 0 everywhere, which costs a product nothing. Unsigned
    /// weights are signed ones when 128 is taken off both weight and zero point.
    pub zero_points: &'a [i8],
    /// Lowest and highest input that these weights will ever meet: a promise that can [prove](crate::pair_sums_fit) more pair sums. What a
    /// product makes of other inputs is no longer defined.
    pub input_levels: (u8, u8),
}

impl<'a> Weights<'a> {
    /// Symmetric weights, for any input.
    pub fn new(values: &'a [i8], k: usize, n: usize) -> Self {
        Self { values, k, n, zero_points: &[], input_levels: (u8::MIN, u8::MAX) }
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        let Self { values, k, n, zero_points, input_levels: (low, high) } = self;
        assert_eq!(k.checked_mul(*n), Some(values.len()), "weights must be [k, n] = [{k}, {n}]");
        assert!(zero_points.is_empty() || zero_points.len() == *n, "weights must have n or no zero points");
        assert!(low <= high, "lowest input level {low} must not be above the highest, {high}");
    }
}

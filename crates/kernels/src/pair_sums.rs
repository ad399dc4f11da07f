//! Which output channels may add products in pairs in 16 bits, as `vpmaddubsw` does.

use alloc::vec;
use alloc::vec::Vec;

use crate::Weights;

/// For each output channel: whether the sum of two neighbouring products, of inputs `2 i` and `2 i + 1`, fits `i16` for all inputs within the
/// weights' [`input_levels`](Weights::input_levels).
///
/// With inputs from `low` to `high` the sum is largest where those of positive weights are `high` and the others `low`, so the proof is
/// `high * (max(w0, 0) + max(w1, 0)) + low * (min(w0, 0) + min(w1, 0)) <= 32767`, and the mirror image of it at -32768, for every pair. Weights
/// within [-64, 64], as ONNX Runtime's `reduce_range` makes them, always pass. Zero points have no say: they are subtracted in 32 bits.
///
/// # Panics
///
/// If `weights.values.len() != k * n`.
pub fn pair_sums_fit(weights: &Weights<'_>) -> Vec<bool> {
    weights.check();
    let (low, high) = (i32::from(weights.input_levels.0), i32::from(weights.input_levels.1));
    let n = weights.n;
    let mut fit = vec![true; n];
    if n == 0 {
        return fit;
    }
    for pair in weights.values.chunks(2 * n) {
        // A last input without a partner is a pair with a weight of 0.
        let (first, second) = pair.split_at(n);
        let second = second.iter().chain(core::iter::repeat(&0));
        for (fit, (&a, &b)) in fit.iter_mut().zip(first.iter().zip(second)) {
            let (a, b) = (i32::from(a), i32::from(b));
            let (positive, negative) = (a.max(0) + b.max(0), a.min(0) + b.min(0));
            *fit &= high * positive + low * negative <= i16::MAX.into()
                && high * negative + low * positive >= i16::MIN.into();
        }
    }
    fit
}

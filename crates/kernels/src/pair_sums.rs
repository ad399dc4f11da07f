//! Which output channels may add products in pairs in 16 bits, as `vpmaddubsw` does.

use alloc::vec;
use alloc::vec::Vec;

/// Largest magnitude of a pair's weights of one sign: `255 * 128` still is an `i16`, `255 * 129` is not, nor is `-255 * 129`.
const LIMIT: i16 = 128;

/// For each output channel of row-major int8 weights `[k, n]`: whether the sum of two neighbouring products, of inputs `2 i` and `2 i + 1`, fits
/// `i16` for all u8 inputs.
///
/// The sum is largest where the inputs of positive weights are 255 and the others 0, so the proof is
/// `255 * (max(w0, 0) + max(w1, 0)) <= 32767` and `255 * (min(w0, 0) + min(w1, 0)) >= -32768` for every pair. Weights within [-64, 64], as ONNX
/// Runtime's `reduce_range` makes them, always pass.
///
/// # Panics
///
/// If `weights.len() != k * n`.
pub fn pair_sums_fit(weights: &[i8], k: usize, n: usize) -> Vec<bool> {
    assert_eq!(k.checked_mul(n), Some(weights.len()), "pair_sums_fit: weights must be [k, n] = [{k}, {n}]");
    let mut fit = vec![true; n];
    if n == 0 {
        return fit;
    }
    for pair in weights.chunks(2 * n) {
        // A last input without a partner is a pair with a weight of 0, which always fits.
        let (first, second) = pair.split_at(n);
        for (fit, (&a, &b)) in fit.iter_mut().zip(first.iter().zip(second)) {
            let (a, b) = (i16::from(a), i16::from(b));
            *fit &= a.max(0) + b.max(0) <= LIMIT && a.min(0) + b.min(0) >= -LIMIT;
        }
    }
    fit
}

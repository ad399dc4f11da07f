//! Checks every kernel makes before it touches memory: a failure is the caller's programming error.

use core::ops::Range;

use crate::{Epilogue, Isa, Matrix, MatrixMut, Output, PackedWeights};

#[track_caller]
pub(crate) fn check_matmul(
    isa: Isa,
    input: &[u8],
    rows: usize,
    weights: &PackedWeights,
    columns: &Range<usize>,
    bias: &[i32],
    output: &Output<'_>,
) {
    let whole = |column: usize| column.is_multiple_of(weights.panel()) || column == weights.n();
    assert!(
        columns.start <= columns.end && columns.end <= weights.n() && whole(columns.start) && whole(columns.end),
        "matmul: columns {columns:?} must be whole panels of {} in 0..{}",
        weights.panel(),
        weights.n()
    );
    let (k, n) = (weights.k(), columns.len());
    assert_eq!(weights.isa(), isa, "matmul: weights were packed for another instruction set");
    assert_eq!(rows.checked_mul(k), Some(input.len()), "matmul: input must be [rows, k] = [{rows}, {k}]");
    assert_eq!(bias.len(), n, "matmul: bias must have n elements");
    let written = match output {
        Output::I32(out) => out.len(),
        Output::U8 { out, requantize } => {
            assert_eq!(requantize.multipliers.len(), n, "matmul: multipliers must have n elements");
            check_bounds(requantize.min, requantize.max);
            out.len()
        }
        Output::F32 { out, scales, .. } => {
            assert_eq!(scales.len(), n, "matmul: scales must have n elements");
            out.len()
        }
    };
    assert_eq!(rows.checked_mul(n), Some(written), "matmul: output must be [rows, n] = [{rows}, {n}]");
}

#[track_caller]
pub(crate) fn check_matmul_f32(
    isa: Isa,
    (packed_for, k, n): (Isa, usize, usize),
    input: &Matrix<'_>,
    epilogue: Option<&Epilogue<'_>>,
    out: &MatrixMut<'_>,
) {
    let rows = input.rows();
    check_isa(packed_for, isa);
    assert_eq!(input.columns(), k, "matmul_f32: input must be [rows, k] = [{rows}, {k}]");
    assert!(epilogue.is_none_or(|epilogue| epilogue.bias.len() == n), "matmul_f32: bias must have n elements");
    assert_eq!((out.rows(), out.columns()), (rows, n), "matmul_f32: output must be [rows, n] = [{rows}, {n}]");
}

#[track_caller]
pub(crate) fn check_isa(packed_for: Isa, isa: Isa) {
    assert_eq!(packed_for, isa, "weights were packed for another instruction set");
}

#[track_caller]
pub(crate) fn check_bounds(min: u8, max: u8) {
    assert!(min <= max, "min {min} must not be above max {max}");
}

#[track_caller]
pub(crate) fn check_lengths(input: usize, out: usize) {
    assert_eq!(input, out, "input and output must have the same length");
}

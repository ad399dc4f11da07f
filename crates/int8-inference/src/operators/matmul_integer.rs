//! MatMulInteger.

use alloc::string::String;

use onnx_model::{Tensor, TensorData};

use super::matrices::{Matrices, Side, centered};
use super::{Operands, result};

/// `(a - a_zero_point) x (b - b_zero_point)` in int32; zero points may be given per row of `a` and per column of `b`.
pub(super) fn run(operands: &Operands<'_>) -> Result<Tensor, String> {
    let (a, b) = (operands.required(0, "a")?, operands.required(1, "b")?);
    let matrices = Matrices::new(&a.shape, &b.shape)?;
    let left = centered(a, operands.optional(2), "a", Side::Rows)?;
    let right = centered(b, operands.optional(3), "b", Side::Columns)?;
    result(&matrices.shape, Some(TensorData::I32(matrices.multiply(&left, &right))))
}

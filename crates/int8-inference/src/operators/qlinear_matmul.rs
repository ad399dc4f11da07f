//! QLinearMatMul.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::{Tensor, TensorData};

use super::matrices::{Matrices, Side, centered, parameter_index};
use super::quantize_linear::range;
use super::{Operands, reals, result};

/// The product of two quantized matrices, requantized: `saturate(round_half_even(sum * ((a_scale * b_scale) / y_scale)) + y_zero_point)`.
///
/// The multiplier is computed and applied in f32, in this order, as in ONNX Runtime and in the integer kernels.
pub(super) fn run(operands: &Operands<'_>) -> Result<Tensor, String> {
    let [a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point] = [
        operands.required(0, "a")?,
        operands.required(1, "a_scale")?,
        operands.required(2, "a_zero_point")?,
        operands.required(3, "b")?,
        operands.required(4, "b_scale")?,
        operands.required(5, "b_zero_point")?,
        operands.required(6, "y_scale")?,
        operands.required(7, "y_zero_point")?,
    ];
    let matrices = Matrices::new(&a.shape, &b.shape)?;
    let left = centered(a, Some(a_zero_point), "a", Side::Rows)?;
    let right = centered(b, Some(b_zero_point), "b", Side::Columns)?;
    let sums = matrices.multiply(&left, &right);
    let output = y_zero_point.data.data_type();
    let (low, high) = range(output).ok_or_else(|| format!("its y_zero_point is of type {output}"))?;

    let full = matrices.full_shape();
    let a_index = parameter_index(a_scale, "a_scale", &a.shape, Side::Rows)?;
    let b_index = parameter_index(b_scale, "b_scale", &b.shape, Side::Columns)?;
    let y_index = parameter_index(y_scale, "y_scale", &full, Side::Rows)?;
    let zero_index = parameter_index(y_zero_point, "y_zero_point", &full, Side::Rows)?;
    let a_scales = reals(a_scale, "a_scale", false)?;
    let b_scales = reals(b_scale, "b_scale", false)?;
    let y_scales = reals(y_scale, "y_scale", false)?;
    let zero_points = super::integers(y_zero_point, "y_zero_point")?;

    let integers = sums.into_iter().enumerate().map(|(element, sum)| {
        let (column, row) = (element % matrices.n, element / matrices.n % matrices.m);
        let matrix = element / matrices.n / matrices.m;
        let (of_a, of_b) = matrices.pair(matrix);
        let scale = a_scales[a_index(of_a, row)] * b_scales[b_index(of_b, column)];
        let multiplier = scale / y_scales[y_index(matrix, row)];
        let steps = sum as f32 * multiplier;
        let steps = if steps.is_nan() { 0.0 } else { libm::rint(f64::from(steps)) };
        (steps + zero_points[zero_index(matrix, row)] as f64).clamp(low as f64, high as f64) as i64
    });
    result(&matrices.shape, TensorData::from_i64(&integers.collect::<Vec<_>>(), output))
}

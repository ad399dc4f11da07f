//! Matrix products of tensors of any number of dimensions, as ONNX MatMul has them from NumPy.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::{DataType, Tensor};

/// More elements than any result is believed to need: shapes come from files, and without inner elements they cost nothing there.
const MAX_ELEMENTS: usize = 1 << 24;

/// The shapes of a product.
pub(super) struct Matrices {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    /// How many matrices there are along each dimension in front: of the result, the left and the right operand.
    stacks: [Vec<usize>; 3],
    /// Shape of the result.
    pub(super) shape: Vec<usize>,
}

impl Matrices {
    pub(super) fn new(a: &[usize], b: &[usize]) -> Result<Self, String> {
        let impossible = || format!("its operands have the shapes {a:?} and {b:?}, which have no product");
        // A vector on the left is a row, on the right a column; the result does not keep that dimension.
        let (left, right) = (if let [k] = *a { &[1, k][..] } else { a }, if let [k] = *b { &[k, 1][..] } else { b });
        let ([left_stack @ .., m, k], [right_stack @ .., inner, n]) = (left, right) else { return Err(impossible()) };
        if k != inner {
            return Err(impossible());
        }
        let rank = left_stack.len().max(right_stack.len());
        let widened = |stack: &[usize]| [&vec![1; rank - stack.len()], stack].concat();
        let (left, right) = (widened(left_stack), widened(right_stack));
        let mut stack = Vec::with_capacity(rank);
        for sizes in left.iter().zip(&right) {
            stack.push(match sizes {
                (left, right) if left == right => *left,
                (1, size) | (size, 1) => *size,
                _ => return Err(impossible()),
            });
        }
        let mut shape = stack.clone();
        shape.extend((a.len() > 1).then_some(m));
        shape.extend((b.len() > 1).then_some(n));
        let elements = shape.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim.max(1)));
        if elements.is_none_or(|elements| elements > MAX_ELEMENTS) {
            return Err(format!("its result of shape {shape:?} has too many elements"));
        }
        Ok(Self { m: *m, k: *k, n: *n, stacks: [stack, left, right], shape })
    }

    /// Shape of the result with the dimensions that vectors among the operands do not keep.
    pub(super) fn full_shape(&self) -> Vec<usize> {
        [self.stacks[0].as_slice(), &[self.m, self.n]].concat()
    }

    /// Which matrices of the left and the right operand a matrix of the result is the product of.
    pub(super) fn pair(&self, matrix: usize) -> (usize, usize) {
        let [stack, left, right] = &self.stacks;
        let (mut rest, mut at, mut strides) = (matrix, (0, 0), (1, 1));
        for ((size, left), right) in stack.iter().zip(left).zip(right).rev() {
            let position = rest % size;
            rest /= size;
            // A dimension of 1 is the same for all positions.
            at.0 += if *left == 1 { 0 } else { position * strides.0 };
            at.1 += if *right == 1 { 0 } else { position * strides.1 };
            strides = (strides.0 * left, strides.1 * right);
        }
        at
    }

    /// The products, accumulated in int32 with wraparound, as ONNX allows.
    ///
    /// `a` and `b` hold the integers less their zero points, which are 9 bits wide, so that no single product overflows.
    pub(super) fn multiply(&self, a: &[i32], b: &[i32]) -> Vec<i32> {
        let Self { m, k, n, .. } = *self;
        let mut results = vec![0i32; self.stacks[0].iter().product::<usize>() * m * n];
        if n == 0 || k == 0 {
            return results;
        }
        for (index, row) in results.chunks_exact_mut(n).enumerate() {
            let (left, right) = self.pair(index / m);
            let at = (left * m + index % m) * k;
            let matrix = &b[right * k * n..(right + 1) * k * n];
            for (&value, factors) in a[at..at + k].iter().zip(matrix.chunks_exact(n)) {
                for (sum, &factor) in row.iter_mut().zip(factors) {
                    *sum = sum.wrapping_add(value.wrapping_mul(factor));
                }
            }
        }
        results
    }
}

/// The 8-bit integers of an operand.
pub(super) fn bytes(tensor: &Tensor, name: &str) -> Result<Vec<i64>, String> {
    match tensor.data.data_type() {
        DataType::Int8 | DataType::Uint8 => super::integers(tensor, name),
        other => Err(format!("its input {name} is of type {other}, not int8 or uint8")),
    }
}

/// Whether parameters belong to the rows or to the columns of matrices.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Rows,
    Columns,
}

/// Index of the parameter for row or column `line` of `lines` of matrix `matrix`, given how they lie: one for all, one per line of every
/// matrix, or, with as many dimensions as the matrices and 1 along the other side, one per line of each.
pub(super) fn parameter_index(
    tensor: &Tensor,
    name: &str,
    matrices: &[usize],
    side: Side,
) -> Result<impl Fn(usize, usize) -> usize + use<>, String> {
    let lines = match (matrices, side) {
        ([.., rows, _], Side::Rows) => *rows,
        ([.., _, columns], Side::Columns) => *columns,
        _ => 1,
    };
    let mut each = matrices.to_vec();
    if let Some(other) = each.len().checked_sub(if side == Side::Rows { 1 } else { 2 }) {
        each[other] = 1;
    }
    let one = tensor.data.len() == 1;
    let per_line = tensor.shape == [lines];
    if !one && !per_line && (matrices.len() < 2 || tensor.shape != each) {
        return Err(format!("its input {name} has the shape {:?} for matrices of shape {matrices:?}", tensor.shape));
    }
    Ok(move |matrix: usize, line: usize| match (one, per_line) {
        (true, _) => 0,
        (_, true) => line,
        _ => matrix * lines + line,
    })
}

/// The integers of an operand less their zero points.
pub(super) fn centered(
    tensor: &Tensor,
    zero_point: Option<&Tensor>,
    name: &str,
    side: Side,
) -> Result<Vec<i32>, String> {
    let values = bytes(tensor, name)?;
    let Some(zero_point) = zero_point else { return Ok(values.into_iter().map(|value| value as i32).collect()) };
    let name = format!("{name}_zero_point");
    if zero_point.data.data_type() != tensor.data.data_type() {
        return Err(format!("its input {name} is of another type than what it belongs to"));
    }
    let zero_points = bytes(zero_point, &name)?;
    let index = parameter_index(zero_point, &name, &tensor.shape, side)?;
    let (rows, columns) = match tensor.shape[..] {
        [.., rows, columns] => (rows, columns),
        _ => (1, values.len()),
    };
    let centered = values.into_iter().enumerate().map(|(element, value)| {
        let (row, column) = (element / columns, element % columns);
        let line = if side == Side::Rows { row % rows } else { column };
        (value - zero_points[index(row / rows, line)]) as i32
    });
    Ok(centered.collect())
}

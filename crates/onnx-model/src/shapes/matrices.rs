//! Shapes of matrix products, broadcasts and recurrent layers.

use alloc::vec;
use alloc::vec::Vec;

use super::{Shape, Shapes, Size};
use crate::Error;
use crate::proto::NodeProto;

impl<'g> Shapes<'g> {
    /// Result of Gemm, of matrices `a` and `b` that may lie transposed.
    pub(super) fn gemm(&self, node: &NodeProto, a: usize, b: usize) -> Result<Option<Shape<'g>>, Error> {
        let dim = |input: usize, axis: usize| {
            let shape = node.input.get(input).and_then(|name| self.get(name));
            shape.and_then(|shape| shape.get(axis)).copied().unwrap_or(Size::Unknown)
        };
        let row = usize::from(node.attr_int("transA", 0)? != 0);
        let column = usize::from(node.attr_int("transB", 0)? == 0);
        Ok(Some(vec![dim(a, row), dim(b, column)]))
    }

    /// Result of MatMul: the last two dimensions multiply as matrices, those before are broadcast, a vector is a row or a column that is
    /// dropped afterwards.
    pub(super) fn matmul(&self, node: &NodeProto, a: usize, b: usize) -> Option<Shape<'g>> {
        let of = |input: usize| self.get(node.input.get(input)?);
        let split = |shape: &'_ [Size<'g>]| -> Option<(Shape<'g>, Shape<'g>)> {
            let (outer, matrix) = shape.split_at(shape.len().saturating_sub(2));
            (!matrix.is_empty()).then(|| (outer.to_vec(), matrix.to_vec()))
        };
        let ((outer_a, a), (outer_b, b)) = (split(of(a)?)?, split(of(b)?)?);
        let mut shape = broadcast(&outer_a, &outer_b);
        if let [rows, _] = a.as_slice() {
            shape.push(*rows);
        }
        if let [_, columns] = b.as_slice() {
            shape.push(*columns);
        }
        Some(shape)
    }

    /// Result of an elementwise operator of the given inputs.
    pub(super) fn broadcast(&self, node: &NodeProto, inputs: &[usize]) -> Option<Shape<'g>> {
        let mut shape: Option<Shape> = None;
        for &input in inputs {
            let other = self.get(node.input.get(input)?)?;
            shape = Some(match shape {
                Some(shape) => broadcast(&shape, other),
                None => other.to_vec(),
            });
        }
        shape
    }

    /// Results of RNN, GRU and LSTM with the recurrent weights `[directions, gates * hidden, hidden]`.
    pub(super) fn recurrent(&self, node: &NodeProto) -> Result<Vec<Option<Shape<'g>>>, Error> {
        let of = |input: usize| self.get(node.input.get(input)?);
        let (Some([first, second, _]), Some([directions, _, hidden])) = (of(0), of(2)) else {
            return Ok(Vec::new());
        };
        // Layout 1 has the batch before the steps.
        Ok(match node.attr_int("layout", 0)? {
            0 => {
                let state = vec![*directions, *second, *hidden];
                vec![Some(vec![*first, *directions, *second, *hidden]), Some(state.clone()), Some(state)]
            }
            _ => {
                let state = vec![*first, *directions, *hidden];
                vec![Some(vec![*first, *second, *directions, *hidden]), Some(state.clone()), Some(state)]
            }
        })
    }
}

/// Numpy's rule: dimensions are paired from the last one, and one of size 1 takes the size of the other.
pub(super) fn broadcast<'g>(a: &[Size<'g>], b: &[Size<'g>]) -> Shape<'g> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[Size<'g>], axis: usize| (axis + shape.len()).checked_sub(rank).map(|axis| shape[axis]);
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (None | Some(Size::Fixed(1)), Some(other)) | (Some(other), None | Some(Size::Fixed(1))) => other,
            (Some(a), Some(b)) => a.or(b),
            (None, None) => Size::Unknown,
        })
        .collect()
}

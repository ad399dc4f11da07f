//! Weights and bias of a Gemm, and what becomes of them when scale and shift are folded in.

use onnx_model::Tensor;
use onnx_model::graph::GraphIndex;
use onnx_model::proto::NodeProto;

use super::affine::Affine;
use crate::Error;
use crate::constants::float_constant;
use crate::node::is_plain_gemm;

/// The constants of a Gemm as `y = x W + b`, in f64 so that several folds round once.
pub(crate) struct DenseConstants {
    /// `[k, n]`, row by row, whatever `transB` says.
    weights: Vec<f64>,
    bias: Vec<f64>,
    k: usize,
    n: usize,
    transposed: bool,
}

impl DenseConstants {
    /// The constants of `node`; `None` when it is no Gemm with constant f32 weights and a constant bias per output, or none.
    pub(crate) fn read(index: &GraphIndex<'_>, node: &NodeProto) -> Result<Option<Self>, Error> {
        let (true, Some(name)) = (is_plain_gemm(node)?, node.input.get(1)) else { return Ok(None) };
        let Some((shape, values)) = float_constant(index, name)? else { return Ok(None) };
        let [rows, columns] = shape[..] else { return Ok(None) };
        let transposed = node.attr_int("transB", 0)? != 0;
        let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            None => vec![0.0; n],
            Some(name) => match float_constant(index, name)? {
                Some((shape, values)) if shape == [n] || shape == [1, n] => values.into_iter().map(f64::from).collect(),
                Some((shape, values)) if shape.len() <= 2 && values.len() == 1 => vec![f64::from(values[0]); n],
                _ => return Ok(None),
            },
        };
        let weights = in_order(&values, rows, columns, transposed).map(f64::from).collect();
        Ok(Some(Self { weights, bias, k, n, transposed }))
    }

    /// `(x W + b) * scale + shift` as one layer; `None` when the features differ or a value leaves the range of f32.
    pub(crate) fn followed_by(&self, affine: &Affine<'_>) -> Option<Self> {
        let (scale, shift) = (affine.scale.of(self.n)?, affine.shift.of(self.n)?);
        let weights = self.weights.iter().enumerate().map(|(i, weight)| weight * scale.at(i % self.n)).collect();
        let bias = self.bias.iter().enumerate().map(|(n, bias)| bias * scale.at(n) + shift.at(n)).collect();
        Self { weights, bias, ..*self }.finite()
    }

    /// `(x * scale + shift) W + b` as one layer; `None` when the features differ or a value leaves the range of f32.
    pub(crate) fn preceded_by(&self, affine: &Affine<'_>) -> Option<Self> {
        let (scale, shift) = (affine.scale.of(self.k)?, affine.shift.of(self.k)?);
        let weights = self.weights.iter().enumerate().map(|(i, weight)| weight * scale.at(i / self.n)).collect();
        let mut bias = self.bias.clone();
        for (i, weight) in self.weights.iter().enumerate() {
            bias[i % self.n] += shift.at(i / self.n) * weight;
        }
        Self { weights, bias, ..*self }.finite()
    }

    fn finite(self) -> Option<Self> {
        self.weights.iter().chain(&self.bias).all(|&value| (value as f32).is_finite()).then_some(self)
    }

    /// Weights and bias rounded to f32, in the form the Gemm reads.
    pub(crate) fn tensors(&self) -> Result<[Tensor; 2], Error> {
        let (k, n) = (self.k, self.n);
        let shape = if self.transposed { [n, k] } else { [k, n] };
        let weights = in_order(&self.weights, k, n, self.transposed).map(|value| value as f32).collect();
        let bias = self.bias.iter().map(|&value| value as f32).collect();
        Ok([Tensor::f32("", &shape, weights)?, Tensor::f32("", &[n], bias)?])
    }
}

/// The values of a matrix row by row, or column by column.
fn in_order<T: Copy>(
    values: &[T],
    rows: usize,
    columns: usize,
    by_column: bool,
) -> impl Iterator<Item = T> + use<'_, T> {
    let position = move |i: usize| if by_column { i % rows * columns + i / rows } else { i };
    (0..rows * columns).map(move |i| values[position(i)])
}

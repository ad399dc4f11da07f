//! Finds a dense layer in f32 behind a tensor and prepares it for the kernels.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use kernels::{Kernel, PackedF32};
use onnx_model::TensorData;
use onnx_model::graph::describe;

use super::graph::{Graph, op};
use super::product::{Product, match_product};
use crate::Error;

/// Gemm, MatMul or MatMul + Add on an f32 tensor and constant f32 weights, with Relu and Clip behind it.
pub(crate) struct DenseFloatPattern<'a> {
    product: Product<'a>,
    /// Input features.
    k: usize,
    /// Output channels.
    pub(crate) n: usize,
}

/// A dense layer in f32, ready to run.
pub(crate) struct DenseFloat {
    pub(crate) weights: PackedF32,
    pub(crate) bias: Vec<f32>,
    pub(crate) clamp: (f32, f32),
}

/// Matches a dense layer whose result is `tensor`; returns it with the tensor it reads.
///
/// `sample` tells the shape of one sample of a tensor, where that is known: without it nothing proves that ONNX multiplies what the
/// kernel would. `passes` says of a tensor inside the layer whether nobody else needs it.
pub(crate) fn match_dense_float<'a, 's>(
    graph: &Graph<'a>,
    tensor: &'a str,
    sample: impl Fn(&str) -> Option<&'s [usize]>,
    passes: impl Fn(&str) -> bool,
) -> Result<Option<(&'a str, DenseFloatPattern<'a>)>, Error> {
    let Some(product) = match_product(graph, tensor, passes)? else { return Ok(None) };
    let Some(sample) = sample(product.input) else { return Ok(None) };
    let Some([rows, columns]) = graph.float_shape(product.weights).and_then(|shape| <[usize; 2]>::try_from(shape).ok())
    else {
        return Ok(None);
    };
    let (k, n) = if product.transposed { (columns, rows) } else { (rows, columns) };
    let rank = sample.len() + 1;
    let fits = sample.last() == Some(&k) && (op(product.node) == "MatMul" || rank == 2);
    let bias_fits =
        product.bias.is_none_or(|bias| graph.float_shape(bias).is_some_and(|shape| is_bias(&shape, rank, n)));
    Ok((fits && bias_fits).then_some((product.input, DenseFloatPattern { product, k, n })))
}

/// Whether a tensor of this shape, added to one of `rank` dimensions of which the last is `n`, is one value per channel or one for all.
fn is_bias(shape: &[usize], rank: usize, n: usize) -> bool {
    let Some((&last, front)) = shape.split_last() else { return true };
    shape.len() <= rank && front.iter().all(|&dim| dim == 1) && (last == n || last == 1)
}

impl DenseFloatPattern<'_> {
    /// Reads and packs the layer's constants.
    pub(crate) fn load(&self, graph: &Graph<'_>, kernel: &dyn Kernel) -> Result<DenseFloat, Error> {
        let weights = self.constant(graph, self.product.weights)?;
        let (k, n) = (self.k, self.n);
        let packed = if self.product.transposed {
            let turned: Vec<f32> = (0..k).flat_map(|input| weights.iter().skip(input).step_by(k).copied()).collect();
            kernel.pack_f32(&turned, k, n)
        } else {
            kernel.pack_f32(&weights, k, n)
        };
        let bias = match self.product.bias {
            // Adding -0.0 changes nothing, not even the sign of a zero.
            None => vec![-0.0; n],
            Some(bias) => match self.constant(graph, bias)?.as_slice() {
                [one] => vec![*one; n],
                each => each.to_vec(),
            },
        };
        Ok(DenseFloat { weights: packed, bias, clamp: self.product.clamp })
    }

    fn constant(&self, graph: &Graph<'_>, name: &str) -> Result<Vec<f32>, Error> {
        match graph.constant(name).map(|tensor| tensor.data) {
            Some(TensorData::F32(values)) => Ok(values),
            _ => Err(Error::Invalid {
                node: describe(self.product.node),
                reason: format!("its constant \"{name}\" cannot be read as the f32 tensor it is declared to be"),
            }),
        }
    }
}

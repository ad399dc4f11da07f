//! Finds a dense layer on f32 activations behind a tensor and prepares it for the kernels.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use kernels::{Bits, Kernel, Matrix, PackedBlocks, PackedF32};
use onnx_model::TensorData;
use onnx_model::graph::describe;

use super::blocked_weights::{BlockedWeights, match_blocked_weights};
use super::graph::{Graph, op};
use super::product::{Product, match_product};
use crate::Error;

/// Gemm, MatMul or MatMul + Add on an f32 tensor and constant weights, with Relu and Clip behind it.
pub(crate) struct DenseFloatPattern<'a> {
    product: Product<'a>,
    /// Where the weights are integers behind DequantizeLinear.
    blocked: Option<BlockedWeights<'a>>,
    /// Input features.
    k: usize,
    /// Output channels.
    pub(crate) n: usize,
}

/// A dense layer on f32 activations, ready to run.
pub(crate) struct DenseFloat {
    pub(crate) weights: FloatWeights,
    pub(crate) bias: Vec<f32>,
    pub(crate) clamp: (f32, f32),
}

/// The weights of a [`DenseFloat`].
pub(crate) enum FloatWeights {
    F32(PackedF32),
    Blocked(PackedBlocks),
}

impl FloatWeights {
    /// Input features.
    pub(crate) fn k(&self) -> usize {
        match self {
            Self::F32(weights) => weights.k(),
            Self::Blocked(weights) => weights.k(),
        }
    }

    /// Output channels.
    pub(crate) fn n(&self) -> usize {
        match self {
            Self::F32(weights) => weights.n(),
            Self::Blocked(weights) => weights.n(),
        }
    }

    /// Memory they take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::F32(weights) => weights.bytes(),
            Self::Blocked(weights) => weights.bytes(),
        }
    }

    /// What the layer multiplies, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::F32(_) => "f32".to_owned(),
            Self::Blocked(weights) => {
                let bits = if weights.bits() == Bits::Four { 4 } else { 8 };
                match weights.block() {
                    block if block < weights.k() => format!("f32 x s{bits} in blocks of {block}"),
                    _ => format!("f32 x s{bits}"),
                }
            }
        }
    }
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
    let float = graph.float_shape(product.weights).and_then(|shape| <[usize; 2]>::try_from(shape).ok());
    let blocked = match_blocked_weights(graph, product.weights, product.transposed)?;
    let (k, n) = match (float, &blocked) {
        (Some([rows, columns]), _) if product.transposed => (columns, rows),
        (Some(shape), _) => shape.into(),
        (None, Some(blocked)) => (blocked.k, blocked.n),
        (None, None) => return Ok(None),
    };
    let rank = sample.len() + 1;
    // Without inputs, the number of outputs would be bounded by nothing that the file has to hold.
    let fits = k > 0 && sample.last() == Some(&k) && (op(product.node) == "MatMul" || rank == 2);
    let bias_fits =
        product.bias.is_none_or(|bias| graph.float_shape(bias).is_some_and(|shape| is_bias(&shape, rank, n)));
    Ok((fits && bias_fits).then_some((product.input, DenseFloatPattern { product, blocked, k, n })))
}

/// Whether a tensor of this shape, added to one of `rank` dimensions of which the last is `n`, is one value per channel or one for all.
pub(super) fn is_bias(shape: &[usize], rank: usize, n: usize) -> bool {
    let Some((&last, front)) = shape.split_last() else { return true };
    shape.len() <= rank && front.iter().all(|&dim| dim == 1) && (last == n || last == 1)
}

impl DenseFloatPattern<'_> {
    /// Reads and packs the layer's constants.
    pub(crate) fn load(&self, graph: &Graph<'_>, kernel: &dyn Kernel) -> Result<DenseFloat, Error> {
        let (k, n) = (self.k, self.n);
        let weights = match &self.blocked {
            Some(blocked) => FloatWeights::Blocked(blocked.load(graph, kernel)?),
            None => {
                let weights = self.constant(graph, self.product.weights)?;
                FloatWeights::F32(kernel.pack_f32(match self.product.transposed {
                    true => Matrix::new(&weights, n, k).transposed(),
                    false => Matrix::new(&weights, k, n),
                }))
            }
        };
        let bias = match self.product.bias {
            // Adding -0.0 changes nothing, not even the sign of a zero.
            None => vec![-0.0; n],
            Some(bias) => match self.constant(graph, bias)?.as_slice() {
                [one] => vec![*one; n],
                each => each.to_vec(),
            },
        };
        Ok(DenseFloat { weights, bias, clamp: self.product.clamp })
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

//! Finds a dense layer of integers whose input is quantized by the range it has in the run, as `quantize_dynamic` of ONNX Runtime writes it.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use kernels::{Kernel, PackedWeights, Weights, pair_sums_fit};
use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;
use onnx_model::{DataType, TensorData};

use super::dense_float::is_bias;
use super::elementwise::clip_bounds;
use super::graph::{Graph, op};
use super::integer_weights::{IntegerWeights, integers};
use super::product::{MAX_CLAMPS, narrow};
use crate::Error;

/// DynamicQuantizeLinear, MatMulInteger with constant weights, Cast and the Mul by both scales, with an Add of a bias, Relu and Clip behind.
pub(crate) struct DenseDynamicPattern<'a> {
    /// The MatMulInteger.
    product: &'a NodeProto,
    /// Scales of the weights.
    scales: &'a str,
    bias: Option<&'a str>,
    /// Real interval that the fused Relu and Clip leave.
    clamp: (f32, f32),
    /// Input features.
    k: usize,
    /// Output channels.
    pub(crate) n: usize,
}

/// Such a layer, ready to run.
pub(crate) struct DenseDynamic {
    pub(crate) weights: PackedWeights,
    /// Scale of each channel's weights.
    pub(crate) scales: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) clamp: (f32, f32),
    /// The lowest and the highest sum of any channel over all inputs and zero points of inputs; beyond int32 sums wrap.
    pub(crate) reach: (i64, i64),
    /// Channels whose sums of two neighbouring products fit 16 bits.
    pub(crate) pair_sums_proven: usize,
}

/// Matches such a layer whose result is `tensor`; returns it with the f32 tensor that it quantizes.
///
/// `sample` tells the shape of one sample of a tensor that the engine has; `passes` says of a tensor inside the layer whether nobody else
/// needs it.
pub(crate) fn match_dense_dynamic<'a, 's>(
    graph: &Graph<'a>,
    tensor: &'a str,
    sample: impl Fn(&str) -> Option<&'s [usize]>,
    passes: impl Fn(&str) -> bool,
) -> Result<Option<(&'a str, DenseDynamicPattern<'a>)>, Error> {
    let mut clamp = (f32::NEG_INFINITY, f32::INFINITY);
    let mut bias = None;
    let mut current = tensor;
    let mut behind = 0;
    let scaled = loop {
        let Some((_, node)) = graph.producer(current) else { return Ok(None) };
        let inner = match (op(node), node.input.as_slice()) {
            // Walking from the result towards the product, an inner clamp is narrowed by the outer ones already seen.
            ("Relu", [inner]) if bias.is_none() => {
                clamp = narrow((0.0, f32::INFINITY), clamp);
                inner
            }
            ("Clip", [inner, ..]) if bias.is_none() => match clip_bounds(graph, node)? {
                Some(bounds) if bounds.0 <= bounds.1 => {
                    clamp = narrow(bounds, clamp);
                    inner
                }
                _ => return Ok(None),
            },
            ("Add", [a, b]) if bias.is_none() => {
                let (inner, constant) = if graph.is_constant(a) { (b, a) } else { (a, b) };
                bias = Some(constant.as_str());
                inner
            }
            ("Mul", [a, b]) => break [a.as_str(), b.as_str()],
            _ => return Ok(None),
        };
        // The bias is one more.
        behind += 1;
        if behind > MAX_CLAMPS + 1 || !passes(inner) {
            return Ok(None);
        }
        current = inner;
    };
    let Some((product, input, scales)) = product(graph, scaled, &passes)? else { return Ok(None) };
    let shape = graph.constant_shape(&product.input[1]).and_then(|shape| <[usize; 2]>::try_from(shape).ok());
    let (Some([k, n]), Some(sample)) = (shape, sample(input)) else { return Ok(None) };
    let per_channel = |shape: Vec<usize>| is_bias(&shape, sample.len() + 1, n);
    let zero_points = product.input.get(3).filter(|name| !name.is_empty());
    // Without inputs, the number of outputs would be bounded by nothing that the file has to hold.
    let fits = k > 0
        && sample.last() == Some(&k)
        && matches!(graph.constant_type(&product.input[1]), Some(DataType::Int8 | DataType::Uint8))
        && graph.float_shape(scales).is_some_and(per_channel)
        && bias.is_none_or(|bias| graph.float_shape(bias).is_some_and(per_channel))
        && zero_points.is_none_or(|name| graph.constant_shape(name).is_some_and(per_channel));
    Ok(fits.then_some((input, DenseDynamicPattern { product, scales, bias, clamp, k, n })))
}

/// The MatMulInteger in `Mul(Cast(MatMulInteger(q, weights, ...)), Mul(scale, weight_scales))`, the tensor that DynamicQuantizeLinear made `q`
/// and `scale` of, and the scales of the weights.
fn product<'a>(
    graph: &Graph<'a>,
    [a, b]: [&'a str; 2],
    passes: impl Fn(&str) -> bool,
) -> Result<Option<(&'a NodeProto, &'a str, &'a str)>, Error> {
    let made_by =
        |tensor: &str, operator: &str| graph.producer(tensor).map(|(_, node)| node).filter(|node| op(node) == operator);
    let cast = [(a, b), (b, a)].into_iter().find_map(|(sums, steps)| Some((sums, steps, made_by(sums, "Cast")?)));
    let Some((sums, steps, cast)) = cast else { return Ok(None) };
    let [accumulated] = cast.input.as_slice() else { return Ok(None) };
    let (Some(product), Some(steps)) = (made_by(accumulated, "MatMulInteger"), made_by(steps, "Mul")) else {
        return Ok(None);
    };
    let ([q, _, zero_point, ..], [a, b]) = (product.input.as_slice(), steps.input.as_slice()) else { return Ok(None) };
    let Some(quantize) = made_by(q, "DynamicQuantizeLinear") else { return Ok(None) };
    let ([x], [integers, scale, zero]) = (quantize.input.as_slice(), quantize.output.as_slice()) else {
        return Ok(None);
    };
    let scales = if a == scale { b } else { a };
    let is_float = cast.attr_int("to", 0)? == i64::from(i32::from(DataType::Float));
    let own = integers == q && zero == zero_point && (a == scale || b == scale);
    let inner = passes(sums) && passes(accumulated);
    Ok((is_float && own && inner).then_some((product, x, scales)))
}

impl DenseDynamicPattern<'_> {
    /// Reads and packs the layer's constants.
    pub(crate) fn load(&self, graph: &Graph<'_>, kernel: &dyn Kernel) -> Result<DenseDynamic, Error> {
        let (k, n) = (self.k, self.n);
        let eight_bit = |name: &str| graph.constant(name).and_then(|tensor| integers(&tensor.data));
        let weights = eight_bit(&self.product.input[1]).ok_or_else(|| self.unreadable(&self.product.input[1]))?;
        let zero_points = match self.product.input.get(3).filter(|name| !name.is_empty()) {
            None => vec![0; n],
            Some(name) => {
                let of_type = eight_bit(name).filter(|(unsigned, _)| *unsigned == weights.0);
                spread(of_type.ok_or_else(|| self.unreadable(name))?.1, n)
            }
        };
        let weights = IntegerWeights::new([k, n], false, weights, zero_points);
        let weights = weights.for_inputs((u8::MIN, u8::MAX));
        Ok(DenseDynamic {
            weights: kernel.pack_weights(&weights),
            reach: reach(&weights),
            pair_sums_proven: pair_sums_fit(&weights).into_iter().filter(|&fits| fits).count(),
            scales: spread(self.floats(graph, self.scales)?, n),
            bias: match self.bias {
                // Adding -0.0 changes nothing, not even the sign of a zero.
                None => vec![-0.0; n],
                Some(bias) => spread(self.floats(graph, bias)?, n),
            },
            clamp: self.clamp,
        })
    }

    fn floats(&self, graph: &Graph<'_>, name: &str) -> Result<Vec<f32>, Error> {
        match graph.constant(name).map(|tensor| tensor.data) {
            Some(TensorData::F32(values)) => Ok(values),
            _ => Err(self.unreadable(name)),
        }
    }

    fn unreadable(&self, name: &str) -> Error {
        Error::Invalid {
            node: describe(self.product),
            reason: format!("its constant \"{name}\" cannot be read as the tensor its place asks for"),
        }
    }
}

/// The lowest and the highest `sum((x - zero_point) * weight)` of any channel over all `x` and zero points within 0..=255.
fn reach(weights: &Weights<'_>) -> (i64, i64) {
    let mut sums = vec![(0i64, 0i64); weights.n];
    for row in weights.values.chunks_exact(weights.n.max(1)) {
        for (channel, (&value, (positive, negative))) in row.iter().zip(&mut sums).enumerate() {
            let weight = i64::from(value) - i64::from(weights.zero_points.get(channel).copied().unwrap_or(0));
            *(if weight > 0 { positive } else { negative }) += weight;
        }
    }
    // Linear in the zero point, so that one of its ends is the extreme: there all `x - zero_point` have one sign.
    let largest = sums.iter().map(|(positive, negative)| positive.max(&-negative) * i64::from(u8::MAX)).max();
    let largest = largest.unwrap_or(0);
    (-largest, largest)
}

/// One value for each of `n` channels.
fn spread<T: Copy>(values: Vec<T>, n: usize) -> Vec<T> {
    match values.as_slice() {
        [one] => vec![*one; n],
        _ => values,
    }
}

//! Finds a quantized dense layer behind a tensor and prepares it for the kernels.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use kernels::{Kernel, PackedWeights, Weights, pair_sums_fit};
use onnx_model::TensorData;
use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;

use super::graph::Graph;
use super::integer_weights::{IntegerWeights, integers};
use super::product::{Product, match_product};
use crate::Error;
use crate::error::OTHER_RUNTIME;
use crate::quantization::QuantParams;

/// Gemm, MatMul or MatMul + Add on a dequantized activation and a dequantized constant weight, with Relu and Clip behind it.
pub(crate) struct DensePattern<'a> {
    /// The Gemm or MatMul.
    pub(crate) node: &'a NodeProto,
    pub(crate) input: QuantParams,
    weights: &'a NodeProto,
    transposed: bool,
    bias: Option<&'a str>,
    /// Real interval that the fused Relu and Clip leave.
    clamp: (f32, f32),
    /// Parameters of the result; without them it is f32.
    pub(crate) output: Option<QuantParams>,
}

/// A dense layer ready to run.
pub(crate) struct Dense {
    pub(crate) weights: PackedWeights,
    /// Bias in accumulator steps minus the input zero point's share of each column.
    pub(crate) bias: Vec<i32>,
    pub(crate) output: DenseOutput,
    /// Lowest and highest accumulator that any input the layer can meet gives.
    pub(crate) reach: (i32, i32),
    /// Channels whose 16-bit pair sums cannot overflow.
    pub(crate) pair_sums_proven: usize,
}

/// What leaves the accumulators.
pub(crate) enum DenseOutput {
    U8 { multipliers: Vec<f32>, zero_point: u8, min: u8, max: u8 },
    F32 { scales: Vec<f32>, min: f32, max: f32 },
}

/// Matches a dense layer whose result, after any Relu and Clip, is `tensor`; returns it with the quantized tensor it reads.
pub(crate) fn match_dense<'a>(
    graph: &Graph<'a>,
    tensor: &'a str,
    output: Option<QuantParams>,
) -> Result<Option<(&'a str, DensePattern<'a>)>, Error> {
    let Some(Product { node, input, weights, transposed, bias, clamp }) = match_product(graph, tensor, |_| true)?
    else {
        return Ok(None);
    };
    let Some(input) = graph.dequantized(input)? else { return Ok(None) };
    let Some(weights) = graph.constant_dequantize(weights) else { return Ok(None) };
    Ok(Some((input.input, DensePattern { node, input: input.params, weights, transposed, bias, clamp, output })))
}

impl DensePattern<'_> {
    /// Output channels, from the shape of the weights.
    pub(crate) fn outputs(&self, graph: &Graph<'_>) -> Option<usize> {
        match graph.constant_shape(&self.weights.input[0])?[..] {
            [rows, columns] => Some(if self.transposed { rows } else { columns }),
            _ => None,
        }
    }

    /// Reads, checks and packs the layer's constants. Inputs are known to be within `levels`.
    pub(crate) fn load(&self, graph: &Graph<'_>, kernel: &dyn Kernel, levels: (u8, u8)) -> Result<Dense, Error> {
        let weights = self.weights(graph)?;
        let weights = weights.for_inputs(levels);
        let weight_scales = self.weight_scales(graph, weights.n)?;
        let scales: Vec<f32> = weight_scales.iter().map(|scale| self.input.scale * scale).collect();
        if let Some(bad) = scales.iter().find(|scale| !(scale.is_finite() && **scale > 0.0)) {
            return Err(self.invalid(format!("the product of its input and weight scales is {bad}")));
        }
        let bias = self.bias(graph, &scales, weights.n)?;
        let (bias, reach) = self.fold_zero_point(&weights, &bias)?;
        let pair_sums_proven = pair_sums_fit(&weights).into_iter().filter(|&fits| fits).count();
        let output = match self.output {
            Some(output) => DenseOutput::U8 {
                multipliers: scales.iter().map(|scale| scale / output.scale).collect(),
                zero_point: output.zero_point,
                min: output.quantize(self.clamp.0),
                max: output.quantize(self.clamp.1),
            },
            None => DenseOutput::F32 { scales, min: self.clamp.0, max: self.clamp.1 },
        };
        Ok(Dense { weights: kernel.pack_weights(&weights), bias, output, reach, pair_sums_proven })
    }

    fn weights(&self, graph: &Graph<'_>) -> Result<IntegerWeights, Error> {
        let tensor = graph
            .constant(&self.weights.input[0])
            .ok_or_else(|| self.unsupported("its weights are not plain 8-bit integers".to_owned()))?;
        let [rows, columns] = tensor.shape[..] else {
            return Err(self.unsupported(format!("its weights have the shape {:?}, not two dimensions", tensor.shape)));
        };
        let n = if self.transposed { rows } else { columns };
        let (unsigned, wide) =
            integers(&tensor.data).ok_or_else(|| self.unsupported("its weights are not 8-bit integers".to_owned()))?;
        let zero_points = self.weight_zero_points(graph, unsigned, n)?;
        Ok(IntegerWeights::new([rows, columns], self.transposed, (unsigned, wide), zero_points))
    }

    /// The zero point of each output channel, in the numbers of the file.
    fn weight_zero_points(&self, graph: &Graph<'_>, unsigned: bool, n: usize) -> Result<Vec<i16>, Error> {
        let Some(name) = self.weights.input.get(2).filter(|name| !name.is_empty()) else { return Ok(vec![0; n]) };
        let tensor = graph
            .constant(name)
            .ok_or_else(|| self.unsupported("the zero points of its weights are computed at run time".to_owned()))?;
        let Some((_, values)) = integers(&tensor.data).filter(|(of_type, _)| *of_type == unsigned) else {
            return Err(self.invalid("the zero point of its weights is not of their 8-bit type".to_owned()));
        };
        let scales = graph.constant_shape(&self.weights.input[1]).map(|shape| shape.iter().product());
        match values.len() {
            count if scales != Some(count) => {
                Err(self.invalid(format!("{count} zero points for the {} scales of its weights", scales.unwrap_or(0))))
            }
            1 => Ok(vec![values[0]; n]),
            count if count == n => Ok(values),
            count => Err(self.invalid(format!("{count} zero points for {n} output channels"))),
        }
    }

    fn weight_scales(&self, graph: &Graph<'_>, n: usize) -> Result<Vec<f32>, Error> {
        let scales = self
            .weights
            .input
            .get(1)
            .and_then(|name| graph.constant(name))
            .and_then(|tensor| tensor.to_f32().ok())
            .ok_or_else(|| self.unsupported("the scales of its weights are computed at run time".to_owned()))?;
        if scales.len() == 1 {
            return Ok(vec![scales[0]; n]);
        }
        let output_axis = if self.transposed { 0 } else { 1 };
        let axis = self.weights.attr_int("axis", 1)?;
        let axis = if axis < 0 { axis + 2 } else { axis };
        if scales.len() != n || axis != output_axis || self.weights.attr_int("block_size", 0)? != 0 {
            return Err(self.unsupported(format!(
                "{} weight scales along axis {axis}; one per output channel ({n}, axis {output_axis}) is what it can take",
                scales.len()
            )));
        }
        Ok(scales)
    }

    /// The bias in steps of `scales[channel]`, rounded half to even where the file holds it in other steps or in float.
    fn bias(&self, graph: &Graph<'_>, scales: &[f32], n: usize) -> Result<Vec<i64>, Error> {
        let Some(name) = self.bias else { return Ok(vec![0; n]) };
        let dequantize = graph.constant_dequantize(name);
        let source = dequantize.map_or(name, |node| node.input[0].as_str());
        let missing = || self.unsupported("its bias is not a constant".to_owned());
        let tensor = graph.constant(source).ok_or_else(missing)?;
        let count = tensor.shape.iter().product::<usize>();
        if !(count == n && tensor.shape.last() == Some(&n)) && count != 1 {
            return Err(self.invalid(format!("a bias of shape {:?} for {n} output channels", tensor.shape)));
        }
        let own_scales = match dequantize {
            None => None,
            Some(node) => Some(
                node.input
                    .get(1)
                    .and_then(|name| graph.constant(name))
                    .and_then(|t| t.to_f32().ok())
                    .ok_or_else(missing)?,
            ),
        };
        let zero_points = dequantize.and_then(|node| node.input.get(2)).filter(|name| !name.is_empty());
        if let Some(name) = zero_points {
            let values = graph.constant(name).and_then(|tensor| tensor.to_f32().ok()).ok_or_else(missing)?;
            if values.iter().any(|&value| value != 0.0) {
                return Err(self.unsupported("its bias has a zero point other than 0".to_owned()));
            }
        }
        let spread = |values: &[f32], channel: usize| if values.len() == 1 { values[0] } else { values[channel] };
        if let Some(own) = &own_scales
            && own.len() != 1
            && own.len() != n
        {
            return Err(self.invalid(format!("{} bias scales for {n} output channels", own.len())));
        }
        (0..n)
            .map(|channel| {
                let real = match (&tensor.data, &own_scales) {
                    (TensorData::I32(values), Some(own)) => {
                        let value = if values.len() == 1 { values[0] } else { values[channel] };
                        if spread(own, channel) == scales[channel] {
                            return Ok(i64::from(value));
                        }
                        f64::from(value) * f64::from(spread(own, channel))
                    }
                    (_, None) => f64::from(spread(&tensor.to_f32()?, channel)),
                    _ => return Err(self.unsupported("its bias is not int32 or float".to_owned())),
                };
                let steps = libm::rint(real / f64::from(scales[channel]));
                if steps.abs() <= f64::from(i32::MAX) {
                    Ok(steps as i64)
                } else {
                    Err(self.invalid(format!("the bias {real} of channel {channel} does not fit int32 at its scale")))
                }
            })
            .collect()
    }

    /// Moves the input zero point into the bias and proves that no input within the weights' levels can overflow an int32 accumulator;
    /// returns the lowest and the highest value any can reach as well.
    fn fold_zero_point(&self, weights: &Weights<'_>, bias: &[i64]) -> Result<(Vec<i32>, (i32, i32)), Error> {
        let n = weights.n;
        let mut positive = vec![0i64; n];
        let mut negative = vec![0i64; n];
        for row in weights.values.chunks_exact(n.max(1)) {
            for (channel, &value) in row.iter().enumerate() {
                let zero_point = weights.zero_points.get(channel).copied().unwrap_or(0);
                let weight = i64::from(value) - i64::from(zero_point);
                let side = if weight > 0 { &mut positive } else { &mut negative };
                side[channel] += weight;
            }
        }
        let (low, high) = (i64::from(weights.input_levels.0), i64::from(weights.input_levels.1));
        let mut reach: Option<(i32, i32)> = None;
        let folded = (0..n).map(|channel| {
            let column = positive[channel] + negative[channel];
            let folded = bias[channel] - i64::from(self.input.zero_point) * column;
            let lowest = folded + high * negative[channel] + low * positive[channel];
            let highest = folded + high * positive[channel] + low * negative[channel];
            match (i32::try_from(folded), i32::try_from(lowest), i32::try_from(highest)) {
                (Ok(folded), Ok(lowest), Ok(highest)) => {
                    let (low, high) = reach.unwrap_or((lowest, highest));
                    reach = Some((low.min(lowest), high.max(highest)));
                    Ok(folded)
                }
                _ => Err(self.invalid(format!(
                    "channel {channel} can reach {lowest}..{highest}, outside int32; leave this layer in float"
                ))),
            }
        });
        let folded = folded.collect::<Result<_, _>>()?;
        Ok((folded, reach.unwrap_or_default()))
    }

    fn invalid(&self, reason: String) -> Error {
        Error::Invalid { node: describe(self.node), reason }
    }

    fn unsupported(&self, reason: String) -> Error {
        Error::Unsupported { node: describe(self.node), reason, way_out: OTHER_RUNTIME }
    }
}

//! Reads constant weights behind DequantizeLinear that a layer multiplies with float activations.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use kernels::{Bits, Blocked, Kernel, PackedBlocks};
use onnx_model::graph::describe;
use onnx_model::proto::NodeProto;
use onnx_model::{DataType, TensorData};

use super::graph::Graph;
use crate::Error;

/// 4- or 8-bit weights with a scale per tensor, per output channel or per block of inputs (ONNX `DequantizeLinear` with `block_size`).
pub(crate) struct BlockedWeights<'a> {
    node: &'a NodeProto,
    /// Whether they lie as `[outputs, inputs]`.
    transposed: bool,
    /// Input features.
    pub(crate) k: usize,
    /// Output channels.
    pub(crate) n: usize,
    /// Inputs that share a scale.
    block: usize,
}

/// Matches `tensor` as such weights, by shapes and types alone.
pub(crate) fn match_blocked_weights<'a>(
    graph: &Graph<'a>,
    tensor: &str,
    transposed: bool,
) -> Result<Option<BlockedWeights<'a>>, Error> {
    let Some(node) = graph.constant_dequantize(tensor) else { return Ok(None) };
    let [values, scales, ..] = node.input.as_slice() else { return Ok(None) };
    let known = [DataType::Int8, DataType::Uint8, DataType::Int4, DataType::Uint4];
    let shape = graph.constant_shape(values).and_then(|shape| <[usize; 2]>::try_from(shape).ok());
    let (Some([rows, columns]), Some(scale_shape)) = (shape, graph.float_shape(scales)) else { return Ok(None) };
    if !graph.constant_type(values).is_some_and(|data_type| known.contains(&data_type)) {
        return Ok(None);
    }
    let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
    let (inputs, outputs) = if transposed { (1, 0) } else { (0, 1) };
    let axis = node.attr_int("axis", 1)?;
    let axis = if axis < 0 { axis + 2 } else { axis };
    let block = match (scale_shape.as_slice(), usize::try_from(node.attr_int("block_size", 0)?)) {
        (shape, Ok(0)) if shape.iter().all(|&dim| dim == 1) => k,
        ([count], Ok(0)) if *count == n && axis == outputs => k,
        (&[a, b], Ok(block)) if block > 0 && axis == inputs => {
            let (blocks, channels) = if transposed { (b, a) } else { (a, b) };
            if blocks != k.div_ceil(block) || channels != n {
                return Ok(None);
            }
            block
        }
        _ => return Ok(None),
    };
    Ok(Some(BlockedWeights { node, transposed, k, n, block: block.max(1) }))
}

impl BlockedWeights<'_> {
    /// Reads and packs them.
    pub(crate) fn load(&self, graph: &Graph<'_>, kernel: &dyn Kernel) -> Result<PackedBlocks, Error> {
        let Self { node, k, n, block, .. } = *self;
        let values = self.integers(graph, &node.input[0])?;
        let scales = graph.constant(&node.input[1]).and_then(|tensor| tensor.to_f32().ok());
        let scales = scales.ok_or_else(|| self.invalid("its scales cannot be read"))?;
        let zero_points = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => {
                let zero_points = self.integers(graph, name)?;
                if zero_points.bits != values.bits || zero_points.shifted.len() != scales.len() {
                    return Err(self.invalid(
                        "its zero points have another type than its values, or are not as many as its scales",
                    ));
                }
                zero_points.shifted
            }
            None => vec![values.zero; scales.len()],
        };
        let zero_points = if zero_points.iter().all(|&zero_point| zero_point == 0) {
            Vec::new()
        } else {
            self.per_block(&zero_points)
        };
        let input_major = if self.transposed { turned(&values.shifted, n, k) } else { values.shifted };
        let scales = self.per_block(&scales);
        let bits = values.bits;
        let blocked = Blocked { values: &input_major, scales: &scales, zero_points: &zero_points, block, bits, k, n };
        Ok(kernel.pack_blocked(&blocked))
    }

    /// A value for each block and channel, `[blocks, outputs]`.
    fn per_block<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let blocks = self.k.div_ceil(self.block);
        match values {
            [one] => vec![*one; blocks * self.n],
            _ if self.transposed => turned(values, self.n, blocks),
            _ => values.to_vec(),
        }
    }

    fn integers(&self, graph: &Graph<'_>, name: &str) -> Result<Integers, Error> {
        let signed = |values, bits| Integers { shifted: values, bits, zero: 0 };
        let unsigned = |values: Vec<u8>, bits, half: u8| Integers {
            shifted: values.into_iter().map(|value| value.wrapping_sub(half) as i8).collect(),
            bits,
            zero: half.wrapping_neg() as i8,
        };
        match graph.constant(name).map(|tensor| tensor.data) {
            Some(TensorData::I8(values)) => Ok(signed(values, Bits::Eight)),
            Some(TensorData::I4(values)) => Ok(signed(values, Bits::Four)),
            Some(TensorData::U8(values)) => Ok(unsigned(values, Bits::Eight, 128)),
            Some(TensorData::U4(values)) => Ok(unsigned(values, Bits::Four, 8)),
            _ => Err(self.invalid(&format!("\"{name}\" cannot be read as integers of 4 or 8 bits"))),
        }
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::Invalid { node: describe(self.node), reason: reason.to_owned() }
    }
}

/// Integers in the signed range.
struct Integers {
    shifted: Vec<i8>,
    bits: Bits,
    /// What 0 has become.
    zero: i8,
}

/// `[columns, rows]` of `[rows, columns]`.
pub(super) fn turned<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

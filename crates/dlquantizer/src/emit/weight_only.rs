//! Layers on float activations whose weights alone are integers, with a scale per channel, tensor or block of inputs.

use onnx_model::{Tensor, TensorData};

use super::graph::Writer;
use super::weights;
use crate::{Error, Layer, LayerRecipe, Precision};

/// Inputs that share a scale of 4-bit weights, where the recipe does not say.
const DEFAULT_BLOCK: usize = 32;

impl Writer<'_> {
    /// Replaces the weights of `layer` by integers; returns their scales.
    pub(super) fn weight_only(
        &mut self,
        layer: &Layer,
        shape: &[usize],
        values: &[f32],
        choice: &LayerRecipe,
    ) -> Result<Vec<f32>, Error> {
        let four = choice.precision == Precision::Int4Weights;
        let block = choice.block.map(|block| block.get() as usize).or(four.then_some(DEFAULT_BLOCK));
        let Some(block) = block else {
            let quantized = weights::quantize(layer, values, None, choice.weights)?;
            self.weights(layer, Tensor::i8("", shape, quantized.weights)?, &quantized.scales)?;
            return Ok(quantized.scales);
        };
        let quantized = weights::in_blocks(layer, values, block, four)?;
        let blocks = layer.inputs.div_ceil(block);
        let data = if four { TensorData::I4(quantized.weights) } else { TensorData::I8(quantized.weights) };
        let stored = self.constant(&format!("{}_quantized", layer.weights), Tensor::new("", shape, data)?);
        let shape = if layer.transposed { [layer.outputs, blocks] } else { [blocks, layer.outputs] };
        let scales = Tensor::f32("", &shape, quantized.scales.clone())?;
        let scales = self.constant(&format!("{}_scale", layer.weights), scales);
        let axis = if layer.transposed { 1 } else { 0 };
        let dequantized = self.dequantize(&layer.weights, &[&stored, &scales], Some(axis));
        if let Some(node) = self.graph.node.last_mut() {
            *node = std::mem::take(node).with_int("block_size", block as i64);
        }
        self.replace_weights(layer, dequantized);
        Ok(quantized.scales)
    }
}

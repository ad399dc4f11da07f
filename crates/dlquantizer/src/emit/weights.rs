//! Quantizes the weights and bias of a layer.

use crate::{Error, Granularity, Layer, MIN_SCALE, QuantParams, QuantType};

/// A bias may take this many accumulator steps; the other half of int32 is left to the products.
const MAX_BIAS_STEPS: f64 = (1u64 << 30) as f64;

/// A layer's constants as integers.
pub(crate) struct QuantizedWeights {
    /// In the order of the float weights.
    pub(crate) weights: Vec<i8>,
    /// One scale, or one per output channel.
    pub(crate) scales: Vec<f32>,
    pub(crate) bias: Option<QuantizedBias>,
}

/// A bias to be quantized in accumulator steps.
pub(crate) struct BiasOn<'a> {
    pub(crate) values: &'a [f32],
    /// Scale of the layer's input.
    pub(crate) input_scale: f32,
}

/// `bias ≈ values * scales`, with `scales[channel] = input_scale * weight_scale[channel]`.
pub(crate) struct QuantizedBias {
    pub(crate) values: Vec<i32>,
    pub(crate) scales: Vec<f32>,
}

/// Parts of the largest weight of a block that 4 bits may be spread over: cutting it can cost less than coarse steps do.
const PARTS: [f32; 8] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65];

/// Quantizes to 4 bits in [-8, 7] or 8 bits in [-127, 127], symmetric, with a scale for every `block` inputs of a channel.
///
/// The scales lie as the weights do: `[blocks, outputs]`, or `[outputs, blocks]` where the weights are transposed. Of 8 bits, the largest weight
/// is the largest integer; of 4 bits, the scale among [`PARTS`] with the least squared error is taken.
pub(crate) fn in_blocks(layer: &Layer, weights: &[f32], block: usize, four: bool) -> Result<QuantizedWeights, Error> {
    check_finite(layer, &layer.weights, weights)?;
    let (k, n) = (layer.inputs, layer.outputs);
    let blocks = k.div_ceil(block);
    let at = |input: usize, output: usize| if layer.transposed { output * k + input } else { input * n + output };
    let (lowest, highest, parts) = if four { (-8.0, 7.0, &PARTS[..]) } else { (-127.0, 127.0, &PARTS[..1]) };
    let mut integers = vec![0; weights.len()];
    let mut scales = vec![0.0; blocks * n];
    for (index, output) in (0..blocks).flat_map(|index| (0..n).map(move |output| (index, output))) {
        let inputs = index * block..k.min(index.saturating_add(1).saturating_mul(block));
        let of_block = || inputs.clone().map(|input| weights[at(input, output)]);
        let largest = of_block().fold(0.0f32, |largest, weight| largest.max(weight.abs()));
        let level = |weight: f32, scale: f32| (weight / scale).round_ties_even().clamp(lowest, highest);
        let error = |scale: f32| -> f64 {
            of_block().map(|weight| f64::from(level(weight, scale) * scale - weight).powi(2)).sum()
        };
        let candidates = parts.iter().map(|part| (largest * part / highest).max(MIN_SCALE));
        let best = candidates.map(|scale| (error(scale), scale)).min_by(|a, b| a.0.total_cmp(&b.0));
        let scale = best.map_or(1.0, |(_, scale)| scale);
        scales[if layer.transposed { output * blocks + index } else { index * n + output }] = scale;
        for input in inputs.clone() {
            integers[at(input, output)] = level(weights[at(input, output)], scale) as i8;
        }
    }
    Ok(QuantizedWeights { weights: integers, scales, bias: None })
}

fn check_finite(layer: &Layer, tensor: &str, values: &[f32]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(Error::NotFinite { layer: layer.name.clone(), tensor: tensor.to_owned(), position }),
        None => Ok(()),
    }
}

/// Quantizes to int8 in [-127, 127], symmetric, and the bias to int32; without one where the bias stays in float.
///
/// A channel's scale is its largest weight over 127, raised where its bias would otherwise leave int32: for a dead channel, whose weights
/// are all 0, the bias alone decides.
pub(crate) fn quantize(
    layer: &Layer,
    weights: &[f32],
    bias: Option<BiasOn<'_>>,
    granularity: Granularity,
) -> Result<QuantizedWeights, Error> {
    check_finite(layer, &layer.weights, weights)?;
    if let (Some(name), Some(bias)) = (&layer.bias, &bias) {
        check_finite(layer, name, bias.values)?;
    }
    let channels = layer.outputs;
    let channel_of = |position: usize| {
        if layer.transposed { position / layer.inputs.max(1) } else { position % channels.max(1) }
    };
    let mut largest = vec![0.0f32; channels];
    for (position, weight) in weights.iter().enumerate() {
        let channel = &mut largest[channel_of(position)];
        *channel = channel.max(weight.abs());
    }
    // What a channel needs: steps fine enough for its largest weight and coarse enough for its bias; 0 if it has neither.
    let needs = (0..channels).map(|channel| {
        let own =
            if largest[channel] > 0.0 { QuantParams::symmetric(largest[channel], QuantType::I8).scale } else { 0.0 };
        let needed = |bias: &BiasOn<'_>| {
            let steps = f64::from(bias.input_scale) * MAX_BIAS_STEPS;
            (f64::from(bias.values[channel].abs()) / steps) as f32
        };
        own.max(bias.as_ref().map_or(0.0, needed))
    });
    let usable = |scale: f32| if scale > 0.0 { scale.max(MIN_SCALE) } else { 1.0 };
    let scales: Vec<f32> = match granularity {
        Granularity::PerChannel => needs.map(usable).collect(),
        Granularity::PerTensor => vec![usable(needs.fold(0.0, f32::max))],
    };
    let scale_of = |channel: usize| if scales.len() == 1 { scales[0] } else { scales[channel] };
    let integers = weights
        .iter()
        .enumerate()
        .map(|(position, weight)| {
            (weight / scale_of(channel_of(position))).round_ties_even().clamp(-127.0, 127.0) as i8
        })
        .collect();
    let bias = bias.map(|BiasOn { values, input_scale }| {
        let products: Vec<f32> = (0..channels).map(|channel| input_scale * scale_of(channel)).collect();
        let steps = |(value, scale): (&f32, &f32)| (f64::from(*value) / f64::from(*scale)).round_ties_even();
        let values = values.iter().zip(&products).map(steps);
        let values = values.map(|steps| steps.clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32).collect();
        let scales = if scales.len() == 1 { vec![input_scale * scales[0]] } else { products };
        QuantizedBias { values, scales }
    });
    Ok(QuantizedWeights { weights: integers, scales, bias })
}

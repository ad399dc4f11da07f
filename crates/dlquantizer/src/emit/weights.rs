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

/// `bias ≈ values * scales`, with `scales[channel] = input_scale * weight_scale[channel]`.
pub(crate) struct QuantizedBias {
    pub(crate) values: Vec<i32>,
    pub(crate) scales: Vec<f32>,
}

/// Quantizes to int8 in [-127, 127], symmetric, and the bias to int32.
///
/// A channel's scale is its largest weight over 127, raised where its bias would otherwise leave int32: for a dead channel, whose weights
/// are all 0, the bias alone decides.
pub(crate) fn quantize(
    layer: &Layer,
    weights: &[f32],
    bias: Option<&[f32]>,
    granularity: Granularity,
    input: QuantParams,
) -> Result<QuantizedWeights, Error> {
    for (name, values) in [(Some(&layer.weights), weights), (layer.bias.as_ref(), bias.unwrap_or_default())] {
        if let (Some(name), Some(position)) = (name, values.iter().position(|value| !value.is_finite())) {
            return Err(Error::NotFinite { layer: layer.name.clone(), tensor: name.clone(), position });
        }
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
        let bias = bias.map_or(0.0, |bias| f64::from(bias[channel].abs()));
        own.max((bias / (f64::from(input.scale) * MAX_BIAS_STEPS)) as f32)
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
    let bias = bias.map(|bias| {
        let products: Vec<f32> = (0..channels).map(|channel| input.scale * scale_of(channel)).collect();
        let steps = |(value, scale): (&f32, &f32)| (f64::from(*value) / f64::from(*scale)).round_ties_even();
        let values = bias.iter().zip(&products).map(steps);
        let values = values.map(|steps| steps.clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32).collect();
        let scales = if scales.len() == 1 { vec![input.scale * scales[0]] } else { products };
        QuantizedBias { values, scales }
    });
    Ok(QuantizedWeights { weights: integers, scales, bias })
}

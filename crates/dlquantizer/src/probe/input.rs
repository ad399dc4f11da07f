//! The values a probe gives to a model.

use int8_inference::QuantParams;
use ndarray::ArrayD;
use onnx_model::graph::GraphIndex;
use onnx_model::{DataType, Dim, Model, ValueInfo};

use crate::Error;
use crate::node::operator;

/// Levels beyond either end of the range.
const BEYOND: i32 = 32;

/// Values per level.
const PER_LEVEL: i32 = 8;

/// Different values: [`PER_LEVEL`] for each of 255 steps and those beyond, ends included.
const VALUES: u32 = (PER_LEVEL * (255 + 2 * BEYOND) + 1) as u32;

/// How an input counts that nothing quantizes: values from -5 to 5.
const UNQUANTIZED: QuantParams = QuantParams { scale: 1.0 / 32.0, zero_point: 128, signed: false };

/// Values that the inputs of a probe may hold, whatever a file says.
const MAX_VALUES: usize = 1 << 28;

/// The parameters by which the first QuantizeLinear that reads `input` quantizes it; `None` if there is none or it has no single scale.
///
/// # Errors
///
/// When the graph has cycles, or a constant of it cannot be read.
pub fn input_quantization(model: &Model, input: &str) -> Result<Option<QuantParams>, Error> {
    let index = GraphIndex::new(model.graph())?;
    for &reader in index.consumers(input) {
        let node = &model.graph().node[reader];
        if operator(node) != "QuantizeLinear" || node.input.first().map(String::as_str) != Some(input) {
            continue;
        }
        let Some(scale) = node.input.get(1).map(|name| index.constant(name)).transpose()?.flatten() else { continue };
        let zero_point = match node.input.get(2).filter(|name| !name.is_empty()) {
            None => Some((0, false)),
            Some(name) => match index.constant(name)? {
                Some(tensor) => {
                    let signed = tensor.data.data_type() == DataType::Int8;
                    tensor.scalar_f32().ok().map(|zero| (zero as i32 + if signed { 128 } else { 0 }, signed))
                }
                None => None,
            },
        };
        if let (Ok(scale), Some((zero_point, signed))) = (scale.scalar_f32(), zero_point)
            && let Ok(zero_point) = u8::try_from(zero_point)
            && scale.is_finite()
            && scale > 0.0
        {
            return Ok(Some(QuantParams { scale, zero_point, signed }));
        }
    }
    Ok(None)
}

/// Refuses samples that are too many values to keep.
pub(super) fn check_size(model: &Model, samples: usize) -> Result<(), Error> {
    let values = values_per_sample(model).and_then(|values| values.checked_mul(samples));
    if values.is_none_or(|values| values > MAX_VALUES) {
        return Err(Error::Probe(format!("asks for {samples} samples, which are more than {MAX_VALUES} values")));
    }
    Ok(())
}

/// What a probe of `samples` samples gives to each input of `model`, `[samples, ...]`.
pub(super) fn inputs(model: &Model, samples: usize) -> Result<Vec<(String, ArrayD<f32>)>, Error> {
    check_size(model, samples)?;
    let mut inputs = Vec::new();
    for (position, input) in model.inputs().into_iter().enumerate() {
        let params = input_quantization(model, &input.name)?.unwrap_or(UNQUANTIZED);
        let sample = sample(&input).unwrap_or_default();
        let elements = sample.iter().product();
        let shape = std::iter::once(samples).chain(sample).collect::<Vec<_>>();
        let values = (0..samples * elements).map(|index| value(params, position as u64, index, elements)).collect();
        let values = ArrayD::from_shape_vec(shape, values).map_err(|error| Error::Probe(error.to_string()))?;
        inputs.push((input.name, values));
    }
    Ok(inputs)
}

/// Values of one sample of all inputs; `None` where a dimension is open or they are too many to count.
pub(super) fn values_per_sample(model: &Model) -> Option<usize> {
    model.inputs().iter().try_fold(0_usize, |total, input| {
        let elements = sample(input)?.into_iter().try_fold(1_usize, usize::checked_mul)?;
        total.checked_add(elements)
    })
}

/// The dimensions behind the batch.
fn sample(input: &ValueInfo) -> Option<Vec<usize>> {
    let fixed = |dim: &Dim| if let Dim::Fixed(size) = dim { Some(*size) } else { None };
    input.shape.as_ref()?.get(1..)?.iter().map(fixed).collect()
}

/// Element `index` of input `seed`, with so many elements to a sample.
fn value(params: QuantParams, seed: u64, index: usize, elements: usize) -> f32 {
    let lowest = -PER_LEVEL * (i32::from(params.zero_point) + BEYOND);
    let above = match index / elements {
        0 => 0,
        1 => VALUES - 1,
        _ => (((splitmix64(seed, index as u64) >> 32) * u64::from(VALUES)) >> 32) as u32,
    };
    (lowest + above as i32) as f32 * (params.scale / PER_LEVEL as f32)
}

/// Output `index` of SplitMix64.
fn splitmix64(seed: u64, index: u64) -> u64 {
    let state = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for seed 1234567 of the published reference implementation.
        let published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        assert_eq!([0, 1, 2, 3].map(|index| splitmix64(1234567, index)), published);
    }

    #[test]
    fn values_reach_beyond_both_ends_and_hit_levels_and_ties() {
        for zero_point in [0, 100, 128, 255] {
            let params = QuantParams { scale: 0.5, zero_point, signed: false };
            let values: Vec<f32> = (0..40_000).map(|index| value(params, 3, index, 100)).collect();
            let steps: Vec<f32> = values.iter().map(|value| value / 0.5 + f32::from(zero_point)).collect();
            assert!(
                steps[..100].iter().all(|&step| step == -32.0) && steps[100..200].iter().all(|&step| step == 287.0)
            );
            assert!(steps.iter().all(|step| (-32.0..=287.0).contains(step)));
            assert!(steps[200..].iter().any(|&step| step < -31.0) && steps[200..].iter().any(|&step| step > 286.0));
            for fraction in [0.0, 0.125, 0.5] {
                assert!(steps.iter().filter(|step| step.rem_euclid(1.0) == fraction).count() > 4000);
            }
            let mut levels = [false; 256];
            values.iter().for_each(|&value| levels[usize::from(params.quantize(value))] = true);
            assert!(levels.iter().all(|&hit| hit));
        }
    }
}

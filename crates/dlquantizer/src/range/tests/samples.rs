//! Values of known distributions, and what quantization makes of them.

use crate::range::{QuantParams, QuantType, Scheme};
use proptest::prelude::*;

pub(crate) const TYPES: [QuantType; 6] =
    [QuantType::U4, QuantType::I4, QuantType::U8, QuantType::I8, QuantType::U16, QuantType::I16];
pub(crate) const SCHEMES: [Scheme; 2] = [Scheme::Asymmetric, Scheme::Symmetric];

/// The relative width of a histogram bin, the error a value has for being known by its bin only.
pub(crate) const BIN: f64 = 1.0 / 128.0;

/// Uniform in (0, 1), by SplitMix64.
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 * (-53_f64).exp2() + (-54_f64).exp2()
    }
}

pub(crate) fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut uniform = uniform(seed);
    let mut next = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..count).map(|_| next() as f32).collect()
}

fn laplace(seed: u64, count: usize) -> Vec<f32> {
    let mut uniform = uniform(seed);
    (0..count).map(|_| (uniform() / uniform()).ln() as f32).collect()
}

/// One tensor of each kind, with `count` values or a few more.
pub(crate) fn kinds(seed: u64, count: usize) -> Vec<(&'static str, Vec<f32>)> {
    let map = |values: Vec<f32>, of: fn(f32) -> f32| values.into_iter().map(of).collect::<Vec<f32>>();
    let with = |mut values: Vec<f32>, more: &[f32]| {
        values.extend(more);
        values
    };
    let mut even = uniform(seed);
    let normal = || normal(seed, count);
    vec![
        ("normal", normal()),
        ("Laplace", laplace(seed, count)),
        ("uniform", (0..count).map(|_| even() as f32 - 0.25).collect()),
        ("ReLU", map(normal(), |x| x.max(0.0))),
        ("ReLU6", map(normal(), |x| (4.0 * x).clamp(0.0, 6.0))),
        ("negative", map(normal(), |x| x - 8.0)),
        ("bimodal", map(normal(), |x| if x.to_bits() % 3 == 0 { 0.25 * x - 2.0 } else { 0.25 * x + 5.0 })),
        ("constant", vec![0.1; count]),
        ("normal with an outlier", with(normal(), &[40.0])),
        ("normal with outliers at both ends", with(normal(), &[-30.0, 35.0, 40.0])),
        ("ReLU with an outlier", with(map(normal(), |x| x.max(0.0)), &[40.0])),
    ]
}

/// Finite values of any size, some of them repeated.
pub(crate) fn any_values() -> impl Strategy<Value = Vec<f32>> {
    const EDGES: [f32; 9] = [0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, f32::MAX, f32::MIN, f32::from_bits(1)];
    let value = prop_oneof![
        any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite()),
        -10.0..10.0_f32,
        (-3.0..3.0_f32).prop_map(|value| value * value * value * value),
        prop::sample::select(&EDGES[..]),
    ];
    prop::collection::vec((value, 1..4_usize), 1..200)
        .prop_map(|values| values.into_iter().flat_map(|(value, count)| vec![value; count]).collect())
}

pub(crate) fn any_type() -> impl Strategy<Value = QuantType> {
    prop::sample::select(&TYPES[..])
}

pub(crate) fn any_scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(&SCHEMES[..])
}

/// Root of the mean square.
pub(crate) fn rms(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    (values.map(|value| value * value).sum::<f64>() / count).sqrt()
}

pub(crate) fn size(values: &[f32]) -> f64 {
    rms(values.iter().map(|&value| f64::from(value)))
}

/// Root of the mean squared error of quantized values, each quantized on its own.
pub(crate) fn error(values: &[f32], params: QuantParams) -> f64 {
    rms(values.iter().map(|&value| {
        f64::from(params.quantize(value) - params.zero_point) * f64::from(params.scale) - f64::from(value)
    }))
}

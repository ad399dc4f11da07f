//! What the model expects of an input, read off the normalization it begins with.

use onnx_model::Model;
use onnx_model::graph::GraphIndex;
use onnx_model::proto::GraphProto;

use super::Finding;
use crate::constants::float_constant;
use crate::node::{only_output, operator};
use crate::{Error, INPUT_MEAN_KEY, INPUT_STD_KEY, TensorRecord};

/// An input may be this many times wider or narrower than expected.
const FACTOR: f64 = 8.0;

/// Its mean may be this many standard deviations from the expected one.
const DEVIATIONS: f64 = 4.0;

/// Values that networks are seldom trained on as they are.
const LARGE: f64 = 32.0;

/// Mean and standard deviation of an input.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Expectation {
    mean: f64,
    std_dev: f64,
}

/// Judges the values of an input of `network`.
pub(super) fn judge(network: &Model, index: &GraphIndex<'_>, input: &TensorRecord) -> Result<Option<Finding>, Error> {
    let Some((mean, std_dev)) = input.statistics.mean().zip(input.statistics.std_dev()) else { return Ok(None) };
    let expected = match [INPUT_MEAN_KEY, INPUT_STD_KEY].iter().any(|key| network.metadata(key).is_some()) {
        // The samples were normalized by these before they were observed.
        true => Some(Expectation { mean: 0.0, std_dev: 1.0 }),
        false => expectation(network.graph(), index, &input.name)?,
    };
    Ok(match expected {
        Some(expected) => {
            let as_wide = (expected.std_dev / FACTOR..=expected.std_dev * FACTOR).contains(&std_dev);
            let as_high = (mean - expected.mean).abs() <= DEVIATIONS * expected.std_dev.max(std_dev);
            (!as_wide || !as_high).then(|| Finding::Unnormalized {
                input: input.name.clone(),
                mean,
                std_dev,
                expected_mean: expected.mean,
                expected_std_dev: expected.std_dev,
            })
        }
        None => {
            let abs_max = input.statistics.min().into_iter().chain(input.statistics.max()).map(f32::abs);
            let abs_max = f64::from(abs_max.fold(0.0, f32::max));
            (abs_max > LARGE && std_dev > LARGE / FACTOR)
                .then(|| Finding::Unscaled { input: input.name.clone(), abs_max })
        }
    })
}

/// Follows the nodes behind an input as long as they add, multiply or normalize by constants: `y = scale * x + shift`.
fn expectation(graph: &GraphProto, index: &GraphIndex<'_>, input: &str) -> Result<Option<Expectation>, Error> {
    let (mut scale, mut shift) = (vec![1.0], vec![0.0]);
    let mut scaled = false;
    let mut tensor = input;
    while let [reader] = index.consumers(tensor) {
        let node = &graph.node[*reader];
        let Some(output) = only_output(node) else { break };
        let floats = |position: usize| -> Result<Option<Vec<f64>>, Error> {
            let Some(name) = node.input.get(position) else { return Ok(None) };
            Ok(float_constant(index, name)?.map(|(_, values)| values.into_iter().map(f64::from).collect()))
        };
        let first = node.input.first().is_some_and(|first| first == tensor);
        match operator(node) {
            "Identity" | "Cast" | "Flatten" | "Reshape" | "Transpose" | "Squeeze" | "Unsqueeze" | "Dropout"
                if first => {}
            name @ ("Add" | "Sub" | "Mul" | "Div") => {
                let Some(constant) = floats(usize::from(first))?.filter(|_| first || name == "Add" || name == "Mul")
                else {
                    break;
                };
                let factor = match name {
                    "Mul" => constant.clone(),
                    "Div" => constant.iter().map(|value| value.recip()).collect(),
                    _ => vec![1.0],
                };
                let summand = match name {
                    "Add" => constant,
                    "Sub" => constant.iter().map(|value| -value).collect(),
                    _ => vec![0.0],
                };
                scaled |= matches!(name, "Mul" | "Div");
                let Some(scaled_shift) = combine(&shift, &factor, |a, b| a * b) else { break };
                let (Some(new_scale), Some(new_shift)) =
                    (combine(&scale, &factor, |a, b| a * b), combine(&scaled_shift, &summand, |a, b| a + b))
                else {
                    break;
                };
                (scale, shift) = (new_scale, new_shift);
            }
            "BatchNormalization" if first => {
                let (Some(mean), Some(variance)) = (floats(3)?, floats(4)?) else { break };
                let std_dev: Vec<f64> = variance.iter().map(|variance| variance.sqrt()).collect();
                return Ok(before(&scale, &shift, &mean, &std_dev));
            }
            _ => break,
        }
        tensor = output;
    }
    // What is normalized has mean 0 and standard deviation 1.
    Ok(if scaled { before(&scale, &shift, &[0.0], &[1.0]) } else { None })
}

/// Mean and standard deviation over all features of what becomes these behind `y = scale * x + shift`.
fn before(scale: &[f64], shift: &[f64], mean: &[f64], std_dev: &[f64]) -> Option<Expectation> {
    let means = combine(&combine(mean, shift, |mean, shift| mean - shift)?, scale, |a, b| a / b)?;
    let deviations = combine(std_dev, scale, |a, b| (a / b).abs())?;
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mean = average(&means);
    let between = average(&means.iter().map(|value| (value - mean).powi(2)).collect::<Vec<_>>());
    let within = average(&deviations.iter().map(|value| value * value).collect::<Vec<_>>());
    let std_dev = (between + within).sqrt();
    (mean.is_finite() && std_dev.is_finite() && std_dev > 0.0).then_some(Expectation { mean, std_dev })
}

/// Combines values feature by feature; a single one goes with all.
fn combine(a: &[f64], b: &[f64], function: impl Fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    match (a, b) {
        ([], _) | (_, []) => None,
        ([a], _) => Some(b.iter().map(|&b| function(*a, b)).collect()),
        (_, [b]) => Some(a.iter().map(|&a| function(a, *b)).collect()),
        _ => (a.len() == b.len()).then(|| a.iter().zip(b).map(|(&a, &b)| function(a, b)).collect()),
    }
}

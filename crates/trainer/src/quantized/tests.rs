use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{InputRange, Quantization};
use crate::activation::Activation;
use crate::layers::{Layer, activate, dense, flatten};
use crate::network::{HeadRequest, Network};
use crate::op::Mode;
use crate::random::{Purpose, generator};

const ROWS: usize = 70;
const WIDTHS: [usize; 4] = [9, 7, 5, 3];

fn layers() -> Vec<Layer> {
    vec![
        Layer::new("flat", flatten()),
        Layer::new("a", dense(WIDTHS[1]).activation(Activation::Relu)),
        Layer::new("b", dense(WIDTHS[2]).bias(false)),
        Layer::new("c", dense(WIDTHS[3]).activation(Activation::Relu)),
        Layer::new("last", activate(Activation::Tanh)),
    ]
}

fn network(layers: &[Layer]) -> Network {
    let head = HeadRequest { layer: &layers.last().unwrap().name, width: None, absorbs: None, form: None };
    let mut network = Network::new(layers, &[("x", &[3, 3])], &[head], &mut generator(3, Purpose::Weights, 0)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for bias in network.parameters.iter_mut().filter(|parameter| parameter.name.ends_with("bias")) {
        bias.values.iter_mut().for_each(|value| *value = rng.random::<f32>() - 0.4);
    }
    network
}

fn range(scale: f32, zero_point: u8) -> InputRange {
    InputRange { scale, zero_point }
}

/// Ranges that the values leave now and then, at both ends.
fn quantization(learn: bool) -> Quantization {
    let ranges = [("a", range(0.006, 120)), ("b", range(0.004, 3)), ("c", range(0.005, 131))];
    Quantization { ranges: ranges.map(|(name, range)| (name.to_owned(), range)).into(), learn }
}

fn samples() -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..ROWS * WIDTHS[0]).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
}

/// One layer, by the formulas of the contract in exact integers.
struct Naive {
    /// Weights as integers `[inputs][units]`, their scales, the bias as integers.
    weights: Vec<Vec<i64>>,
    scales: Vec<f32>,
    bias: Vec<i64>,
    range: InputRange,
    relu: bool,
}

impl Naive {
    fn new(network: &Network, name: &str, units: usize, range: InputRange, relu: bool) -> Self {
        let find = |what: &str| {
            let name = format!("{name}.{what}");
            network.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.values.clone())
        };
        let weights = find("weight").unwrap();
        let bias = find("bias").unwrap_or_else(|| vec![0.0; units]);
        let inputs = weights.len() / units;
        let column = |unit: usize| (0..inputs).map(move |input| input * units + unit);
        let scales: Vec<f32> =
            (0..units).map(|unit| column(unit).map(|at| weights[at].abs()).fold(0.0, f32::max) / 127.0).collect();
        let integer = |at: usize| (weights[at] / scales[at % units]).round_ties_even() as i64;
        Self {
            weights: (0..inputs).map(|input| (0..units).map(|unit| integer(input * units + unit)).collect()).collect(),
            bias: bias.iter().zip(&scales).map(|(b, s)| (b / (range.scale * s)).round_ties_even() as i64).collect(),
            scales,
            range,
            relu,
        }
    }

    fn sums(&self, levels: &[i64]) -> Vec<i64> {
        let zero_point = i64::from(self.range.zero_point);
        let sum = |unit: usize| {
            let products = levels.iter().zip(&self.weights).map(|(q, row)| (q - zero_point) * row[unit]);
            self.bias[unit] + products.sum::<i64>()
        };
        (0..self.bias.len()).map(sum).collect()
    }

    fn quantize(&self, x: f32) -> i64 {
        (x / self.range.scale).round_ties_even() as i64 + i64::from(self.range.zero_point)
    }
}

fn naive(network: &Network) -> [Naive; 3] {
    let Quantization { ranges, .. } = quantization(false);
    let layer = |name: &str, units, relu| Naive::new(network, name, units, ranges[name], relu);
    [layer("a", WIDTHS[1], true), layer("b", WIDTHS[2], false), layer("c", WIDTHS[3], true)]
}

/// Levels that each layer reads, before they saturate, and its sums.
fn naive_pass(layers: &[Naive; 3], x: &[f32]) -> Vec<(Vec<i64>, Vec<i64>)> {
    let mut passed = Vec::new();
    let mut unsaturated: Vec<i64> = x.iter().map(|&x| layers[0].quantize(x)).collect();
    for (at, layer) in layers.iter().enumerate() {
        let lowest = match at.checked_sub(1).map(|before| layers[before].relu) {
            Some(true) => i64::from(layer.range.zero_point),
            _ => 0,
        };
        let levels: Vec<i64> = unsaturated.iter().map(|&level| level.clamp(lowest, 255)).collect();
        let sums = layer.sums(&levels);
        if let Some(next) = layers.get(at + 1) {
            let level = |(sum, scale): (&i64, &f32)| {
                let multiplier = (layer.range.scale * scale) / next.range.scale;
                (*sum as f32 * multiplier).round_ties_even() as i64 + i64::from(next.range.zero_point)
            };
            unsaturated = sums.iter().zip(&layer.scales).map(level).collect();
        }
        passed.push((levels, sums));
    }
    passed
}

#[test]
fn a_chain_computes_the_integers_of_the_contract() {
    let mut network = network(&layers());
    let naive = naive(&network);
    network.quantize(&quantization(false)).unwrap();
    assert_eq!(network.steps.len(), 3);
    let x = samples();
    let mut activations = network.activations(ROWS).unwrap();
    activations.values[0].copy_from_slice(&x);
    network.forward(&mut activations, ROWS, Mode::Inference);
    let answers = &activations.values[network.steps[1].output];
    let mut saturated = 0;
    for (row, x) in x.chunks(WIDTHS[0]).enumerate() {
        let passed = naive_pass(&naive, x);
        let (levels, sums) = &passed[2];
        saturated +=
            passed.iter().flat_map(|(levels, _)| levels).filter(|level| **level == 0 || **level == 255).count();
        assert_eq!(levels.len(), WIDTHS[2]);
        for unit in 0..WIDTHS[3] {
            let expected = (sums[unit] as f32 * (naive[2].range.scale * naive[2].scales[unit])).max(0.0);
            assert_eq!(answers[row * WIDTHS[3] + unit].to_bits(), (expected + 0.0).to_bits());
        }
    }
    assert!(saturated > ROWS, "{saturated}");
}

/// By the definition of the straight-through estimator, one sample and one value after the other in f64.
#[test]
fn gradients_pass_where_nothing_saturates() {
    let mut network = network(&layers());
    let naive = naive(&network);
    network.quantize(&quantization(true)).unwrap();
    let x = samples();
    let mut activations = network.activations(ROWS).unwrap();
    activations.values[0].copy_from_slice(&x);
    network.forward(&mut activations, ROWS, Mode::Training { seed: 0, step: 0 });
    let mut gradients = network.gradients(ROWS).unwrap();
    gradients.clear();
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let by_answer: Vec<f32> = (0..ROWS * WIDTHS[3]).map(|_| rng.random::<f32>() - 0.5).collect();
    network.head_gradient(&mut gradients, 0, ROWS).copy_from_slice(&by_answer);
    network.backward(&activations, &mut gradients, ROWS);

    let mut by_weights: Vec<Vec<f64>> = (0..3).map(|at| vec![0.0; WIDTHS[at] * WIDTHS[at + 1]]).collect();
    let mut by_biases: Vec<Vec<f64>> = (0..3).map(|at| vec![0.0; WIDTHS[at + 1]]).collect();
    let mut by_scales = [0.0_f64; 3];
    let answers = &activations.values[network.steps[1].output];
    for (row, x) in x.chunks(WIDTHS[0]).enumerate() {
        let passed = naive_pass(&naive, x);
        let at = |unit: usize| row * WIDTHS[3] + unit;
        let mut by: Vec<f64> = (0..WIDTHS[3])
            .map(|unit| f64::from(by_answer[at(unit)]) * (1.0 - f64::from(answers[at(unit)].tanh()).powi(2)))
            .collect();
        for layer in (0..3).rev() {
            let (levels, sums) = &passed[layer];
            let Naive { weights, scales, range, relu, .. } = &naive[layer];
            if layer == 2 && *relu {
                by.iter_mut().zip(sums).filter(|(_, sum)| **sum <= 0).for_each(|(by, _)| *by = 0.0);
            }
            let (scale, zero) = (f64::from(range.scale), f64::from(range.zero_point));
            let units = WIDTHS[layer + 1];
            let mut by_values = vec![0.0; levels.len()];
            for (input, &level) in levels.iter().enumerate() {
                for unit in 0..units {
                    by_weights[layer][input * units + unit] += by[unit] * (level as f64 - zero) * scale;
                    by_values[input] += by[unit] * weights[input][unit] as f64 * f64::from(scales[unit]);
                }
            }
            by_biases[layer].iter_mut().zip(&by).for_each(|(sum, by)| *sum += by);
            for (input, by) in by_values.iter_mut().enumerate() {
                let (steps, cut) = match layer.checked_sub(1) {
                    None => (f64::from(x[input]) / scale, false),
                    Some(before) => {
                        let step = f64::from(naive[before].range.scale) * f64::from(naive[before].scales[input]);
                        (passed[before].1[input] as f64 * step / scale, naive[before].relu)
                    }
                };
                let (position, level) = (steps + zero, levels[input] as f64);
                let inside = if cut {
                    (steps >= 0.0 || position.round() > zero) && position < 255.5
                } else {
                    (-0.5..255.5).contains(&position)
                };
                by_scales[layer] +=
                    *by * if inside { level - zero - steps } else { level - zero } * scale * std::f64::consts::LN_2;
                if !inside {
                    *by = 0.0;
                }
            }
            by = by_values;
        }
    }
    let found: BTreeMap<&str, &Vec<f32>> =
        network.parameters.iter().map(|parameter| parameter.name.as_str()).zip(&gradients.parameters).collect();
    for (layer, name) in ["a", "b", "c"].into_iter().enumerate() {
        near(found[format!("{name}.weight").as_str()], &by_weights[layer]);
        near(found[format!("{name}.input_scale").as_str()], &by_scales[layer..=layer]);
        if let Some(by_bias) = found.get(format!("{name}.bias").as_str()) {
            near(by_bias, &by_biases[layer]);
        }
    }
}

fn near(found: &[f32], expected: &[f64]) {
    let largest = expected.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-3 * largest, "{found} {expected}");
    }
}

#[test]
fn a_quantized_network_is_exported_in_float_as_the_plain_one() {
    let plain = network(&layers());
    let mut quantized = network(&layers());
    quantized.quantize(&quantization(true)).unwrap();
    let export = |network: &Network| {
        let mut graph = crate::export::GraphWriter::default();
        let names = network.export(&mut graph, vec!["x".to_owned()]).unwrap();
        (names, graph)
    };
    let ((plain_names, plain), (names, quantized)) = (export(&plain), export(&quantized));
    assert_eq!(plain_names, names);
    assert_eq!(plain.into_parts(), quantized.into_parts());
}

#[test]
fn layers_that_cannot_compute_in_integers_are_named() {
    let refusal = |layers: &[Layer], name: &str| {
        let ranges = BTreeMap::from([(name.to_owned(), range(0.01, 0))]);
        network(layers).quantize(&Quantization { ranges, learn: false }).unwrap_err().to_string()
    };
    for name in ["flat", "last", "nobody"] {
        let message = refusal(&layers(), name);
        assert!(message.contains(&format!("`{name}`")) && message.contains("only dense layers"), "{message}");
    }
    let branches = vec![
        Layer::new("flat", flatten()),
        Layer::new("a", dense(4)),
        Layer::new("b", dense(4).activation(Activation::Relu)),
        Layer::new("both", crate::layers::add()).after(["a", "b"]),
    ];
    assert!(refusal(&branches, "b").contains("read by others"));
    let unusable = Quantization { ranges: BTreeMap::from([("a".to_owned(), range(f32::NAN, 0))]), learn: true };
    assert!(unusable.check().unwrap_err().to_string().contains("input of a"));
}

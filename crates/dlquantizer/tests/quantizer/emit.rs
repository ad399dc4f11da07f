//! The emitted model: its form, its integers, and how close it is to the float one.

use dlquantizer::{
    ActivationType, CALIBRATION_KEY, FloatModel, Granularity, LayerChoice, MODEL_KEY, Percentile, Precision,
    QuantParams, QuantType, RECIPE_KEY, RangeMethod, Recipe, Scheme, VERSION_KEY,
};
use int8_inference::TensorValues;
use ndarray::ArrayD;
use onnx_model::graph::{GraphIndex, node};
use onnx_model::{Model, Tensor, TensorData};

use crate::common::{
    Net, Quantized, Random, array, floats, node_named, operators, quantize, quantize_with, refused, run, session,
    sqnr_db, steps, tapped, three_layers,
};

/// The integers behind a tensor that a DequantizeLinear makes, with its scales, zero points and axis.
pub(crate) struct Stored {
    pub(crate) tensor: Option<Tensor>,
    pub(crate) scales: Vec<f32>,
    pub(crate) zero_points: TensorData,
    pub(crate) axis: Option<i64>,
}

pub(crate) fn dequantized(model: &Model, tensor: &str) -> Stored {
    let index = GraphIndex::new(model.graph()).unwrap();
    let node = &model.graph().node[index.producer(tensor).unwrap_or_else(|| panic!("{tensor} is not computed"))];
    assert_eq!(node.op_type(), "DequantizeLinear", "{tensor}");
    Stored {
        tensor: index.constant(&node.input[0]).unwrap(),
        scales: floats(model, &node.input[1]),
        zero_points: index.constant(&node.input[2]).unwrap().unwrap().data,
        axis: node.attr("axis").map(|axis| axis.i()),
    }
}

/// The integer constants of the dense layer that the Gemm or MatMul `name` is, as `[k, n]`.
pub(crate) struct IntegerLayer {
    pub(crate) weights: Vec<i8>,
    pub(crate) weight_scales: Vec<f32>,
    pub(crate) bias: Vec<i32>,
    pub(crate) bias_scales: Vec<f32>,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) input_scale: f32,
}

pub(crate) fn integer_layer(model: &Model, name: &str) -> IntegerLayer {
    let gemm = node_named(model, name);
    let transposed = gemm.attr_int("transB", 0).unwrap() != 0;
    let weights = dequantized(model, &gemm.input[1]);
    let Some(Tensor { shape, data: TensorData::I8(values), .. }) = weights.tensor else { panic!("{name}") };
    let TensorData::I8(zeros) = weights.zero_points else { panic!("{name}") };
    assert!(zeros.iter().all(|&zero| zero == 0));
    let (k, n) = if transposed { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    if weights.scales.len() > 1 {
        assert_eq!((weights.scales.len(), weights.axis), (n, Some(if transposed { 0 } else { 1 })), "{name}");
    }
    let weights_in_order = (0..k * n).map(|i| if transposed { values[i % n * k + i / n] } else { values[i] }).collect();
    let bias = dequantized(model, &gemm.input[2]);
    let Some(Tensor { shape, data: TensorData::I32(integers), .. }) = bias.tensor else { panic!("{name}") };
    assert_eq!(shape, [n], "{name}");
    IntegerLayer {
        weights: weights_in_order,
        weight_scales: weights.scales,
        bias: integers,
        bias_scales: bias.scales,
        k,
        n,
        input_scale: dequantized(model, &gemm.input[0]).scales[0],
    }
}

impl IntegerLayer {
    fn scale(&self, channel: usize) -> f32 {
        self.weight_scales[if self.weight_scales.len() == 1 { 0 } else { channel }]
    }

    /// Exact sums of one row, and the scale of each.
    fn accumulate(&self, row: &[i32], zero_point: i32) -> Vec<(i64, f32)> {
        (0..self.n)
            .map(|channel| {
                let products = row
                    .iter()
                    .enumerate()
                    .map(|(i, &q)| i64::from(q - zero_point) * i64::from(self.weights[i * self.n + channel]));
                (i64::from(self.bias[channel]) + products.sum::<i64>(), self.input_scale * self.scale(channel))
            })
            .collect()
    }
}

/// The three layers of `net` on one row, by the definition of their integers; returns those of each hidden tensor and the result.
fn by_definition(quantized: &Quantized, row: &[f32]) -> (Vec<Vec<i32>>, Vec<f32>) {
    let mut hidden = Vec::new();
    let layers = quantized.int8.layers();
    let mut params = layers[0].input.unwrap();
    let mut integers: Vec<i32> = row.iter().map(|&x| params.quantize(x)).collect();
    for layer in layers {
        let sums = integer_layer(quantized.int8.model(), &layer.name).accumulate(&integers, params.zero_point);
        let Some(output) = layer.output else {
            return (hidden, sums.into_iter().map(|(sum, scale)| sum as f32 * scale).collect());
        };
        integers = sums
            .into_iter()
            .map(|(sum, scale)| {
                let steps = (sum as f32 * (scale / output.scale)).round_ties_even();
                // Relu is a clamp at the integer of zero.
                (f64::from(steps) + f64::from(output.zero_point))
                    .clamp(f64::from(output.zero_point), f64::from(output.quant_type.max())) as i32
            })
            .collect();
        hidden.push(integers.clone());
        params = output;
    }
    panic!("the last layer's output is an output of the graph")
}

fn recipes() -> Vec<Recipe> {
    let mut recipes = Vec::new();
    for activations in [ActivationType::U8, ActivationType::I8] {
        for weights in [Granularity::PerChannel, Granularity::PerTensor] {
            for range in [RangeMethod::MinMax, RangeMethod::PowerOfTwoMinMax] {
                recipes.push(Recipe { range, activations, weights, ..Recipe::default() });
            }
        }
    }
    recipes
}

#[test]
fn the_integers_are_those_of_the_definition() {
    for (seed, recipe) in (0..).zip(recipes()) {
        let mut net = three_layers(seed, [7, 19, 11, 4]);
        if seed % 2 == 0 {
            // Weights that lie as [outputs, inputs].
            let transposed = net.random.values(19 * 7, -1.0, 1.0);
            net.graph.initializer[0] = Tensor::f32("fc1.weight", &[19, 7], transposed).unwrap().to_proto();
            net.graph.node[0] = net.graph.node[0].clone().with_int("transB", 1);
        }
        let x = net.random.array(&[150, 7]);
        let quantized = quantize_with(net.model(&["y"]), &x, &recipe).unwrap();
        let taps: Vec<String> = ["relu1", "relu2"].iter().map(|tensor| format!("{tensor}_quantized")).collect();
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let results = tapped(quantized.int8.model(), &taps, &x);
        for (sample, row) in x.rows().into_iter().enumerate() {
            let (hidden, y) = by_definition(&quantized, row.as_slice().unwrap());
            let got = |result: usize| results[result].index_axis(ndarray::Axis(0), sample).to_owned();
            assert_eq!(got(0).into_raw_vec_and_offset().0, y, "{recipe:?}");
            for (layer, integers) in hidden.iter().enumerate() {
                let expected: Vec<f32> = integers.iter().map(|&q| q as f32).collect();
                assert_eq!(got(layer + 1).into_raw_vec_and_offset().0, expected, "layer {layer} of {recipe:?}");
            }
        }
    }
}

#[test]
fn the_form_is_the_one_promised() {
    let net = three_layers(1, [6, 8, 5, 3]);
    let x = Random::new(2).array(&[100, 6]);
    let quantized = quantize(net.model(&["y"]), &x);
    let model = quantized.int8.model();
    model.check().unwrap();
    assert!(model.opset() >= 13);
    assert_eq!(Model::from_bytes(&model.to_bytes()).unwrap(), *model);
    // The interface is that of the float model.
    assert_eq!(model.inputs(), quantized.float.network().inputs());
    assert_eq!(model.outputs(), quantized.float.network().outputs());
    // No float weight is left behind.
    let float_bytes: usize = model
        .graph()
        .initializer
        .iter()
        .filter(|tensor| tensor.data_type == Some(onnx_model::DataType::Float.into()))
        .map(|tensor| tensor.dims.iter().product::<i64>() as usize)
        .sum();
    assert_eq!(float_bytes, 2 * (8 + 5 + 3) + 3, "scales of weights, biases and three activations");
    for (layer, emitted) in quantized.float.layers().iter().zip(quantized.int8.layers()) {
        let integers = integer_layer(model, &layer.name);
        let float = floats(quantized.float.prepared(), &layer.weights);
        let bias = floats(quantized.float.prepared(), layer.bias.as_ref().unwrap());
        assert_eq!(integers.weight_scales, emitted.weight_scales);
        assert_eq!(integers.weight_scales.len(), integers.n);
        assert_eq!(Some(integers.input_scale), emitted.input.map(|input| input.scale));
        for channel in 0..integers.n {
            let column = || (0..integers.k).map(|i| i * integers.n + channel);
            let largest = column().fold(0.0f32, |largest, i| largest.max(float[i].abs()));
            let scale = integers.weight_scales[channel];
            assert!((scale - largest / 127.0).abs() <= f32::EPSILON * scale, "{scale} for {largest}");
            for i in column() {
                assert!((-127..=127).contains(&integers.weights[i]));
                assert!((float[i] - f32::from(integers.weights[i]) * scale).abs() <= 0.5001 * scale);
            }
            // Not almost: rule 2 of the contract is exact in f32.
            assert_eq!(integers.bias_scales[channel], integers.input_scale * scale);
            let steps = f64::from(bias[channel]) / f64::from(integers.bias_scales[channel]);
            assert_eq!(f64::from(integers.bias[channel]), steps.round_ties_even());
        }
        // Activations spread their range over all 256 steps.
        let input = emitted.input.unwrap();
        assert_eq!(input.quant_type, QuantType::U8);
        let statistics = &quantized.calibration.tensor(&layer.input).unwrap().statistics;
        assert_eq!(Some(input), RangeMethod::MinMax.quant_params(statistics, QuantType::U8, Scheme::Asymmetric));
    }
    assert_eq!(quantized.int8.layers()[2].output, None);
    let steps = steps(model);
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert!(steps[0].starts_with("quantize") && steps[1..].iter().all(|step| step.starts_with("dense")), "{steps:?}");
}

#[test]
fn the_file_says_where_it_comes_from() {
    let mut recipe = Recipe::default();
    recipe.layers.push(LayerChoice {
        pattern: "fc*".to_owned(),
        weights: Some(Granularity::PerTensor),
        ..LayerChoice::default()
    });
    let x = Random::new(2).array(&[10, 6]);
    let mut model = three_layers(1, [6, 8, 5, 3]).model(&["y"]);
    model.set_metadata("author", "somebody");
    let quantized = quantize_with(model, &x, &recipe).unwrap();
    let entry = |key| quantized.int8.model().metadata(key).unwrap();
    assert_eq!(Recipe::from_toml(entry(RECIPE_KEY), "metadata").unwrap(), recipe);
    assert_eq!(entry(VERSION_KEY), env!("CARGO_PKG_VERSION"));
    assert_eq!(entry(CALIBRATION_KEY), quantized.calibration.digest());
    assert_eq!(entry(MODEL_KEY), quantized.float.digest());
    assert_eq!(entry("author"), "somebody");
    assert_eq!(quantized.int8.model().proto().producer_name(), "quantize");
}

#[test]
fn the_same_choices_give_the_same_bytes() {
    let x = Random::new(2).array(&[10, 6]);
    let bytes = || quantize(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x).int8.model().to_bytes();
    assert_eq!(bytes(), bytes());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("int8.onnx");
    quantize(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x).int8.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes());
}

#[test]
fn random_networks_stay_close() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let widths = [8 + random.below(40), 8 + random.below(60), 8 + random.below(60), 2 + random.below(10)];
        let net = three_layers(seed, widths);
        let (seen, unseen) = (random.array(&[300, widths[0]]), random.array(&[100, widths[0]]));
        for recipe in recipes() {
            let quantized = quantize_with(net.model(&["y"]), &seen, &recipe).unwrap();
            let db = sqnr_db(&run(quantized.float.network(), &unseen), &run(quantized.int8.model(), &unseen));
            // A scale that is a power of two, or shared by all channels, costs up to one bit, which is 6 dB.
            let coarse = recipe.range == RangeMethod::PowerOfTwoMinMax || recipe.weights == Granularity::PerTensor;
            assert!(db > if coarse { 25.0 } else { 30.0 }, "{db:.1} dB with {recipe:?} on {widths:?}");
        }
    }
}

#[test]
fn every_range_method_and_scheme_reaches_the_model() {
    let x = Random::new(2).array(&[50, 6]);
    // Of so few values the default percentile leaves none out.
    let methods = RangeMethod::ALL.into_iter().chain([RangeMethod::Percentile(Percentile::new(99.0).unwrap())]);
    for (range, scheme) in methods.flat_map(|range| [(range, Scheme::Asymmetric), (range, Scheme::Symmetric)]) {
        let recipe = Recipe { range, scheme, ..Recipe::default() };
        let quantized = quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe).unwrap();
        for (layer, emitted) in quantized.float.layers().iter().zip(quantized.int8.layers()) {
            let statistics = &quantized.calibration.tensor(&layer.input).unwrap().statistics;
            assert_eq!(emitted.input, range.quant_params(statistics, QuantType::U8, scheme));
            assert!(scheme == Scheme::Asymmetric || emitted.input.unwrap().zero_point == 128);
        }
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x));
        assert!(db > 10.0, "{db:.1} dB with {recipe:?}");
    }
}

#[test]
fn scales_are_powers_of_two_where_the_recipe_says_so() {
    let recipe = Recipe { range: RangeMethod::PowerOfTwoMinMax, ..Recipe::default() };
    let x = Random::new(2).array(&[50, 6]);
    let quantized = quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe).unwrap();
    let activations: Vec<QuantParams> =
        quantized.int8.layers().iter().flat_map(|layer| [layer.input, layer.output]).flatten().collect();
    assert_eq!(activations.len(), 5);
    for QuantParams { scale, .. } in activations {
        assert_eq!(scale.log2().fract(), 0.0, "{scale}");
    }
}

#[test]
fn the_range_of_a_layer_s_choice_reaches_through_a_reshape() {
    let mut net = Net::new(&[4]);
    net.dense("x", "fc1", 4, 6);
    net.graph.initializer.push(Tensor::i64("shape", &[2], vec![-1, 6]).unwrap().to_proto());
    net.op("Reshape", &["fc1", "shape"], "reshaped");
    net.op("Flatten", &["reshaped"], "flat");
    net.dense("flat", "fc2", 6, 3);
    net.op("Relu", &["fc1"], "relu");
    net.dense("relu", "fc3", 6, 3);
    net.op("Add", &["fc2", "fc3"], "y");
    let choice =
        LayerChoice { pattern: "fc1".to_owned(), range: Some(RangeMethod::PowerOfTwoMinMax), ..LayerChoice::default() };
    let recipe = Recipe { layers: vec![choice], ..Recipe::default() };
    let quantized = quantize_with(net.model(&["y"]), &Random::new(2).array(&[50, 4]), &recipe).unwrap();
    let [fc1, fc2, fc3] = quantized.int8.layers() else { panic!() };
    assert_eq!(fc1.output, fc2.input);
    assert_eq!(fc1.output.unwrap().scale.log2().fract(), 0.0);
    assert_ne!(fc3.input.unwrap().scale.log2().fract(), 0.0);
    let work = steps(quantized.int8.model());
    assert!(!work.iter().any(|step| step.contains("runtime") || step.starts_with("dequantize")), "{work:?}");
}

#[test]
fn a_layer_left_in_float_keeps_its_weights() {
    let x = Random::new(2).array(&[80, 6]);
    for pattern in ["fc1", "fc2", "y"] {
        let choice =
            LayerChoice { pattern: pattern.to_owned(), precision: Some(Precision::Float), ..LayerChoice::default() };
        let recipe = Recipe { layers: vec![choice], ..Recipe::default() };
        let quantized = quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe).unwrap();
        let layer = quantized.int8.layers().iter().find(|layer| layer.name == pattern).unwrap();
        assert_eq!((layer.precision, layer.input, layer.weight_scales.len()), (Precision::Float, None, 0));
        let weight = &node_named(quantized.int8.model(), pattern).input[1];
        assert_eq!(floats(quantized.int8.model(), weight), floats(quantized.float.prepared(), weight));
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x));
        assert!(db > 30.0, "{db:.1} dB with {pattern} in float");
    }
    let choice = LayerChoice { pattern: "*".to_owned(), precision: Some(Precision::Float), ..LayerChoice::default() };
    let recipe = Recipe { layers: vec![choice], ..Recipe::default() };
    let message = refused(quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe));
    assert!(message.contains("nothing to quantize") && message.contains("3 dense layers"), "{message}");
}

#[test]
fn a_pattern_without_a_match_lists_the_layers() {
    let choice = LayerChoice { pattern: "conv*".to_owned(), ..LayerChoice::default() };
    let recipe = Recipe { layers: vec![choice], ..Recipe::default() };
    let x = Random::new(2).array(&[8, 6]);
    let message = refused(quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe));
    assert!(message.contains("\"conv*\"") && message.contains("\"fc1\", \"fc2\", \"y\""), "{message}");
}

#[test]
fn a_calibration_of_another_model_is_refused() {
    let x = Random::new(2).array(&[8, 6]);
    let one = quantize(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x);
    let other = FloatModel::new(three_layers(2, [6, 8, 5, 3]).model(&["y"])).unwrap();
    let message = refused(Recipe::default().emit(&other, &one.calibration));
    assert!(message.contains("another model") && message.contains(other.digest()), "{message}");
}

#[test]
fn functions_between_layers_become_one_table() {
    for function in ["Sigmoid", "Tanh", "Gelu", "Elu", "Selu", "Softplus", "LeakyRelu", "HardSwish", "silu", "erf gelu"]
    {
        let mut net = Net::new(&[6]);
        net.dense("x", "fc1", 6, 16);
        match function {
            "silu" => {
                net.op("Sigmoid", &["fc1"], "gate");
                net.op("Mul", &["fc1", "gate"], "active");
            }
            "erf gelu" => {
                for (name, value) in [("root", 2f32.sqrt()), ("one", 1.0), ("half", 0.5)] {
                    net.constant(name, &[], vec![value]);
                }
                net.op("Div", &["fc1", "root"], "divided");
                net.op("Erf", &["divided"], "erf");
                net.op("Add", &["erf", "one"], "sum");
                net.op("Mul", &["fc1", "sum"], "product");
                net.op("Mul", &["product", "half"], "active");
            }
            _ => drop(net.op(function, &["fc1"], "active").name.clone()),
        }
        net.dense("active", "y", 16, 4);
        let x = Random::new(3).array(&[200, 6]);
        let quantized = quantize(net.model(&["y"]), &x);
        let work = steps(quantized.int8.model());
        let kinds: Vec<&str> = work.iter().map(|step| step.split(' ').next().unwrap()).collect();
        assert_eq!(kinds, ["quantize", "dense", "table", "dense"], "{function}: {work:?}");
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x));
        assert!(db > 28.0, "{function}: {db:.1} dB");
    }
}

#[test]
fn residual_sums_stay_in_integers() {
    for relu in [false, true] {
        let mut net = Net::new(&[6]);
        net.dense("x", "fc1", 6, 8);
        net.op("Relu", &["fc1"], "s0");
        for block in 0..2 {
            let [source, inner, sum, result] =
                [format!("s{block}"), format!("inner{block}"), format!("sum{block}"), format!("s{}", block + 1)];
            net.dense(&source, &inner, 8, 8);
            net.op("Add", &[&source, &inner], if relu { &sum } else { &result });
            if relu {
                net.op("Relu", &[&sum], &result);
            }
        }
        net.dense("s2", "y", 8, 3);
        let x = Random::new(3).array(&[200, 6]);
        let quantized = quantize(net.model(&["y"]), &x);
        let work = steps(quantized.int8.model());
        let kinds: Vec<&str> = work.iter().map(|step| step.split(' ').next().unwrap()).collect();
        assert_eq!(kinds, ["quantize", "dense", "dense", "add", "dense", "add", "dense"], "{work:?}");
        let db = sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x));
        assert!(db > 25.0, "{db:.1} dB");
    }
}

#[test]
fn a_flatten_shares_the_parameters_of_what_it_flattens() {
    let mut net = Net::new(&[2, 4]);
    net.random("w", &[4, 3]);
    net.op("MatMul", &["x", "w"], "product");
    net.op("Relu", &["product"], "relu");
    net.op("Flatten", &["relu"], "flat");
    net.dense("flat", "y", 6, 3);
    let x = Random::new(3).array(&[100, 2, 4]);
    let quantized = quantize(net.model(&["y"]), &x);
    let [first, second] = quantized.int8.layers() else { panic!() };
    assert_eq!(first.output, second.input);
    let work = steps(quantized.int8.model());
    assert!(!work.iter().any(|step| step.contains("dequantize") || step.contains("runtime")), "{work:?}");
}

#[test]
fn an_output_of_the_graph_stays_float_though_a_layer_reads_it() {
    let net = three_layers(1, [6, 8, 5, 3]);
    let x = Random::new(3).array(&[100, 6]);
    let quantized = quantize(net.model(&["y", "relu1"]), &x);
    let real = tapped(quantized.float.network(), &[], &x);
    let int8 = tapped(quantized.int8.model(), &[], &x);
    assert!(sqnr_db(&real[0], &int8[0]) > 30.0);
    // Only the weights and the input are quantized: better than any 8-bit grid of its own would be, and not on one.
    assert!(sqnr_db(&real[1], &int8[1]) > 38.0);
    let mut levels: Vec<f32> = int8[1].iter().copied().collect();
    levels.sort_by(f32::total_cmp);
    levels.dedup();
    assert!(levels.len() > 256, "{} levels", levels.len());
}

#[test]
fn weights_and_biases_that_layers_share_are_quantized_for_each() {
    let mut net = Net::new(&[5]);
    net.random("w", &[5, 5]);
    net.random("b", &[5]);
    net.op("Gemm", &["x", "w", "b"], "fc1");
    net.op("Relu", &["fc1"], "relu1");
    net.node(node("Gemm", "fc2", &["relu1", "w", "b"], &["fc2"]).with_int("transB", 1));
    net.op("Relu", &["fc2"], "relu2");
    net.op("Gemm", &["relu2", "w", "b"], "y");
    let x = Random::new(3).array(&[100, 5]);
    let quantized = quantize(net.model(&["y"]), &x);
    for (layer, emitted) in quantized.float.layers().iter().zip(quantized.int8.layers()) {
        let integers = integer_layer(quantized.int8.model(), &layer.name);
        let transposed = layer.name == "fc2";
        let float = floats(quantized.float.prepared(), "w");
        for i in 0..25 {
            let (row, column) = (i / 5, i % 5);
            let real = float[if transposed { column * 5 + row } else { i }];
            let scale = emitted.weight_scales[column];
            assert!((real - f32::from(integers.weights[i]) * scale).abs() <= 0.5001 * scale, "{}", layer.name);
        }
    }
    assert!(sqnr_db(&run(quantized.float.network(), &x), &run(quantized.int8.model(), &x)) > 25.0);
    let kinds = operators(quantized.int8.model());
    assert_eq!(kinds.iter().filter(|kind| **kind == "Gemm").count(), 3);
    // The weights and the bias are listed once, with the first layer.
    let listed = quantized.calibration.tensors().iter().filter(|tensor| ["w", "b"].contains(&tensor.name.as_str()));
    assert!(listed.map(|tensor| tensor.layer.as_str()).eq(["fc1", "fc1"]));
}

#[test]
fn integers_come_out_as_the_type_the_recipe_says() {
    for (activations, signed) in [(ActivationType::U8, false), (ActivationType::I8, true)] {
        let recipe = Recipe { activations, ..Recipe::default() };
        let x = Random::new(2).array(&[30, 6]);
        let quantized = quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe).unwrap();
        let session = session(quantized.int8.model(), &["relu1_quantized"]);
        let result = session.run_named(&[("x", x.view())]).unwrap().swap_remove(1);
        assert_eq!(matches!(result.values, TensorValues::I8(_)), signed);
        let bounds: ArrayD<f32> = match result.values {
            TensorValues::I8(values) => values.mapv(f32::from),
            TensorValues::U8(values) => values.mapv(f32::from),
            other => panic!("{other:?}"),
        };
        // The whole width is used: Relu's zero is the lowest integer.
        let (low, high) = if signed { (-128.0, 127.0) } else { (0.0, 255.0) };
        assert_eq!(bounds.iter().copied().fold(f32::INFINITY, f32::min), low);
        assert_eq!(bounds.iter().copied().fold(f32::NEG_INFINITY, f32::max), high);
    }
}

#[test]
fn a_quantized_model_is_no_float_model() {
    let x = array(&[2, 6], vec![0.5; 12]);
    let quantized = quantize(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x);
    let message = refused(FloatModel::new(quantized.int8.model().clone()));
    assert!(message.contains("quantized already") && message.contains("QuantizeLinear"), "{message}");
}

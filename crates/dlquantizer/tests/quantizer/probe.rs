//! The hash that proves on another machine that a model computes the same.

use dlquantizer::probe::{PROBE_KEY, Probe, input_quantization};
use dlquantizer::{ActivationType, Recipe};
use int8_inference::{Isa, QuantParams, SessionOptions, TensorValues};
use onnx_model::graph::node;
use onnx_model::{Model, TensorData};
use serde_json::{Value, json};

use crate::common::{Net, Random, quantize, quantize_with, refused, run, session, tapped_named, three_layers};

/// The definition in the documentation, word by word.
fn documented_input(params: QuantParams, seed: u64, samples: usize, elements: usize) -> Vec<f32> {
    let mut state = seed;
    let mut values = Vec::new();
    for index in 0..samples * elements {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let mut k = (((z >> 32) * 2553) >> 32) as i64 - 8 * (i64::from(params.zero_point) + 32);
        if index < elements {
            k = -8 * (i64::from(params.zero_point) + 32);
        } else if index < 2 * elements {
            k = 2552 - 8 * (i64::from(params.zero_point) + 32);
        }
        values.push(k as f32 * (params.scale / 8.0));
    }
    values
}

fn documented_hash(outputs: &[(&str, TensorValues)]) -> String {
    let mut bytes = Vec::new();
    for (name, values) in outputs {
        let (element_type, shape, values): (u8, _, Vec<u8>) = match values {
            TensorValues::F32(values) => (0, values.shape(), values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            TensorValues::U8(values) => (1, values.shape(), values.iter().copied().collect()),
            other => panic!("{name} is {other:?}"),
        };
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(element_type);
        bytes.extend((shape.len() as u64).to_le_bytes());
        shape.iter().for_each(|&size| bytes.extend((size as u64).to_le_bytes()));
        bytes.extend(blake3::hash(&values).as_bytes());
    }
    blake3::hash(&bytes).to_hex().to_string()
}

fn entry(model: &Model) -> Value {
    serde_json::from_str(model.metadata(PROBE_KEY).unwrap()).unwrap()
}

/// The hash that each kernel, batch size and number of threads gives, which is one.
fn everywhere(probe: &Probe) -> String {
    let mut hashes = Vec::new();
    for isa in Isa::ALL.into_iter().filter(|&isa| kernels_has(isa)) {
        for threads in [1, 3] {
            let options = SessionOptions { threads: Some(threads), isa: Some(isa), ..SessionOptions::default() };
            let session = probe.session(&options).unwrap();
            hashes.extend([1, 7, 64, probe.samples(), usize::MAX].map(|batch| probe.hash(&session, batch).unwrap()));
        }
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
    hashes.swap_remove(0)
}

fn kernels_has(isa: Isa) -> bool {
    let options = SessionOptions { threads: Some(1), isa: Some(isa), ..SessionOptions::default() };
    int8_inference::Session::new(&three_layers(1, [2, 2, 2, 2]).model(&["y"]), &options).is_ok()
}

/// dense - relu - LayerNormalization, which the float runtime executes - dense.
fn with_a_float_part() -> Net {
    let mut net = Net::new(&[6]);
    net.dense("x", "fc1", 6, 9);
    net.op("Relu", &["fc1"], "relu");
    net.random("gain", &[9]);
    net.op("LayerNormalization", &["relu", "gain"], "normal");
    net.dense("normal", "y", 9, 4);
    net
}

#[test]
fn the_hash_of_an_emitted_model_is_the_documented_one_everywhere() {
    let x = Random::new(2).array(&[40, 6]);
    for activations in [ActivationType::U8, ActivationType::I8] {
        let recipe = Recipe { activations, ..Recipe::default() };
        let int8 = quantize_with(three_layers(1, [6, 8, 5, 3]).model(&["y"]), &x, &recipe).unwrap().int8;
        let entry = entry(int8.model());
        assert_eq!((&entry["samples"], &entry["outputs"]), (&json!(163), &json!(["y"])));
        let recorded = Probe::recorded(int8.model()).unwrap().unwrap();
        assert_eq!(entry["blake3"], recorded.hash);
        assert_eq!(everywhere(&recorded.probe), recorded.hash);

        let params = input_quantization(int8.model(), "x").unwrap().unwrap();
        let input = int8.layers()[0].input.unwrap();
        let shift = if activations == ActivationType::I8 { 128 } else { 0 };
        assert_eq!((params.scale, i32::from(params.zero_point)), (input.scale, input.zero_point + shift));
        let values = documented_input(params, 0, 163, 6);
        let values = ndarray::ArrayD::from_shape_vec(vec![163, 6], values).unwrap();
        let y = run(int8.model(), &values);
        assert_eq!(documented_hash(&[("y", TensorValues::F32(y))]), recorded.hash);
    }
}

#[test]
fn a_float_part_is_cut_out_and_what_is_left_is_hashed() {
    let x = Random::new(2).array(&[40, 6]);
    let int8 = quantize(with_a_float_part().model(&["y"]), &x).int8;
    let steps: Vec<String> = session(int8.model(), &[]).steps().into_iter().map(|step| step.work).collect();
    assert!(steps.iter().any(|step| step.contains("float runtime")), "{steps:?}");

    let recorded = Probe::recorded(int8.model()).unwrap().unwrap();
    assert_eq!(recorded.probe.replaced().collect::<Vec<_>>(), ["normal"]);
    assert_eq!(recorded.probe.outputs(), ["y", "relu"]);
    assert_eq!(entry(int8.model())["cut"], json!([{"tensor": "normal", "shape": [9]}]));
    assert_eq!(everywhere(&recorded.probe), recorded.hash);

    // The two parts on their own, from their definition.
    let params = |name| input_quantization(int8.model(), name).unwrap().unwrap();
    let array = |values, width| ndarray::ArrayD::from_shape_vec(vec![163, width], values).unwrap();
    let relu =
        tapped_named(int8.model(), &["relu"], &[("x", array(documented_input(params("x"), 0, 163, 6), 6).view())])
            .swap_remove(1);
    let mut behind = int8.model().clone();
    behind.graph_mut().node.retain(|node| node.op_type() != "LayerNormalization");
    let mut second = with_a_float_part();
    second.input("normal", onnx_model::Dim::Symbolic("n".to_owned()), &[9]);
    behind.graph_mut().input = second.graph.input[1..].to_vec();
    onnx_model::graph::remove_unused(behind.graph_mut()).unwrap();
    let normal = array(documented_input(params("normal"), 1, 163, 9), 9);
    let y = tapped_named(&behind, &[], &[("normal", normal.view())]).swap_remove(0);
    let expected = documented_hash(&[("y", TensorValues::F32(y)), ("relu", TensorValues::F32(relu))]);
    assert_eq!(recorded.hash, expected);
}

#[test]
fn whatever_the_engine_computes_with_is_in_the_hash_and_the_float_part_is_not() {
    let x = Random::new(2).array(&[40, 6]);
    let int8 = quantize(with_a_float_part().model(&["y"]), &x).int8;
    let hash = |edit: &dyn Fn(&str, &mut TensorData)| {
        let mut model = int8.model().clone();
        for initializer in &mut model.graph_mut().initializer {
            let mut tensor = onnx_model::Tensor::from_proto(initializer).unwrap();
            let name = tensor.name.clone();
            edit(&name, &mut tensor.data);
            *initializer = tensor.to_proto();
        }
        let RecordedHash { recorded, computed } = RecordedHash::of(&model);
        (recorded, computed)
    };
    let (recorded, untouched) = hash(&|_, _| {});
    assert_eq!(recorded, untouched);
    for layer in ["fc1", "y"] {
        for (constant, change) in [("weight_quantized", 0), ("bias_quantized", 1), ("weight_scale", 2)] {
            let target = format!("{layer}.{constant}");
            let (recorded, computed) = hash(&|name, data| match data {
                TensorData::I8(values) if name == target && change == 0 => values[3] ^= 1,
                TensorData::I32(values) if name == target && change == 1 => values[1] += 1,
                TensorData::F32(values) if name == target && change == 2 => values[0] *= 1.5,
                _ => {}
            });
            assert_ne!(recorded, computed, "{target}");
        }
    }
    let (recorded, computed) = hash(&|name, data| match data {
        TensorData::F32(values) if name == "gain" => values[0] += 1.0,
        _ => {}
    });
    assert_eq!(recorded, computed);
}

struct RecordedHash {
    recorded: String,
    computed: String,
}

impl RecordedHash {
    fn of(model: &Model) -> Self {
        let recorded = Probe::recorded(model).unwrap().unwrap();
        let session = recorded.probe.session(&SessionOptions::default()).unwrap();
        Self { computed: recorded.probe.hash(&session, 64).unwrap(), recorded: recorded.hash }
    }
}

#[test]
fn outputs_that_the_float_runtime_reads_or_makes_are_hashed_once_or_not_at_all() {
    let x = Random::new(2).array(&[40, 6]);
    let int8 = quantize(with_a_float_part().model(&["relu", "normal"]), &x).int8;
    let recorded = Probe::recorded(int8.model()).unwrap().unwrap();
    assert_eq!(recorded.probe.outputs(), ["relu"]);
    assert_eq!(recorded.probe.replaced().count(), 0);
    assert_eq!(everywhere(&recorded.probe), recorded.hash);
}

#[test]
fn models_without_a_record_have_a_probe_as_well() {
    let float = three_layers(1, [6, 8, 5, 3]).model(&["y"]);
    assert!(Probe::recorded(&float).unwrap().is_none());
    let probe = Probe::new(&float).unwrap().unwrap();
    assert_eq!(everywhere(&probe).len(), 64);
    // Nothing of it runs on the engine.
    let mut net = Net::new(&[6]);
    net.random("gain", &[6]);
    net.node(node("LayerNormalization", "y", &["x", "gain"], &["y"]));
    assert!(Probe::new(&net.model(&["y"])).unwrap().is_none());
}

#[test]
fn large_layers_are_probed_with_fewer_samples() {
    let x = Random::new(2).array(&[8, 4096]);
    let mut net = Net::new(&[4096]);
    net.dense("x", "y", 4096, 6000);
    let int8 = quantize(net.model(&["y"]), &x).int8;
    let probe = Probe::recorded(int8.model()).unwrap().unwrap().probe;
    assert_eq!(probe.samples() as u64, (1 << 31) / (4096 * 6000));
}

#[test]
fn records_of_another_model_are_refused_by_what_is_wrong() {
    let x = Random::new(2).array(&[40, 6]);
    let int8 = quantize(with_a_float_part().model(&["y"]), &x).int8;
    let valid = entry(int8.model());
    let with = |key: &str, value: Value| {
        let mut entry = valid.clone();
        entry[key] = value;
        let mut model = int8.model().clone();
        model.set_metadata(PROBE_KEY, &entry.to_string());
        model
    };
    let cut = |tensor: &str, shape: Value| json!([{"tensor": tensor, "shape": shape}]);
    for (model, expected) in [
        (with("outputs", json!(["z"])), "\"z\", which no node"),
        (with("outputs", json!(["x"])), "\"x\", which no node"),
        (with("outputs", json!(["y", "y"])), "twice"),
        (with("cut", cut("gain", json!([9]))), "\"gain\", which no node"),
        (with("cut", cut("normal", json!([1_u64 << 40]))), "values"),
        (with("cut", cut("normal", json!([u64::MAX, 3]))), "values"),
        (with("samples", json!(65536 * 2)), "131072 samples"),
        (with("samples", json!(65536)), "asks for 65536 samples, a probe of this model has 163"),
        (with("samples", json!(164)), "asks for 164 samples"),
        // Without the cut, the float part would be in it.
        (with("cut", json!([])), "float runtime"),
    ] {
        let error = refused(Probe::recorded(&model).map(drop));
        assert!(error.contains(expected) && error.contains(PROBE_KEY), "{error}");
    }
    // Shapes that do not fit are found when it is compiled or run.
    let model = with("cut", cut("normal", json!([8])));
    let outcome = Probe::recorded(&model).and_then(|recorded| {
        let probe = recorded.unwrap().probe;
        probe.hash(&probe.session(&SessionOptions::default())?, 64)
    });
    assert!(refused(outcome).contains('8'));
}

#[test]
fn samples_whose_range_is_found_together_are_run_together() {
    let mut net = Net::new(&[6]);
    net.node(node("DynamicQuantizeLinear", "dynamic", &["x"], &["q", "scale", "zero"]));
    net.op("DequantizeLinear", &["q", "scale", "zero"], "y");
    let probe = Probe::new(&net.model(&["y"])).unwrap().unwrap();
    assert_eq!((probe.replaced().count(), probe.outputs()), (0, &["y".to_owned()][..]));
    let hash = |threads, batch| {
        let session = probe.session(&SessionOptions { threads: Some(threads), ..SessionOptions::default() }).unwrap();
        assert!(session.couples_samples());
        probe.hash(&session, batch).unwrap()
    };
    assert_eq!(hash(1, probe.samples()), hash(3, probe.samples()));
    // Its two extreme samples apart change the range of the others.
    assert_ne!(hash(1, probe.samples()), hash(1, 1));
}

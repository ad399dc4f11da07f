//! Quantization operators that no fused step takes: on whole tensors, with and without a float runtime around them.

use int8_inference::{Error, Session, SessionOptions};
use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{DataType, Dim, Model, Tensor, TensorData, ValueInfo};

fn value(name: &str, element_type: DataType, shape: Option<Vec<Dim>>) -> ValueInfo {
    ValueInfo { name: name.to_owned(), element_type, shape }
}

fn fixed(shape: &[usize]) -> Option<Vec<Dim>> {
    Some(shape.iter().map(|&size| Dim::Fixed(size)).collect())
}

fn samples(features: usize) -> Option<Vec<Dim>> {
    Some(vec![Dim::Symbolic("n".to_owned()), Dim::Fixed(features)])
}

fn model(inputs: &[ValueInfo], outputs: &[ValueInfo], constants: &[Tensor], nodes: Vec<NodeProto>) -> Model {
    let graph = GraphProto {
        name: Some("test".to_owned()),
        input: inputs.iter().map(Into::into).collect(),
        output: outputs.iter().map(Into::into).collect(),
        initializer: constants.iter().map(Tensor::to_proto).collect(),
        node: nodes,
        ..GraphProto::default()
    };
    let model = Model::new(graph, 25);
    model.check().expect("a valid model");
    model
}

fn session(model: &Model) -> Session {
    Session::new(model, &SessionOptions { threads: Some(2), ..SessionOptions::default() })
        .expect("a model that compiles")
}

fn tensor(name: &str, shape: &[usize], data: TensorData) -> Tensor {
    Tensor::new(name, shape, data).expect("as many elements as the shape says")
}

#[test]
fn inputs_and_results_have_the_types_and_shapes_of_the_model() {
    let inputs = [
        value("x", DataType::Int4, fixed(&[2, 3])),
        value("scale", DataType::Float16, fixed(&[3])),
        value("zero", DataType::Int4, fixed(&[3])),
    ];
    let dequantize = node("DequantizeLinear", "d", &["x", "scale", "zero"], &["y"]).with_int("axis", 1);
    let model = model(&inputs, &[value("y", DataType::Float16, None)], &[], vec![dequantize]);
    let session = session(&model);
    let halves = |values: &[f32]| TensorData::from_f32(values.to_vec(), DataType::Float16).unwrap();
    let given = [
        tensor("zero", &[3], TensorData::I4(vec![0, 1, -8])),
        tensor("x", &[2, 3], TensorData::I4(vec![-8, 7, 0, 1, 2, 3])),
        tensor("scale", &[3], halves(&[1.0, 0.5, 2.0])),
    ];
    let y = session.run_tensors(&given).unwrap();
    assert_eq!(y, [tensor("y", &[2, 3], halves(&[-8.0, 3.0, 16.0, 1.0, 0.5, 22.0]))]);

    for (wrong, expected) in [
        (tensor("x", &[2, 3], TensorData::U4(vec![0; 6])), "the model takes INT4, the tensor is of UINT4"),
        (tensor("x", &[3, 2], TensorData::I4(vec![0; 6])), "the tensor has [3, 2]"),
        (tensor("z", &[], TensorData::I4(vec![0])), "the model has no such input"),
    ] {
        let inputs = [given[0].clone(), wrong, given[2].clone()];
        let error = session.run_tensors(&inputs).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = session.run_tensors(&given[..2]).unwrap_err().to_string();
    assert_eq!(error, "input \"scale\": no tensor is given for it");
}

#[test]
fn a_model_may_have_nothing_but_operators_on_whole_tensors() {
    // Per-axis quantization of an activation, and a product of two computed integer matrices.
    let nodes = vec![
        node("QuantizeLinear", "q", &["x", "scales", "zeros"], &["x_q"]).with_int("axis", -1),
        node("MatMulInteger", "m", &["x_q", "w", "", "w_zeros"], &["y"]),
    ];
    let constants = [
        tensor("scales", &[2], TensorData::F32(vec![0.5, 0.25])),
        tensor("zeros", &[2], TensorData::U8(vec![0, 100])),
        tensor("w", &[2, 3], TensorData::U8(vec![1, 2, 3, 4, 5, 255])),
        tensor("w_zeros", &[3], TensorData::U8(vec![1, 0, 255])),
    ];
    let x = value("x", DataType::Float, samples(2));
    let model = model(&[x], &[value("y", DataType::Int32, None)], &constants, nodes);
    let session = session(&model);
    let work: Vec<String> = session.steps().into_iter().map(|step| step.work).collect();
    assert_eq!(work, ["QuantizeLinear on a whole tensor", "MatMulInteger on a whole tensor"]);
    let x = tensor("x", &[2, 2], TensorData::F32(vec![1.0, -1.0, 0.5, 100.0]));
    let y = session.run_tensors(std::slice::from_ref(&x)).unwrap();
    // Integers [2, 96] and [1, 255] times [[0, 2, -252], [3, 5, 0]].
    assert_eq!(y, [tensor("y", &[2, 3], TensorData::I32(vec![288, 484, -504, 765, 1277, -252]))]);
}

#[test]
fn numbers_without_arithmetic_are_refused_by_name() {
    let inputs = [value("x", DataType::Float8e4m3fn, fixed(&[5])), value("scale", DataType::Float, fixed(&[]))];
    let dequantize = node("DequantizeLinear", "d", &["x", "scale"], &["y"]);
    let model = model(&inputs, &[value("y", DataType::Float, None)], &[], vec![dequantize]);
    let Err(error) = Session::new(&model, &SessionOptions::default()) else { panic!("float8 was taken") };
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let expected = "DequantizeLinear node \"d\": its input \"x\" is of type FLOAT8E4M3FN";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[cfg(feature = "float")]
mod dynamic {
    use ndarray::ArrayD;

    use super::*;

    const WIDTHS: [usize; 3] = [6, 5, 4];

    fn weights(layer: usize) -> (Vec<i8>, Vec<f32>, Vec<f32>) {
        let (k, n) = (WIDTHS[layer], WIDTHS[layer + 1]);
        let weights = (0..k * n).map(|i| ((i * 37 + layer * 11) % 255) as i8).collect();
        let scales = (0..n).map(|channel| 0.01 + channel as f32 * 0.003).collect();
        (weights, scales, (0..n).map(|channel| channel as f32 * 0.2 - 0.3).collect())
    }

    /// Two layers as ONNX Runtime's `quantize_dynamic` writes them.
    fn network(batch: Dim) -> Model {
        let mut nodes = Vec::new();
        let mut constants = Vec::new();
        for layer in 0..2 {
            let (k, n) = (WIDTHS[layer], WIDTHS[layer + 1]);
            let (weights, scales, bias) = weights(layer);
            let name = |part: &str| format!("{part}{layer}");
            constants.push(tensor(&name("w"), &[k, n], TensorData::I8(weights)));
            constants.push(tensor(&name("w_zero"), &[n], TensorData::I8(vec![0; n])));
            constants.push(tensor(&name("w_scale"), &[n], TensorData::F32(scales)));
            constants.push(tensor(&name("bias"), &[n], TensorData::F32(bias)));
            let x = if layer == 0 { "x".to_owned() } else { "hidden0".to_owned() };
            let op = |op_type: &str, inputs: &[&str], outputs: &[&str]| {
                let owned = |parts: &[&str]| parts.iter().map(|part| name(part)).collect();
                NodeProto { input: owned(inputs), output: owned(outputs), ..node(op_type, &name(op_type), &[], &[]) }
            };
            let mut quantize = op("DynamicQuantizeLinear", &["x"], &["x_q", "x_scale", "x_zero"]);
            quantize.input = vec![x];
            nodes.extend([
                quantize,
                op("MatMulInteger", &["x_q", "w", "x_zero", "w_zero"], &["sums"]),
                op("Cast", &["sums"], &["sums_real"]).with_int("to", 1),
                op("Mul", &["x_scale", "w_scale"], &["scale"]),
                op("Mul", &["sums_real", "scale"], &["product"]),
                op("Add", &["product", "bias"], &["sum"]),
                op("Relu", &["sum"], &["hidden"]),
            ]);
        }
        let x = value("x", DataType::Float, Some(vec![batch, Dim::Fixed(WIDTHS[0])]));
        model(&[x], &[value("hidden1", DataType::Float, None)], &constants, nodes)
    }

    /// The same by its definition: one range for the whole batch.
    fn naive(x: &[f32], layer: usize) -> Vec<f32> {
        let (k, n) = (WIDTHS[layer], WIDTHS[layer + 1]);
        let (weights, scales, bias) = weights(layer);
        let (low, high) = x.iter().fold((0f32, 0f32), |(low, high), &x| (low.min(x), high.max(x)));
        let scale = (high - low) / 255.0;
        let zero = (-low / scale).round_ties_even();
        let quantized: Vec<i32> =
            x.iter().map(|x| ((x / scale).round_ties_even() + zero).clamp(0.0, 255.0) as i32 - zero as i32).collect();
        let rows = quantized.chunks_exact(k).flat_map(|row| {
            (0..n).map(|channel| {
                let sum: i32 = (0..k).map(|i| row[i] * i32::from(weights[i * n + channel])).sum();
                (sum as f32 * (scale * scales[channel]) + bias[channel]).max(0.0)
            })
        });
        rows.collect()
    }

    fn input(batch: usize) -> ArrayD<f32> {
        // The largest sample is the last one: a batch cut in pieces would find another range for the others.
        ArrayD::from_shape_fn(vec![batch, WIDTHS[0]], |at| {
            ((at[0] * 13 + at[1] * 7) % 29) as f32 - 9.5 + at[0] as f32 / 64.0
        })
    }

    #[test]
    fn the_range_is_that_of_the_whole_batch() {
        let session = session(&network(Dim::Symbolic("n".to_owned())));
        for batch in [1, 2, 300] {
            let x = input(batch);
            let y = session.run(&x.view()).unwrap();
            let expected = naive(&naive(x.as_slice().unwrap(), 0), 1);
            assert_eq!(y.shape(), [batch, WIDTHS[2]]);
            assert_eq!(y.as_slice().unwrap(), expected, "batch {batch}");
            let mut into = vec![0.0; expected.len()];
            session.run_into(x.as_slice().unwrap(), &mut into, batch).unwrap();
            assert_eq!(into, expected);
        }
    }

    #[test]
    fn a_batch_fixed_in_the_file_is_not_padded() {
        let session = session(&network(Dim::Fixed(4)));
        let x = input(8);
        let y = session.run(&x.view()).unwrap();
        let halves = x.as_slice().unwrap().chunks_exact(4 * WIDTHS[0]);
        let expected: Vec<f32> = halves.flat_map(|half| naive(&naive(half, 0), 1)).collect();
        assert_eq!(y.as_slice().unwrap(), expected);
        let error = session.run(&input(7).view()).unwrap_err().to_string();
        assert!(error.contains("whole batches of 4") && error.contains("this one of 7 has 3 left over"), "{error}");
    }
}

#[test]
fn integers_made_in_one_type_and_dequantized_in_another_are_refused() {
    let constants = [
        tensor("scale", &[], TensorData::F32(vec![0.1])),
        tensor("unsigned", &[], TensorData::U8(vec![3])),
        tensor("signed", &[], TensorData::I8(vec![3])),
    ];
    for (made, read, said) in [("unsigned", "signed", "made as UINT8"), ("signed", "unsigned", "made as INT8")] {
        let nodes = vec![
            node("QuantizeLinear", "q", &["x", "scale", made], &["x_q"]),
            node("DequantizeLinear", "d", &["x_q", "scale", read], &["y"]),
        ];
        let inputs = [value("x", DataType::Float, samples(4))];
        let model = model(&inputs, &[value("y", DataType::Float, None)], &constants, nodes);
        let error = Session::new(&model, &SessionOptions::default()).err().expect("a refusal").to_string();
        assert!(error.contains("tensor \"x_q\"") && error.contains(said), "{error}");
    }
}

#[cfg(feature = "float")]
#[test]
fn integers_of_any_width_are_moved_about_between_their_quantization() {
    let x: Vec<f32> = (0..24).map(|i| (i * 7 % 24) as f32 * 0.11 - 1.0).collect();
    let zero_points = [
        TensorData::U8(vec![120]),
        TensorData::I8(vec![-3]),
        TensorData::U16(vec![30_000]),
        TensorData::I16(vec![-200]),
    ];
    for zero_point in zero_points {
        let scale = 0.01f32;
        let (low, high) = match &zero_point {
            TensorData::U8(_) => (0, 255),
            TensorData::I8(_) => (-128, 127),
            TensorData::U16(_) => (0, 65_535),
            _ => (-32_768, 32_767),
        };
        let zero = tensor("zero", &[], zero_point);
        let zero_value = zero.to_i64().expect("an integer")[0];
        let quantized = |x: f32| ((x / scale).round_ties_even() as i64 + zero_value).clamp(low, high);
        let real: Vec<f32> = x.iter().map(|&x| (quantized(x) - zero_value) as f32 * scale).collect();
        let constants = [
            tensor("scale", &[], TensorData::F32(vec![scale])),
            zero,
            tensor("flat", &[2], TensorData::I64(vec![0, 12])),
            tensor("axes", &[1], TensorData::I64(vec![1])),
        ];
        let transposed: Vec<f32> =
            (0..24).map(|i| real[i / 12 * 12 + i % 4 * 3 + i % 12 / 4]).map(|x| x.max(0.0)).collect();
        let plain: Vec<f32> = real.iter().map(|x| x.max(0.0)).collect();
        let quantize = node("QuantizeLinear", "q", &["x", "scale", "zero"], &["x_q"]);
        let dequantize = |from: &str| node("DequantizeLinear", "d", &[from, "scale", "zero"], &["real"]);
        let relu = |from: &str| node("Relu", "r", &[from], &["y"]);
        let between = |node: NodeProto| vec![quantize.clone(), node, dequantize("moved"), relu("real")];
        let behind = |node: NodeProto| vec![quantize.clone(), dequantize("x_q"), node, relu("moved")];
        for (nodes, shape, expected) in [
            (behind(node("Flatten", "f", &["real"], &["moved"])), vec![2, 12], &plain),
            (behind(node("Reshape", "f", &["real", "flat"], &["moved"])), vec![2, 12], &plain),
            (between(node("Flatten", "f", &["x_q"], &["moved"])), vec![2, 12], &plain),
            (between(node("Unsqueeze", "u", &["x_q", "axes"], &["moved"])), vec![2, 1, 4, 3], &plain),
            (
                between(node("Transpose", "t", &["x_q"], &["moved"]).with_ints("perm", &[0, 2, 1])),
                vec![2, 3, 4],
                &transposed,
            ),
        ] {
            let case =
                format!("{:?}, {:?}", constants[1].data, nodes.iter().map(NodeProto::op_type).collect::<Vec<_>>());
            let shape_of_x = Some(vec![Dim::Symbolic("n".to_owned()), Dim::Fixed(4), Dim::Fixed(3)]);
            let inputs = [value("x", DataType::Float, shape_of_x)];
            let model = model(&inputs, &[value("y", DataType::Float, None)], &constants, nodes);
            let y = session(&model).run_tensors(&[tensor("x", &[2, 4, 3], TensorData::F32(x.clone()))]).expect(&case);
            assert_eq!((&y[0].shape, &y[0].data), (&shape, &TensorData::F32(expected.clone())), "{case}");
        }
    }
}

use alloc::borrow::ToOwned;
use alloc::vec;
use alloc::vec::Vec;

use super::{LayerSummary, Summary};
use crate::graph::node;
use crate::proto::{DataType, GraphProto, NodeProto, TensorProto};
use crate::{Dim, ValueInfo};

/// A tensor with dimensions and no elements: nothing else is looked at.
fn tensor(name: &str, data_type: DataType, dims: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(data_type.into()),
        ..TensorProto::default()
    }
}

fn float(name: &str, dims: &[i64]) -> TensorProto {
    tensor(name, DataType::Float, dims)
}

fn summarize(input: &[usize], initializer: Vec<TensorProto>, node: Vec<NodeProto>) -> Summary {
    let dims = [Dim::Symbolic("N".to_owned())].into_iter().chain(input.iter().map(|&size| Dim::Fixed(size)));
    let input = ValueInfo { name: "x".to_owned(), element_type: DataType::Float, shape: Some(dims.collect()) };
    Summary::of_graph(&GraphProto { input: vec![(&input).into()], initializer, node, ..GraphProto::default() }).unwrap()
}

fn layer<'s>(summary: &'s Summary, name: &str) -> &'s LayerSummary {
    summary.layers.iter().find(|layer| layer.name == name).unwrap()
}

fn sizes(layer: &LayerSummary) -> Vec<usize> {
    let dims = layer.output.as_ref().unwrap()[1..].iter();
    dims.map(|dim| if let Dim::Fixed(size) = dim { *size } else { panic!("{dim:?}") }).collect()
}

#[test]
fn dense_layers() {
    for (inputs, outputs, parameters) in [(784, 256, 200_960), (9216, 4096, 37_752_832)] {
        let weights = vec![float("w", &[inputs as i64, outputs as i64]), float("b", &[outputs as i64])];
        let gemm = vec![node("Gemm", "fc", &["x", "w", "b"], &["y"])];
        let matmul = vec![node("MatMul", "fc", &["x", "w"], &["p"]), node("Add", "", &["b", "p"], &["y"])];
        for (nodes, operator) in [(gemm, "Gemm"), (matmul, "MatMul+Add")] {
            let summary = summarize(&[inputs], weights.clone(), nodes);
            let [layer] = summary.layers.as_slice() else { panic!("{summary:?}") };
            assert_eq!((layer.name.as_str(), layer.operator.as_str()), ("fc", operator));
            assert_eq!((layer.trainable, layer.fixed), (parameters, 0));
            assert_eq!(layer.macs, Some((inputs * outputs) as u64));
            assert_eq!(layer.bytes, 4 * parameters as u64);
            assert_eq!(layer.output, Some(vec![Dim::Symbolic("N".to_owned()), Dim::Fixed(outputs)]));
            assert_eq!((summary.trainable, summary.macs), (parameters, (inputs * outputs) as u64));
        }
    }
}

/// Krizhevsky, Sutskever, Hinton 2012, as one tower of 227 x 227 images with the original two-group convolutions.
#[test]
fn alexnet() {
    let mut tensors = Vec::new();
    let mut nodes = Vec::new();
    let mut value = "x".to_owned();
    let mut convolution = |name: &str, [outputs, inputs, kernel]: [i64; 3], group, stride, pad, pooled| {
        let [w, b, y, r] = ["w", "b", "y", "r"].map(|part| alloc::format!("{name}.{part}"));
        tensors.extend([float(&w, &[outputs, inputs / group, kernel, kernel]), float(&b, &[outputs])]);
        let conv = node("Conv", name, &[&value, &w, &b], &[&y]);
        nodes.push(conv.with_int("group", group).with_ints("strides", &[stride; 2]).with_ints("pads", &[pad; 4]));
        nodes.push(node("Relu", "", &[&y], &[&r]));
        value = r;
        if pooled {
            let [n, p] = ["n", "p"].map(|part| alloc::format!("{name}.{part}"));
            nodes.push(node("LRN", "", &[&value], &[&n]).with_int("size", 5));
            let pool = node("MaxPool", &alloc::format!("{name}.pool"), &[&n], &[&p]);
            nodes.push(pool.with_ints("kernel_shape", &[3; 2]).with_ints("strides", &[2; 2]));
            value = p;
        }
    };
    convolution("conv1", [96, 3, 11], 1, 4, 0, true);
    convolution("conv2", [256, 96, 5], 2, 1, 2, true);
    convolution("conv3", [384, 256, 3], 1, 1, 1, false);
    convolution("conv4", [384, 384, 3], 2, 1, 1, false);
    convolution("conv5", [256, 384, 3], 2, 1, 1, true);
    nodes.push(node("Flatten", "flatten", &[&value], &["flat"]));
    for (name, x, [outputs, inputs]) in
        [("fc6", "flat", [4096, 9216]), ("fc7", "fc6.y", [4096, 4096]), ("fc8", "fc7.y", [1000, 4096])]
    {
        let [w, b, y] = ["w", "b", "y"].map(|part| alloc::format!("{name}.{part}"));
        tensors.extend([float(&w, &[outputs, inputs]), float(&b, &[outputs])]);
        nodes.push(node("Gemm", name, &[x, &w, &b], &[&y]).with_int("transB", 1));
    }
    nodes.push(node("Softmax", "", &["fc8.y"], &["p"]));

    let summary = summarize(&[3, 227, 227], tensors, nodes);
    assert_eq!((summary.trainable, summary.fixed), (60_965_224, 0));
    assert_eq!(summary.bytes, 4 * 60_965_224);
    let expected: [(&str, usize, &[usize]); 9] = [
        ("conv1", 34_944, &[96, 55, 55]),
        ("conv2", 307_456, &[256, 27, 27]),
        ("conv3", 885_120, &[384, 13, 13]),
        ("conv4", 663_936, &[384, 13, 13]),
        ("conv5", 442_624, &[256, 13, 13]),
        ("conv5.pool", 0, &[256, 6, 6]),
        ("flatten", 0, &[9216]),
        ("fc6", 37_752_832, &[4096]),
        ("fc8", 4_097_000, &[1000]),
    ];
    for (name, trainable, output) in expected {
        let layer = layer(&summary, name);
        assert_eq!((layer.trainable, sizes(layer).as_slice()), (trainable, output), "{name}");
    }
    let by_hand = [96 * 3 * 121 * 3025, 256 * 48 * 25 * 729, 384 * 256 * 9 * 169, 384 * 192 * 9 * 169];
    let rest = [256 * 192 * 9 * 169, 9216 * 4096, 4096 * 4096, 4096 * 1000];
    assert_eq!(summary.macs, by_hand.iter().chain(&rest).sum::<u64>());
    assert!(!summary.macs_incomplete);
}

#[test]
fn what_training_leaves_alone() {
    let vectors = ["mean", "deviation", "gain", "shift", "gamma", "beta", "running_mean", "running_var", "w"];
    let tensors = vectors.into_iter().map(|name| float(name, &[4])).chain([float("fc.w", &[4, 4]), float("half", &[])]);
    let nodes = vec![
        node("Sub", "center", &["x", "mean"], &["centered"]),
        node("Div", "scale", &["centered", "deviation"], &["normalized"]),
        node("MatMul", "fc", &["normalized", "fc.w"], &["h"]),
        node("BatchNormalization", "bn", &["h", "gamma", "beta", "running_mean", "running_var"], &["n"]),
        node("Mul", "gain", &["n", "gain"], &["g"]),
        node("Add", "shift", &["g", "shift"], &["s"]),
        node("Mul", "half", &["s", "half"], &["o"]),
        node("PRelu", "prelu", &["o", "w"], &["p"]),
    ];
    let summary = summarize(&[4], tensors.collect(), nodes);
    for (name, trainable, fixed) in [
        ("center", 0, 4),
        ("scale", 0, 4),
        ("fc", 16, 0),
        ("bn", 8, 8),
        ("gain", 4, 0),
        ("shift", 4, 0),
        ("half", 0, 1),
    ] {
        let layer = layer(&summary, name);
        assert_eq!((layer.trainable, layer.fixed), (trainable, fixed), "{name}");
    }
    assert_eq!((summary.trainable, summary.fixed), (36, 17));
}

/// A quantized layer has the parameters of the float one, in a quarter of the bytes and what says how they are quantized.
#[test]
fn quantized_layers() {
    let tensors = vec![
        tensor("w", DataType::Int8, &[256, 784]),
        float("w.scale", &[256]),
        tensor("w.zero", DataType::Int8, &[256]),
        tensor("b", DataType::Int32, &[256]),
        float("b.scale", &[256]),
        float("s", &[]),
        tensor("z", DataType::Uint8, &[]),
    ];
    let nodes = vec![
        node("QuantizeLinear", "", &["x", "s", "z"], &["xq"]),
        node("DequantizeLinear", "", &["xq", "s", "z"], &["xd"]),
        node("DequantizeLinear", "", &["w", "w.scale", "w.zero"], &["wd"]).with_int("axis", 0),
        node("DequantizeLinear", "", &["b", "b.scale"], &["bd"]).with_int("axis", 0),
        node("Gemm", "fc", &["xd", "wd", "bd"], &["y"]).with_int("transB", 1),
    ];
    let summary = summarize(&[784], tensors, nodes);
    let [layer] = summary.layers.as_slice() else { panic!("{summary:?}") };
    assert_eq!((layer.trainable, layer.fixed, layer.macs), (200_960, 0, Some(200_704)));
    assert_eq!((layer.precision, layer.weights.as_deref()), (Some(DataType::Int8), Some(&[256, 784][..])));
    assert_eq!(layer.bytes, 200_704 + 256 * 4 + 256 + 256 * 4 + 256 * 4);
    assert_eq!(summary.bytes, layer.bytes + 5);
}

/// ONNX Runtime's dynamic quantization: the scales of weights are no parameters.
#[test]
fn dynamic_layers() {
    let tensors = vec![
        tensor("w", DataType::Int8, &[8, 4]),
        tensor("zero", DataType::Int8, &[]),
        float("w.scale", &[4]),
        float("b", &[4]),
    ];
    let nodes = vec![
        node("DynamicQuantizeLinear", "", &["x"], &["xq", "xs", "xz"]),
        node("MatMulInteger", "fc", &["xq", "w", "xz", "zero"], &["i"]),
        node("Cast", "cast", &["i"], &["f"]).with_int("to", 1),
        node("Mul", "scales", &["xs", "w.scale"], &["s"]),
        node("Mul", "rescale", &["f", "s"], &["r"]),
        node("Add", "bias", &["r", "b"], &["y"]),
    ];
    let summary = summarize(&[8], tensors, nodes);
    assert_eq!((summary.trainable, summary.fixed, summary.macs), (36, 0, 32));
    assert_eq!(layer(&summary, "fc").trainable, 32);
}

#[test]
fn embeddings_recurrent_layers_and_shared_weights() {
    let tensors = vec![
        float("table", &[100, 8]),
        float("w", &[1, 64, 8]),
        float("r", &[1, 64, 16]),
        float("rw", &[1, 128]),
        float("h0", &[1, 1, 16]),
    ];
    let nodes = vec![
        node("Gather", "embed", &["table", "x"], &["e"]),
        node("Transpose", "", &["e"], &["steps"]).with_ints("perm", &[1, 0, 2]),
        node("LSTM", "lstm", &["steps", "w", "r", "rw", "", "h0"], &["h"]).with_int("hidden_size", 16),
        node("Squeeze", "last", &["h", "axes"], &["s"]),
        node("Transpose", "", &["table"], &["tied"]).with_ints("perm", &[1, 0]),
        node("Gather", "again", &["table", "x"], &["tied_rows"]),
    ];
    let summary = summarize(&[5], tensors, nodes);
    let lstm = layer(&summary, "lstm");
    assert_eq!((lstm.trainable, lstm.fixed), (64 * 8 + 64 * 16 + 128, 16));
    assert_eq!(lstm.macs, Some(5 * (64 * 8 + 64 * 16)));
    assert_eq!((layer(&summary, "embed").trainable, layer(&summary, "again").trainable), (800, 0));
}

#[test]
fn a_fixed_batch_is_shared_out() {
    let mut graph = GraphProto {
        initializer: vec![float("w", &[3, 5])],
        node: vec![node("MatMul", "fc", &["x", "w"], &["y"])],
        ..GraphProto::default()
    };
    for leading in [Dim::Fixed(32), Dim::Unknown, Dim::Symbolic("N".to_owned())] {
        let shape = Some(vec![leading, Dim::Fixed(3)]);
        let input = ValueInfo { name: "x".to_owned(), element_type: DataType::Float, shape };
        graph.input = vec![(&input).into()];
        assert_eq!(Summary::of_graph(&graph).unwrap().macs, 15);
    }
}

#[test]
fn operators_that_nothing_is_known_of() {
    let nodes = vec![
        node("Sparkle", "magic", &["x", "w", "steps"], &["h"]),
        node("MatMul", "fc", &["h", "v"], &["y"]),
        node("Relu", "relu", &["y"], &["z"]),
    ];
    let tensors = vec![float("w", &[3, 3]), tensor("steps", DataType::Int64, &[7]), float("v", &[3, 2])];
    let summary = summarize(&[3], tensors, nodes);
    let magic = layer(&summary, "magic");
    assert_eq!((magic.trainable, magic.output.as_ref(), magic.macs), (9, None, Some(0)));
    let fc = layer(&summary, "fc");
    assert_eq!((fc.trainable, fc.output.as_ref(), fc.macs), (6, None, None));
    assert!(summary.macs_incomplete);
}

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Shapes;
use crate::graph::{GraphIndex, node};
use crate::proto::{DataType, GraphProto, NodeProto, TensorProto};
use crate::{Dim, Tensor, ValueInfo};

/// Dimensions written as `N 3 ?`.
fn dims(text: &str) -> Vec<Dim> {
    let dim = |part: &str| match part.parse() {
        Ok(size) => Dim::Fixed(size),
        Err(_) if part == "?" => Dim::Unknown,
        Err(_) => Dim::Symbolic(part.to_owned()),
    };
    text.split_whitespace().map(dim).collect()
}

fn graph(inputs: &[(&str, &str)], constants: &[(&str, &[i64])], nodes: Vec<NodeProto>) -> GraphProto {
    let input = |(name, shape): &(&str, &str)| {
        (&ValueInfo { name: (*name).to_owned(), element_type: DataType::Float, shape: Some(dims(shape)) }).into()
    };
    let constant =
        |(name, values): &(&str, &[i64])| Tensor::i64(name, &[values.len()], values.to_vec()).unwrap().to_proto();
    GraphProto {
        input: inputs.iter().map(input).collect(),
        initializer: constants.iter().map(constant).collect(),
        node: nodes,
        ..GraphProto::default()
    }
}

/// The shape of a tensor as text, `none` if it is not known.
fn shape_of(graph: &GraphProto, tensor: &str) -> String {
    let index = GraphIndex::new(graph).unwrap();
    let shapes = Shapes::of(graph, &index).unwrap();
    let Some(shape) = shapes.get(tensor) else { return "none".to_owned() };
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Result `y` of one node that reads the given inputs, named `a`, `b`, ..., and integer constants named `i`, `j`, ...
fn one(node: NodeProto, inputs: &[&str], constants: &[&[i64]]) -> String {
    let inputs: Vec<_> = ["a", "b", "c"].into_iter().zip(inputs.iter().copied()).collect();
    let constants: Vec<_> = ["i", "j", "k", "l"].into_iter().zip(constants.iter().copied()).collect();
    shape_of(&graph(&inputs, &constants, alloc::vec![node]), "y")
}

fn op(name: &str, inputs: &str) -> NodeProto {
    node(name, "", &inputs.split_whitespace().collect::<Vec<_>>(), &["y"])
}

#[test]
fn products_and_broadcasts() {
    let cases: &[(NodeProto, &[&str], &str)] = &[
        (op("Gemm", "a b"), &["N 3", "3 5"], "N 5"),
        (op("Gemm", "a b").with_int("transB", 1), &["N 3", "5 3"], "N 5"),
        (op("Gemm", "a b").with_int("transA", 1), &["3 N", "3 5"], "N 5"),
        (op("MatMul", "a b"), &["N 7 3", "3 5"], "N 7 5"),
        (op("MatMul", "a b"), &["N 1 7 3", "4 3 5"], "N 4 7 5"),
        (op("MatMul", "a b"), &["3", "3 5"], "5"),
        (op("MatMul", "a b"), &["N 3", "3"], "N"),
        (op("MatMul", "a b"), &["3", "3"], ""),
        (op("Add", "a b"), &["N 4 1", "5"], "N 4 5"),
        (op("Where", "a b c"), &["N 1", "1 4", "2 1 1"], "2 N 4"),
        (op("Max", "a b c"), &["1 4", "3 1", "3 4"], "3 4"),
        (op("Sparkle", "a"), &["N 4"], "none"),
    ];
    for (node, inputs, expected) in cases {
        assert_eq!(one(node.clone(), inputs, &[]), *expected, "{node:?}");
    }
}

#[test]
fn layouts() {
    type Case = (NodeProto, &'static [&'static str], &'static [&'static [i64]], &'static str);
    let cases: &[Case] = &[
        (op("Flatten", "a"), &["N 2 3 4"], &[], "N 24"),
        (op("Flatten", "a").with_int("axis", -1), &["5 2 3"], &[], "10 3"),
        (op("Reshape", "a i"), &["N 2 6"], &[&[0, -1]], "N 12"),
        (op("Reshape", "a i"), &["N 2 6"], &[&[-1, 12]], "N 12"),
        (op("Reshape", "a i"), &["N 2 6"], &[&[-1, 6]], "? 6"),
        (op("Reshape", "a i").with_int("allowzero", 1), &["0 3"], &[&[0, 7]], "0 7"),
        (op("Squeeze", "a i"), &["N 1 3 1"], &[&[1, -1]], "N 3"),
        (op("Squeeze", "a"), &["2 1 3"], &[], "2 3"),
        (op("Squeeze", "a").with_ints("axes", &[1]), &["N 1 3"], &[], "N 3"),
        (op("Unsqueeze", "a i"), &["N 3"], &[&[0, -1]], "1 N 3 1"),
        (op("Transpose", "a").with_ints("perm", &[0, 2, 1]), &["N 3 4"], &[], "N 4 3"),
        (op("Transpose", "a"), &["N 3 4"], &[], "4 3 N"),
        (op("Concat", "a b").with_int("axis", 1), &["N 3", "N 4"], &[], "N 7"),
        (op("Concat", "a b").with_int("axis", 0), &["N 3", "2 3"], &[], "? 3"),
        (op("Gather", "a b"), &["100 8", "N 5"], &[], "N 5 8"),
        (op("Gather", "a b").with_int("axis", 1), &["N 5 8", ""], &[], "N 8"),
        (op("Slice", "a i j k l"), &["N 10"], &[&[1], &[-1], &[1], &[3]], "N 3"),
        (op("Slice", "a i j k l"), &["N 10"], &[&[-1], &[i64::MIN], &[1], &[-1]], "N 10"),
        (op("Slice", "a i j"), &["10 4"], &[&[7], &[100]], "3 4"),
        (op("Pad", "a i"), &["N 1 5 5"], &[&[0, 0, 2, 1, 0, 0, 2, 1]], "N 1 9 7"),
        (op("ReduceMean", "a").with_ints("axes", &[2, 3]), &["N 4 7 7"], &[], "N 4 1 1"),
        (op("ReduceSum", "a i").with_int("keepdims", 0), &["N 4 7"], &[&[-1]], "N 4"),
        (op("ArgMax", "a").with_int("axis", 1).with_int("keepdims", 0), &["N 10"], &[], "N"),
        (op("ConstantOfShape", "i"), &[], &[&[2, 3]], "2 3"),
        (op("GlobalAveragePool", "a"), &["N 4 7 7"], &[], "N 4 1 1"),
        (op("GlobalMaxPool", "a"), &["N 4 7 7"], &[], "N 4 1 1"),
        (op("Split", "a").with_int("axis", 1), &["N 6"], &[], "N 6"),
    ];
    for (node, inputs, constants, expected) in cases {
        assert_eq!(one(node.clone(), inputs, constants), *expected, "{node:?}");
    }
}

#[test]
fn recurrent_layers_and_what_they_return_last() {
    let lstm = node("LSTM", "", &["a", "b", "c"], &["y", "h", "s"]);
    let graph = graph(&[("a", "T N 5"), ("b", "2 32 5"), ("c", "2 32 8")], &[], alloc::vec![lstm]);
    for (tensor, expected) in [("y", "T 2 N 8"), ("h", "2 N 8"), ("s", "2 N 8")] {
        assert_eq!(shape_of(&graph, tensor), expected);
    }
}

/// PyTorch's flatten: `x.reshape(x.shape[0], -1)`.
#[test]
fn shapes_that_the_graph_computes() {
    let nodes = alloc::vec![
        node("Shape", "", &["x"], &["shape"]),
        node("Gather", "", &["shape", "zero"], &["batch"]),
        node("Concat", "", &["batch", "rest"], &["target"]).with_int("axis", 0),
        node("Reshape", "", &["x", "target"], &["y"]),
    ];
    let graph = graph(&[("x", "N 4 7 7")], &[("zero", &[0]), ("rest", &[-1])], nodes);
    assert_eq!(shape_of(&graph, "y"), "N 196");
    let index = GraphIndex::new(&graph).unwrap();
    let one = Shapes::of_one_sample(&graph, &index).unwrap();
    assert_eq!(one.elements("y"), Some(196));
    assert_eq!(one.get("x").unwrap()[0].fixed(), Some(1));
}

/// The positions at which a window lies, one by one.
fn positions(size: usize, kernel: usize, stride: usize, dilation: usize, pads: (usize, usize), up: bool) -> usize {
    let span = dilation * (kernel - 1) + 1;
    let mut count = 0;
    for start in (0..).step_by(stride) {
        let fits = start + span <= size + pads.0 + pads.1;
        // Rounding up lets the last window hang over the end, if it begins before the padding there.
        let hangs = up && start < size + pads.0 && start + span < size + pads.0 + pads.1 + stride;
        if !fits && !hangs {
            return count;
        }
        count += usize::from(!up || start < size + pads.0);
    }
    count
}

#[test]
fn windows_lie_where_counting_finds_them() {
    for size in 1..12 {
        for (kernel, stride, dilation) in [(1, 1, 1), (2, 2, 1), (3, 1, 1), (3, 2, 1), (3, 3, 2), (2, 5, 3)] {
            // Runtimes refuse windows that lie in the padding alone.
            for pads in [(0, 0), (1, 1), (0, 2)].into_iter().filter(|pads| pads.1 < kernel) {
                for up in [false, true] {
                    let span = dilation * (kernel - 1) + 1;
                    let as_i64 = |values: &[usize]| values.iter().map(|&value| value as i64).collect::<Vec<_>>();
                    let pool = op("MaxPool", "a")
                        .with_ints("kernel_shape", &as_i64(&[kernel]))
                        .with_ints("strides", &as_i64(&[stride]))
                        .with_ints("dilations", &as_i64(&[dilation]))
                        .with_ints("pads", &as_i64(&[pads.0, pads.1]))
                        .with_int("ceil_mode", i64::from(up));
                    let found = one(pool, &[&alloc::format!("N 3 {size}")], &[]);
                    let expected = match span <= size + pads.0 + pads.1 {
                        true => alloc::format!("N 3 {}", positions(size, kernel, stride, dilation, pads, up)),
                        false => "N 3 ?".to_owned(),
                    };
                    assert_eq!(found, expected, "{size} {kernel} {stride} {dilation} {pads:?} {up}");
                }
            }
        }
    }
}

#[test]
fn convolutions() {
    let same = op("Conv", "a b").with_str("auto_pad", "SAME_UPPER").with_ints("strides", &[2, 2]);
    assert_eq!(one(same, &["N 3 7 8", "16 3 3 3"], &[]), "N 16 4 4");
    let valid = op("Conv", "a b").with_str("auto_pad", "VALID");
    assert_eq!(one(valid, &["N 3 H 8", "16 3 3 3"], &[]), "N 16 ? 6");
    let up =
        op("ConvTranspose", "a b").with_ints("strides", &[2, 2]).with_ints("pads", &[1, 1, 1, 1]).with_int("group", 2);
    assert_eq!(one(up, &["N 4 5 5", "4 3 4 4"], &[]), "N 6 10 10");
}

/// Nodes whose inputs are of the wrong rank, attributes of the wrong length, numbers that overflow: nothing is known, nothing fails.
#[test]
fn what_makes_no_sense_is_unknown() {
    let huge = i64::MAX;
    let nodes = [
        op("Conv", "a b").with_ints("pads", &[huge; 4]).with_ints("strides", &[huge; 2]),
        op("Conv", "a b").with_ints("strides", &[0, 0]),
        op("Conv", "a b").with_ints("dilations", &[-1]),
        op("Conv", "a"),
        op("MaxPool", "a").with_ints("kernel_shape", &[0, huge]),
        op("MaxPool", "").with_ints("kernel_shape", &[2]),
        op("ConvTranspose", "a b").with_int("group", huge).with_ints("strides", &[huge; 2]),
        op("Transpose", "a").with_ints("perm", &[9, 9, 9, -9]),
        op("Squeeze", "a i"),
        op("Unsqueeze", "a i"),
        op("Gather", "a i").with_int("axis", huge),
        op("Concat", "a b").with_int("axis", i64::MIN),
        op("Concat", ""),
        op("Slice", "a i i i i"),
        op("Pad", "a i"),
        op("Split", "a i").with_int("axis", huge),
        op("ReduceMean", "a i").with_int("axis", huge),
        op("Flatten", "a").with_int("axis", i64::MIN),
        op("Reshape", "a i"),
        op("Shape", "a").with_int("start", i64::MIN).with_int("end", huge),
        op("MatMul", "a"),
        op("LSTM", "a b"),
    ];
    for node in nodes {
        for inputs in [&["N 3 8 8", "16 3 3 3"][..], &["18446744073709551615 9 9 9", "9 9 9 9"], &["", ""], &["N", "4"]]
        {
            for constant in [&[huge, i64::MIN][..], &[0, -1], &[-1, -1], &[]] {
                one(node.clone(), inputs, &[constant]);
            }
        }
    }
}

#[test]
fn a_shape_of_many_dimensions_is_not_followed() {
    let many = alloc::vec![1; 100];
    let weights =
        TensorProto { name: Some("w".to_owned()), dims: many.clone(), data_type: Some(1), ..TensorProto::default() };
    let mut graph = graph(&[("a", "2 3")], &[("i", &many)], alloc::vec![op("Reshape", "a i")]);
    graph.initializer.push(weights);
    assert_eq!(shape_of(&graph, "y"), "none");
    assert_eq!(shape_of(&graph, "w"), "none");
}

#[test]
fn what_the_file_declares_is_completed() {
    let mut graph = graph(&[("a", "N 3"), ("b", "3 5")], &[], alloc::vec![op("Gemm", "a b")]);
    let declared = |shape| ValueInfo { name: "y".to_owned(), element_type: DataType::Float, shape: Some(dims(shape)) };
    for (shape, expected) in [("M ?", "M 5"), ("? ?", "N 5"), ("M 5 1", "M 5 1"), ("7 5", "7 5")] {
        graph.output = alloc::vec![(&declared(shape)).into()];
        assert_eq!(shape_of(&graph, "y"), expected);
    }
}

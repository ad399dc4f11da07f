//! Operators that rten lacks, or knows in a newer meaning, written with those it has, and attributes that it does not know the defaults of.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::Tensor;
use onnx_model::graph::{Names, node};
use onnx_model::proto::NodeProto;

use crate::Error;

/// The nodes that compute what `original` does in the operator set `opset`; mostly itself. `constant_rank` gives the number of dimensions of
/// a constant.
pub(super) fn for_rten(
    original: &NodeProto,
    opset: i64,
    names: &mut Names,
    constant_rank: impl Fn(&str) -> Option<usize>,
) -> Result<Vec<NodeProto>, Error> {
    if !matches!(original.domain(), "" | "ai.onnx") {
        return Ok(vec![original.clone()]);
    }
    match (original.op_type(), original.input.as_slice(), original.output.as_slice()) {
        ("Selu", [x, ..], [y]) => selu(original, names, x, y),
        ("Softmax" | "LogSoftmax", [x, ..], [y]) if opset < 13 => flat_softmax(original, names, x, y),
        ("Conv" | "ConvTranspose" | "MaxPool" | "AveragePool", inputs, _) => {
            let kernel = original.attr_ints("kernel_shape")?.map(<[i64]>::len);
            let of_weights = || constant_rank(inputs.get(1)?)?.checked_sub(2);
            Ok(vec![with_steps(original, kernel.or_else(of_weights))?])
        }
        _ => Ok(vec![original.clone()]),
    }
}

/// The node with strides and dilations of 1 and no padding along each of its axes where it says nothing else, as ONNX has it.
fn with_steps(original: &NodeProto, axes: Option<usize>) -> Result<NodeProto, Error> {
    let mut node = original.clone();
    let Some(axes) = axes else { return Ok(node) };
    for name in ["strides", "dilations"] {
        if original.attr_ints(name)?.is_none() {
            node = node.with_ints(name, &vec![1; axes]);
        }
    }
    let pads_itself = original.attr_str("auto_pad", "NOTSET")? != "NOTSET";
    if !pads_itself && original.attr_ints("pads")?.is_none() {
        node = node.with_ints("pads", &vec![0; 2 * axes]);
    }
    Ok(node)
}

/// Softmax or LogSoftmax as operator sets before 13 define it: over all axes from `axis` on, which is 1 if not said, taken as one.
fn flat_softmax(original: &NodeProto, names: &mut Names, x: &str, y: &str) -> Result<Vec<NodeProto>, Error> {
    let axis = original.attr_int("axis", 1)?;
    if axis == -1 {
        return Ok(vec![original.clone()]);
    }
    let [rows, result, shape] = ["rows", "result", "shape"].map(|part| names.fresh(&format!("{y}.{part}")));
    Ok(vec![
        node("Flatten", "", &[x], &[&rows]).with_int("axis", axis),
        node(original.op_type(), original.name(), &[&rows], &[&result]).with_int("axis", -1),
        node("Shape", "", &[x], &[&shape]),
        node("Reshape", "", &[&result, &shape], &[y]).with_int("allowzero", 1),
    ])
}

fn selu(original: &NodeProto, names: &mut Names, x: &str, y: &str) -> Result<Vec<NodeProto>, Error> {
    // Selu(x) = gamma * Elu(x), with the operator's default attributes.
    let alpha = original.attr_float("alpha", 1.673_263_2)?;
    let gamma = Tensor::f32("", &[], vec![original.attr_float("gamma", 1.050_701)?])?;
    let [elu, factor] = ["elu", "gamma"].map(|part| names.fresh(&format!("{y}.{part}")));
    Ok(vec![
        node("Elu", original.name(), &[x], &[&elu]).with_float("alpha", alpha),
        node("Constant", "", &[], &[&factor]).with_tensor("value", &gamma),
        node("Mul", "", &[&elu, &factor], &[y]),
    ])
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Dimension};
    use onnx_model::proto::GraphProto;
    use onnx_model::{DataType, Dim, Model, ValueInfo};

    use super::*;
    use crate::{Session, SessionOptions};

    /// `y` of a node with one input `x` of this shape.
    fn run(made: NodeProto, constants: Vec<Tensor>, x: &ArrayD<f32>) -> ArrayD<f32> {
        run_in(21, made, constants, x)
    }

    fn run_in(opset: i64, made: NodeProto, constants: Vec<Tensor>, x: &ArrayD<f32>) -> ArrayD<f32> {
        let value = |name: &str, rank: usize| ValueInfo {
            name: name.to_owned(),
            element_type: DataType::Float,
            shape: Some(vec![Dim::Unknown; rank]),
        };
        let graph = GraphProto {
            input: vec![(&value("x", x.ndim())).into()],
            output: vec![(&value("y", x.ndim())).into()],
            initializer: constants.iter().map(Tensor::to_proto).collect(),
            node: vec![made],
            ..GraphProto::default()
        };
        let session = Session::new(&Model::new(graph, opset), &SessionOptions::default()).unwrap();
        session.run(&x.view()).unwrap()
    }

    #[test]
    fn steps_that_are_not_given_are_1() {
        let x = ArrayD::from_shape_fn(vec![1, 1, 3, 3], |index| (index[2] * 3 + index[3]) as f32);
        let weights = Tensor::f32("w", &[1, 1, 2, 2], vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let sum = run(node("Conv", "c", &["x", "w"], &["y"]), vec![weights], &x);
        assert_eq!(sum.iter().copied().collect::<Vec<_>>(), [4.0, 6.0, 10.0, 12.0]);
        let largest = run(node("MaxPool", "m", &["x"], &["y"]).with_ints("kernel_shape", &[2, 2]), Vec::new(), &x);
        assert_eq!(largest.iter().copied().collect::<Vec<_>>(), [4.0, 5.0, 7.0, 8.0]);
        let mean = run(node("AveragePool", "a", &["x"], &["y"]).with_ints("kernel_shape", &[2, 2]), Vec::new(), &x);
        assert_eq!(mean.iter().copied().collect::<Vec<_>>(), [2.0, 3.0, 5.0, 6.0]);
    }

    #[test]
    fn softmax_means_what_the_operator_set_says() {
        const SHAPE: [usize; 3] = [2, 3, 4];
        let x = ArrayD::from_shape_fn(SHAPE.to_vec(), |i| ((i[0] * 12 + i[1] * 4 + i[2]) * 7 % 11) as f32 / 4.0);
        for opset in [11, 12, 13, 21] {
            for axis in [None, Some(0), Some(1), Some(2), Some(-1), Some(-2), Some(-3)] {
                let old = opset < 13;
                let from = axis.unwrap_or(if old { 1 } else { -1 });
                let from = (if from < 0 { from + 3 } else { from }) as usize;
                // Which elements are of one sum: in old operator sets all axes from the given one on are one axis.
                let together = |a: &[usize], b: &[usize]| {
                    (0..3).all(|axis| a[axis] == b[axis] || if old { axis >= from } else { axis == from })
                };
                for op_type in ["Softmax", "LogSoftmax"] {
                    let made = node(op_type, "s", &["x"], &["y"]);
                    let made = if let Some(axis) = axis { made.with_int("axis", axis) } else { made };
                    let y = run_in(opset, made, Vec::new(), &x);
                    assert_eq!(y.shape(), SHAPE);
                    for (index, &y) in y.indexed_iter() {
                        let of_sum = x.indexed_iter().filter(|(other, _)| together(index.slice(), other.slice()));
                        let sum: f64 = of_sum.map(|(_, &x)| f64::from(x).exp()).sum();
                        let log = f64::from(x[&index]) - sum.ln();
                        let exact = if op_type == "Softmax" { log.exp() } else { log };
                        let close = (f64::from(y) - exact).abs() <= 1e-5;
                        assert!(close, "{op_type} of axis {axis:?} in {opset}: {y} against {exact} at {index:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn selu_is_what_onnx_defines() {
        for attributes in [None, Some((0.5, 2.5))] {
            let mut selu = node("Selu", "s", &["x"], &["y"]);
            if let Some((alpha, gamma)) = attributes {
                selu = selu.with_float("alpha", alpha).with_float("gamma", gamma);
            }
            let (alpha, gamma) = attributes.unwrap_or((1.673_263_2, 1.050_701));
            let value = |name: &str| ValueInfo {
                name: name.to_owned(),
                element_type: DataType::Float,
                // Of unknown size, so that the float runtime gets it.
                shape: Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Unknown]),
            };
            let graph = GraphProto {
                input: vec![(&value("x")).into()],
                output: vec![(&value("y")).into()],
                node: vec![selu],
                ..GraphProto::default()
            };
            let session = Session::new(&Model::new(graph, 21), &SessionOptions::default()).unwrap();
            assert!(session.steps()[0].work.contains("float runtime"), "{:?}", session.steps());
            let x = ArrayD::from_shape_vec(vec![1, 5], vec![-100.0, -1.0, -0.0, 0.25, 100.0]).unwrap();
            let y = session.run(&x.view()).unwrap();
            for (&x, &y) in x.iter().zip(&y) {
                let x = f64::from(x);
                let exact = f64::from(gamma) * if x > 0.0 { x } else { f64::from(alpha) * x.exp_m1() };
                assert!((f64::from(y) - exact).abs() <= 1e-6 * exact.abs().max(1.0), "{y} against {exact}");
            }
        }
    }
}

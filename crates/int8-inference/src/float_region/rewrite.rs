//! Operators that rten lacks, written with those it has.

use onnx_model::Tensor;
use onnx_model::graph::{Names, node};
use onnx_model::proto::NodeProto;

use crate::Error;

/// The nodes that compute what `original` does; mostly itself.
pub(super) fn for_rten(original: &NodeProto, names: &mut Names) -> Result<Vec<NodeProto>, Error> {
    let ("" | "ai.onnx", "Selu", [x, ..], [y]) =
        (original.domain(), original.op_type(), original.input.as_slice(), original.output.as_slice())
    else {
        return Ok(vec![original.clone()]);
    };
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
    use ndarray::ArrayD;
    use onnx_model::proto::GraphProto;
    use onnx_model::{DataType, Dim, Model, ValueInfo};

    use super::*;
    use crate::{Session, SessionOptions};

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

//! Multiply-accumulates of a node.

use crate::Error;
use crate::proto::NodeProto;
use crate::shapes::{Shapes, Size};

/// Multiply-accumulates of a node for a batch of one sample, or of the model's fixed batch; 0 for what is no product of matrices, `None`
/// if a shape is not known.
pub(super) fn of_node(node: &NodeProto, shapes: &Shapes<'_>) -> Result<Option<u64>, Error> {
    let of = |place: usize| node.input.get(place).and_then(|name| shapes.get(name));
    let outputs = || node.output.first().and_then(|output| shapes.elements(output));
    let per_output = match node.op_type() {
        "Gemm" | "QGemm" => {
            let axis = usize::from(node.attr_int("transA", 0)? == 0);
            of(0).and_then(|shape| shape.get(axis)).and_then(|size| size.fixed())
        }
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => {
            of(0).and_then(|shape| shape.last()).and_then(|size| size.fixed())
        }
        "Conv" | "ConvInteger" => of(1).and_then(behind_first),
        "QLinearConv" => of(3).and_then(behind_first),
        "ConvTranspose" => {
            let inputs = node.input.first().and_then(|input| shapes.elements(input));
            return Ok(inputs.zip(of(1).and_then(behind_first)).and_then(product));
        }
        "LSTM" | "GRU" | "RNN" => {
            let weights = |place: usize| node.input.get(place).and_then(|name| shapes.elements(name));
            let steps = of(0).and_then(|shape| Some((shape.first()?.fixed()?, shape.get(1)?.fixed()?)));
            let weights = weights(1).zip(weights(2)).and_then(|(input, state)| input.checked_add(state));
            return Ok(steps.and_then(product).and_then(|steps| steps.checked_mul(weights? as u64)));
        }
        _ => return Ok(Some(0)),
    };
    Ok(outputs().zip(per_output).and_then(product))
}

/// Elements of a kernel `[outputs, inputs, ...]` for one output.
fn behind_first(shape: &[Size<'_>]) -> Option<usize> {
    shape.get(1..)?.iter().try_fold(1_usize, |product, size| product.checked_mul(size.fixed()?))
}

fn product((a, b): (usize, usize)) -> Option<u64> {
    (a as u64).checked_mul(b as u64)
}

//! Matrix products.

use onnx_model::proto::NodeProto;

use super::{Reader, refuse};
use crate::error::Result;
use crate::layers::dense;

impl<'g> Reader<'g> {
    /// `A B + C` with constant `B` and `C`.
    pub(super) fn gemm(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let plain = node.attr_float("alpha", 1.0)? == 1.0
            && node.attr_float("beta", 1.0)? == 1.0
            && node.attr_int("transA", 0)? == 0;
        if !plain {
            return Err(refuse(
                node,
                "the trainer takes products without alpha, beta and transA; fold them into the weights",
            ));
        }
        let transposed = node.attr_int("transB", 0)? != 0;
        let [read, weights, rest @ ..] = node.input.as_slice() else { return Err(refuse(node, "it has no weights")) };
        let bias = rest.first().filter(|name| !name.is_empty());
        self.dense(node, read, weights, transposed, bias.map(String::as_str), output)
    }

    /// `A B` with a constant `B`, and the `Add` of a bias behind it.
    pub(super) fn matmul(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let [read, weights] = node.input.as_slice() else { return Err(refuse(node, "it needs two inputs")) };
        let mut bias = None;
        let mut sum = output;
        if let Some((position, add)) = self.only_reader(output).filter(|(_, add)| add.op_type() == "Add")
            && let [a, b] = add.input.as_slice()
            && let Some(made) = add.output.first()
        {
            let other = if a == output { b } else { a };
            if self.is_constant(other) {
                self.done.insert(position);
                (bias, sum) = (Some(other.as_str()), made);
            }
        }
        self.dense(node, read, weights, false, bias, sum)
    }

    fn dense(
        &mut self,
        node: &'g NodeProto,
        read: &str,
        weights: &str,
        transposed: bool,
        bias: Option<&str>,
        output: &'g str,
    ) -> Result<()> {
        let Some((shape, mut values)) = self.floats(node, weights)? else {
            return Err(refuse(node, "its weights have to be a constant; the trainer has no product of two answers"));
        };
        let [rows, columns] = shape[..] else {
            return Err(refuse(node, format!("its weights have shape {shape:?}; the trainer takes matrices")));
        };
        let (inputs, units) = if transposed { (columns, rows) } else { (rows, columns) };
        if transposed {
            values = (0..inputs * units).map(|at| values[at % units * inputs + at / units]).collect();
        }
        let bias = match bias {
            None => None,
            Some(name) => match self.floats(node, name)? {
                Some((_, values)) if values.len() == units => Some(values),
                _ => return Err(refuse(node, format!("its bias has to be a constant of {units} values"))),
            },
        };
        let name = self.layer(node, output, dense(units).bias(bias.is_some()), &[read])?;
        self.parameters.insert(format!("{name}.weight"), values);
        if let Some(bias) = bias {
            self.parameters.insert(format!("{name}.bias"), bias);
        }
        Ok(())
    }
}

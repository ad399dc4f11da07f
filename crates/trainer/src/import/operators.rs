//! Which layer a node becomes.

use onnx_model::proto::NodeProto;

use super::{Reader, function_of, refuse};
use crate::activation::Activation;
use crate::error::Result;
use crate::layers::{activate, add, concat, flatten, reshape};

/// What the trainer takes over, for messages.
const KNOWN: &str = "Gemm, MatMul with Add, Conv, MaxPool, AveragePool, GlobalAveragePool with Flatten, BatchNormalization, LayerNormalization, Cast with Gather, Flatten, Reshape, Add, Concat, Relu, LeakyRelu, Elu, Selu, Gelu, Sigmoid, Tanh, Softplus, \
                     HardSwish, Softmax, Identity, Dropout, and Sub and Div of an input";

impl<'g> Reader<'g> {
    pub(super) fn node(&mut self, position: usize, node: &'g NodeProto) -> Result<()> {
        let operator = match node.domain() {
            "" | "ai.onnx" => node.op_type(),
            _ => "",
        };
        if operator == "Constant" {
            return Ok(());
        }
        let (Some(first), Some(output)) = (node.input.first(), node.output.first()) else {
            return Err(refuse(node, format!("the trainer has no layer for it; it takes over {KNOWN}")));
        };
        match operator {
            "Gemm" => self.gemm(node, output),
            "MatMul" => self.matmul(node, output),
            "Sub" | "Div" => self.normalize(node, output),
            "Conv" => self.convolution(node, output),
            "MaxPool" | "AveragePool" => self.pooling(node, first, output),
            "GlobalAveragePool" => self.global_average(node, first, output),
            "BatchNormalization" => self.batch_normalization(node, output),
            "LayerNormalization" => self.layer_normalization(node, output),
            "Cast" => self.looked_up(node, first, output),
            "Flatten" => {
                let rank = self.shapes.rank(first).unwrap_or(0) as i64;
                match node.attr_int("axis", 1)? {
                    axis if axis == 1 || axis == 1 - rank => self.layer(node, output, flatten(), &[first]).map(drop),
                    axis => Err(refuse(node, format!("it flattens at axis {axis}, across the batch"))),
                }
            }
            "Reshape" => {
                let sample = match self.shapes.get(output) {
                    Some([batch, sample @ ..]) if batch.fixed() == Some(1) => sample.iter().map(|size| size.fixed()).collect(),
                    _ => None,
                };
                let Some(sample): Option<Vec<usize>> = sample else {
                    return Err(refuse(node, "its target has to be a constant shape that leaves the batch in front"));
                };
                self.layer(node, output, reshape(&sample), &[first]).map(drop)
            }
            "Add" if !node.input.iter().any(|input| self.is_constant(input)) => {
                let reads: Vec<&str> = node.input.iter().map(String::as_str).collect();
                self.layer(node, output, add(), &reads).map(drop)
            }
            "Concat" => {
                let rank = self.shapes.rank(output).unwrap_or(0) as i64;
                let axis = node.attr_int("axis", 0)?;
                if axis != 1 && axis != 1 - rank {
                    return Err(refuse(node, format!("it joins at axis {axis}; the trainer joins at axis 1")));
                }
                let reads: Vec<&str> = node.input.iter().map(String::as_str).collect();
                self.layer(node, output, concat(), &reads).map(drop)
            }
            "Identity" | "Dropout" => {
                let source = self.source(node, first)?;
                self.answers.insert(output, source);
                Ok(())
            }
            _ => match self.function(node, operator)? {
                Some(function) => self.activation(node, first, output, function),
                None if matches!(operator, "Mul" | "Add") => Err(refuse(
                    node,
                    "the trainer scales and shifts nothing by constants; fold them into the weights of a layer (`quantize prepare` does)",
                )),
                None => Err(refuse(
                    node,
                    format!(
                        "the trainer has no layer for it; it takes over {KNOWN}: take the node out of the model, or put these in its place"
                    ),
                )),
            },
        }
        .inspect(|()| {
            self.done.insert(position);
        })
    }

    /// The function of the trainer that an operator is, with the settings that the trainer has.
    fn function(&self, node: &NodeProto, operator: &str) -> Result<Option<Activation>> {
        let (function, as_here) = match operator {
            "Relu" => (Activation::Relu, true),
            "LeakyRelu" => (Activation::LeakyRelu, node.attr_float("alpha", 0.01)? == 0.01),
            "Elu" => (Activation::Elu, node.attr_float("alpha", 1.0)? == 1.0),
            "Selu" => (Activation::Selu, node.attr("alpha").is_none() && node.attr("gamma").is_none()),
            "Gelu" => (Activation::Gelu, node.attr_str("approximate", "none")? == "none"),
            "Softplus" => (Activation::Softplus, true),
            "Sigmoid" => (Activation::Sigmoid, true),
            "Tanh" => (Activation::Tanh, true),
            "HardSwish" => (Activation::HardSwish, true),
            "Softmax" => {
                let rank = node.input.first().and_then(|input| self.shapes.rank(input)).unwrap_or(0) as i64;
                let axis = node.attr_int("axis", -1)?;
                (Activation::Softmax, axis == -1 || axis == rank - 1)
            }
            _ => return Ok(None),
        };
        if !as_here {
            return Err(refuse(node, "it has other settings than the trainer's function of this name"));
        }
        Ok(Some(function))
    }

    /// A function, within the layer before where an export would write it so, or as a layer of its own.
    fn activation(&mut self, node: &'g NodeProto, read: &str, output: &'g str, function: Activation) -> Result<()> {
        if let Some((position, product)) = self.gated(read, output).filter(|_| function == Activation::Sigmoid)
            && let Some(made) = product.output.first()
        {
            self.done.insert(position);
            return self.function_layer(product, read, made, Activation::Silu);
        }
        self.function_layer(node, read, output, function)
    }

    /// The product of `read` and its sigmoid, which nothing else reads.
    fn gated(&self, read: &str, gate: &str) -> Option<(usize, &'g NodeProto)> {
        let (position, product) = self.only_reader(gate).filter(|(_, node)| node.op_type() == "Mul")?;
        let both = |a: &str, b: &str| product.input.iter().map(String::as_str).eq([a, b]);
        (both(read, gate) || both(gate, read)).then_some((position, product))
    }

    fn function_layer(&mut self, node: &'g NodeProto, read: &str, output: &'g str, function: Activation) -> Result<()> {
        let source = self.source(node, read)?;
        // Of a gated function both nodes read the layer before.
        let readers = self.index.consumers(read).len();
        let alone = readers == if function == Activation::Silu { 2 } else { 1 } && !self.index.is_graph_output(read);
        let named = format!("{source}.{}", function.word());
        let before = self.layers.iter_mut().find(|layer| layer.name == source);
        if let Some(own) = before.and_then(function_of).filter(|own| **own == Activation::Linear)
            && alone
            && node.name() == named
        {
            *own = function;
            self.answers.insert(output, source);
            return Ok(());
        }
        self.layer(node, output, activate(function), &[read]).map(drop)
    }
}

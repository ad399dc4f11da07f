//! What a network of values answers in the units of its targets.

use onnx_model::Tensor;
use onnx_model::graph::node;

use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, FirstValues, Forward, NewParameter, Op, Parameter};

/// How scored values become answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AnswerForm {
    /// Where rows are means followed by logarithms of variances: what is added to each variance.
    pub(crate) minimum_variance: Option<f64>,
    /// Whether the scored values are of targets brought to mean 0 and standard deviation 1.
    pub(crate) normalized: bool,
}

impl AnswerForm {
    /// The step behind values `[..., width]`. Its parameters, if any, are mean and standard deviation of the target's columns.
    pub(super) fn build(self, shape: &[usize]) -> Built {
        let width = shape.last().copied().unwrap_or(1);
        let columns = if self.minimum_variance.is_some() { width / 2 } else { width };
        let fixed = |name, value| NewParameter {
            trainable: false,
            ..NewParameter::bias(name, &[columns], FirstValues::Given(vec![value; columns]))
        };
        let parameters =
            if self.normalized { vec![fixed("target_mean", 0.0), fixed("target_std", 1.0)] } else { Vec::new() };
        let op = AnswerOp { width, columns, minimum_variance: self.minimum_variance.map(|minimum| minimum as f32) };
        Built { op: Box::new(op), shape: shape.to_vec(), parameters }
    }
}

#[derive(Debug)]
struct AnswerOp {
    width: usize,
    /// Columns of the target.
    columns: usize,
    minimum_variance: Option<f32>,
}

impl Op for AnswerOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let rows = pass.inputs[0].chunks_exact(self.width).zip(pass.output.chunks_exact_mut(self.width));
        for (scored, answer) in rows {
            answer.copy_from_slice(scored);
            if let Some(minimum) = self.minimum_variance {
                answer[self.columns..].iter_mut().for_each(|value| *value = libm::expf(*value) + minimum);
            }
            if let [mean, std] = pass.parameters {
                for (column, (mean, std)) in mean.values.iter().zip(&std.values).enumerate() {
                    answer[column] = answer[column] * std + mean;
                    if self.minimum_variance.is_some() {
                        answer[self.columns + column] *= std * std;
                    }
                }
            }
        }
    }

    /// Nothing: losses look at what comes before this step.
    fn backward(&mut self, _: Backward<'_>) {}

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let names = graph.parameters(parameters)?;
        let rescaled = |graph: &mut GraphWriter, value: &str| match &names[..] {
            [mean, std] => {
                let scaled = graph.push(node("Mul", &format!("{name}.scale"), &[value, std], &[]))?;
                graph.push(node("Add", &format!("{name}.shift"), &[&scaled, mean], &[]))
            }
            _ => Ok(value.to_owned()),
        };
        let Some(minimum) = self.minimum_variance else { return rescaled(graph, inputs[0]) };
        let means = format!("{name}.means");
        let split =
            node("Split", &format!("{name}.split"), inputs, &[&means]).with_int("axis", -1).with_int("num_outputs", 2);
        let logarithms = graph.push(split)?;
        let means = rescaled(graph, &means)?;
        let mut variances = graph.push(node("Exp", &format!("{name}.exp"), &[&logarithms], &[]))?;
        let least = format!("{name}.minimum_variance");
        graph.constant(Tensor::f32(&least, &[1], vec![minimum])?);
        variances = graph.push(node("Add", &format!("{name}.floor"), &[&variances, &least], &[]))?;
        if let [_, std] = parameters {
            let squares = format!("{name}.target_variance");
            let values = std.values.iter().map(|std| std * std).collect();
            graph.constant(Tensor::f32(&squares, &std.shape, values)?);
            variances = graph.push(node("Mul", &format!("{name}.variance"), &[&variances, &squares], &[]))?;
        }
        graph.push(node("Concat", name, &[&means, &variances], &[]).with_int("axis", -1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Mode;

    #[test]
    fn answers_are_in_the_units_of_the_target() {
        let mut built = AnswerForm { minimum_variance: Some(0.5), normalized: true }.build(&[4]);
        let values = [vec![10.0, 20.0], vec![2.0, 3.0]];
        let parameters: Vec<Parameter> = std::iter::zip(&built.parameters, values)
            .map(|(new, values)| Parameter {
                name: new.name.to_owned(),
                shape: new.shape.clone(),
                values,
                trainable: new.trainable,
                decays: false,
            })
            .collect();
        assert!(parameters.iter().all(|parameter| !parameter.trainable));
        let mut output = [0.0; 4];
        let inputs: &[&[f32]] = &[&[1.0, -1.0, 0.0, 1.0]];
        built.op.forward(Forward {
            rows: 1,
            mode: Mode::Inference,
            inputs,
            parameters: &parameters,
            output: &mut output,
        });
        let e = std::f32::consts::E;
        assert_eq!(output[..3], [12.0, 17.0, 6.0]);
        assert!((output[3] - (e + 0.5) * 9.0).abs() < 1e-5);
    }
}

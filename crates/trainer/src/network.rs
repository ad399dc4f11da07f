//! How layers work together: a graph of steps, run forwards to the answers and backwards to the gradients.

mod answer;
mod build;

use std::mem;
use std::ops::Range;

use crate::error::{Culprit, Error, Place, Result};
use crate::normalize::Normalization;
use crate::op::{Backward, Forward, Mode, Op, Parameter};
use crate::optimizer::ParameterInfo;

pub(crate) use self::answer::AnswerForm;
pub(crate) use self::build::HeadRequest;

/// The most values one tensor may have: an ONNX file is limited to 2 GiB, which is 2^29 values of f32.
pub(crate) const MAX_VALUES: usize = 1 << 29;

/// The steps of a network in an order in which each reads what earlier ones gave.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) steps: Vec<Step>,
    /// The inputs of the network, then one value per step.
    pub(crate) values: Vec<Value>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) heads: Vec<Head>,
}

/// One computation.
#[derive(Debug)]
pub(crate) struct Step {
    /// The layer it belongs to.
    pub(crate) layer: String,
    /// The name of its node in the model.
    pub(crate) name: String,
    pub(crate) op: Box<dyn Op>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) output: usize,
    pub(crate) parameters: Range<usize>,
}

/// What flows between steps.
#[derive(Debug)]
pub(crate) struct Value {
    /// Of one sample.
    pub(crate) shape: Vec<usize>,
    pub(crate) size: usize,
    /// Whether a trainable parameter has a say in it, so that its gradient is needed.
    learnt: bool,
}

/// Where a loss looks and what the model gives there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) layer: String,
    /// What the loss reads: the answer, or for a softmax or sigmoid under its cross-entropy what goes into that.
    pub(crate) scored: usize,
    /// What the model gives.
    pub(crate) given: usize,
    /// What is compared with the targets as they are: logits, or values in the units of the target.
    pub(crate) judged: usize,
    /// Where the losses see normalized targets: the parameter that is their mean; their standard deviation comes next.
    pub(crate) target: Option<usize>,
}

/// Room for all values of a network, for up to a fixed number of samples.
#[derive(Debug)]
pub(crate) struct Activations {
    pub(crate) values: Vec<Vec<f32>>,
}

/// Room for the derivatives of the loss by all values and parameters.
pub(crate) struct Gradients {
    values: Vec<Vec<f32>>,
    /// One per parameter; empty for those that are not trainable.
    pub(crate) parameters: Vec<Vec<f32>>,
    /// Which values have theirs in the backward pass under way.
    known: Vec<bool>,
    /// Where a second contribution to one value is computed before it is added.
    spare: Vec<Vec<f32>>,
}

impl Network {
    /// Room for the activations of up to `batch` samples.
    pub(crate) fn activations(&self, batch: usize) -> Result<Activations> {
        self.check_batch(batch)?;
        Ok(Activations { values: self.values.iter().map(|value| vec![0.0; batch * value.size]).collect() })
    }

    /// Room for the gradients of up to `batch` samples.
    pub(crate) fn gradients(&self, batch: usize) -> Result<Gradients> {
        self.check_batch(batch)?;
        let value = |value: &Value| if value.learnt { vec![0.0; batch * value.size] } else { Vec::new() };
        let parameter = |parameter: &Parameter| {
            if parameter.trainable { vec![0.0; parameter.values.len()] } else { Vec::new() }
        };
        Ok(Gradients {
            values: self.values.iter().map(value).collect(),
            parameters: self.parameters.iter().map(parameter).collect(),
            known: vec![false; self.values.len()],
            spare: Vec::new(),
        })
    }

    /// What the optimizer has to know of the trainable parameters, in their order.
    pub(crate) fn learnt(&self) -> impl Iterator<Item = ParameterInfo> {
        let trainable = self.parameters.iter().filter(|parameter| parameter.trainable);
        trainable.map(|parameter| ParameterInfo { size: parameter.values.len(), decays: parameter.decays })
    }

    fn check_batch(&self, batch: usize) -> Result<()> {
        for (index, value) in self.values.iter().enumerate() {
            if batch.checked_mul(value.size).is_none_or(|values| values > MAX_VALUES) {
                return Err(Error::too_large(self.layer_of(index), "the output for one batch", batch, value.size));
            }
        }
        Ok(())
    }

    /// The layer that gives a value.
    fn layer_of(&self, value: usize) -> &str {
        self.steps.iter().find(|step| step.output == value).map_or("input", |step| &step.layer)
    }

    pub(crate) fn value(&self, index: usize) -> &Value {
        &self.values[index]
    }

    /// Takes over the values of parameters, by name; those that are not among the given stay as they are.
    pub(crate) fn take(&mut self, given: &[Parameter]) {
        for parameter in &mut self.parameters {
            if let Some(same) =
                given.iter().find(|given| given.name == parameter.name && given.shape == parameter.shape)
            {
                parameter.values.clone_from(&same.values);
            }
        }
    }

    /// Runs the first `rows` samples of the inputs in `activations` through all steps.
    pub(crate) fn forward(&mut self, activations: &mut Activations, rows: usize, mode: Mode) {
        for step in &mut self.steps {
            let mut output = mem::take(&mut activations.values[step.output]);
            let inputs: Vec<&[f32]> =
                step.inputs.iter().map(|&input| &activations.values[input][..rows * self.values[input].size]).collect();
            step.op.forward(Forward {
                rows,
                mode,
                inputs: &inputs,
                parameters: &self.parameters[step.parameters.clone()],
                output: &mut output[..rows * self.values[step.output].size],
            });
            activations.values[step.output] = output;
        }
    }

    /// Where the derivative of the loss by the answer of head `head` to the first `rows` samples belongs; to be written for every head
    /// between [`Gradients::clear`] and [`Self::backward`].
    ///
    /// Two heads that score one value are refused when the network is built.
    pub(crate) fn head_gradient<'a>(&self, gradients: &'a mut Gradients, head: usize, rows: usize) -> &'a mut [f32] {
        let value = self.heads[head].scored;
        gradients.known[value] = true;
        &mut gradients.values[value][..rows * self.values[value].size]
    }

    /// Sets what brings the targets of a head to mean 0 and standard deviation 1.
    pub(crate) fn set_target_normalization(&mut self, head: usize, Normalization { mean, std }: Normalization) {
        if let Some(at) = self.heads[head].target {
            self.parameters[at].values = mean;
            self.parameters[at + 1].values = std;
        }
    }

    /// Whether the loss of a head sees normalized targets.
    pub(crate) fn normalizes_targets(&self, head: usize) -> bool {
        self.heads[head].target.is_some()
    }

    /// Targets `[rows, columns]` of a head as its loss sees them.
    pub(crate) fn normalize_targets(&self, head: usize, targets: &mut [f32]) {
        let Some(at) = self.heads[head].target else { return };
        let (mean, std) = (&self.parameters[at].values, &self.parameters[at + 1].values);
        for row in targets.chunks_exact_mut(mean.len()) {
            for (value, (mean, std)) in row.iter_mut().zip(mean.iter().zip(std)) {
                *value = (*value - mean) / std;
            }
        }
    }

    /// Carries the gradients of the heads back to all parameters.
    pub(crate) fn backward(&mut self, activations: &Activations, gradients: &mut Gradients, rows: usize) {
        for step in self.steps.iter_mut().rev() {
            // What no loss looks at, as a softmax behind the scored value, has nothing to carry back.
            if !gradients.known[step.output] || !self.values[step.output].learnt {
                continue;
            }
            let by_output = mem::take(&mut gradients.values[step.output]);
            let mut rooms: Vec<Option<Room>> = Vec::with_capacity(step.inputs.len());
            for &input in &step.inputs {
                let value = &self.values[input];
                rooms.push(value.learnt.then(|| gradients.room(input, rows * value.size)));
            }
            let inputs: Vec<&[f32]> =
                step.inputs.iter().map(|&input| &activations.values[input][..rows * self.values[input].size]).collect();
            step.op.backward(Backward {
                rows,
                inputs: &inputs,
                output: &activations.values[step.output][..rows * self.values[step.output].size],
                parameters: &self.parameters[step.parameters.clone()],
                by_output: &by_output[..rows * self.values[step.output].size],
                by_inputs: rooms.iter_mut().map(|room| room.as_mut().map(Room::values)).collect(),
                by_parameters: &mut gradients.parameters[step.parameters.clone()],
            });
            gradients.values[step.output] = by_output;
            for (&input, room) in step.inputs.iter().zip(rooms) {
                if let Some(room) = room {
                    gradients.put(input, room);
                }
            }
        }
    }

    /// Takes what the last forward pass in training saw into the running statistics.
    pub(crate) fn update_statistics(&mut self) {
        for step in &mut self.steps {
            step.op.update_statistics(&mut self.parameters[step.parameters.clone()]);
        }
    }

    /// The first step, from the input on, with a value that is not finite in its parameters or in its answer to the first `rows` samples.
    pub(crate) fn first_non_finite(&self, activations: &Activations, rows: usize) -> Option<Culprit> {
        self.steps.iter().find_map(|step| {
            let parameters = &self.parameters[step.parameters.clone()];
            let output = &activations.values[step.output][..rows * self.values[step.output].size];
            let place = match parameters.iter().find(|parameter| !all_finite(&parameter.values)) {
                Some(parameter) => Place::Parameter(parameter.name.clone()),
                None if !all_finite(output) => Place::Output,
                None => return None,
            };
            Some(Culprit { layer: step.layer.clone(), place })
        })
    }

    /// Adds all steps to a model; `names` are those of the inputs. Gives the name of each head's answer.
    pub(crate) fn export(&self, graph: &mut crate::export::GraphWriter, names: Vec<String>) -> Result<Vec<String>> {
        let mut names = names;
        names.resize(self.values.len(), String::new());
        for step in &self.steps {
            let inputs: Vec<&str> = step.inputs.iter().map(|&input| names[input].as_str()).collect();
            let name = step.op.export(graph, &step.name, &inputs, &self.parameters[step.parameters.clone()])?;
            names[step.output] = name;
        }
        Ok(self.heads.iter().map(|head| names[head.given].clone()).collect())
    }
}

/// Where a step writes the gradient of one of its inputs.
struct Room {
    values: Vec<f32>,
    size: usize,
    /// Whether another reader has written its share before.
    adds: bool,
}

impl Room {
    fn values(&mut self) -> &mut [f32] {
        &mut self.values[..self.size]
    }
}

impl Gradients {
    /// Forgets the gradients of the last batch.
    pub(crate) fn clear(&mut self) {
        self.known.fill(false);
    }

    fn room(&mut self, value: usize, size: usize) -> Room {
        let adds = mem::replace(&mut self.known[value], true);
        let mut values = if adds { self.spare.pop().unwrap_or_default() } else { mem::take(&mut self.values[value]) };
        if values.len() < size {
            values.resize(size, 0.0);
        }
        Room { values, size, adds }
    }

    /// Rooms come back in the order they were handed out, so the first one of a value is there when a second is added to it.
    fn put(&mut self, value: usize, room: Room) {
        if room.adds {
            for (sum, share) in self.values[value].iter_mut().zip(&room.values[..room.size]) {
                *sum += share;
            }
            self.spare.push(room.values);
        } else {
            self.values[value] = room.values;
        }
    }
}

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests;

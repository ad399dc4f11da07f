//! From layers by name to steps in order.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use super::{AnswerForm, Head, MAX_VALUES, Network, Step, Value};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::layers::{Context, Layer, LayerKind, activate};
use crate::op::{Built, FirstValues, Parameter};

/// An output asked for: where, how wide if the layer leaves that open, and whether its loss wants what goes into a final function.
pub(crate) struct HeadRequest<'a> {
    pub(crate) layer: &'a str,
    pub(crate) width: Option<usize>,
    /// The function that the loss applies itself.
    pub(crate) absorbs: Option<Activation>,
    /// What becomes of the scored values, if they are no answers yet.
    pub(crate) form: Option<AnswerForm>,
}

impl Network {
    /// A network of `layers` for samples with inputs of these names and shapes; first values are drawn from `rng`.
    ///
    /// Layers read inputs and layers before them, so they are in order already.
    pub(crate) fn new(
        layers: &[Layer],
        inputs: &[(&str, &[usize])],
        heads: &[HeadRequest],
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let mut builder = Builder::default();
        for (name, shape) in inputs {
            let value = builder.value(shape.to_vec(), false);
            builder.answers.insert((*name).to_owned(), value);
        }
        for (index, layer) in layers.iter().enumerate() {
            let read = builder.read(layer, index.checked_sub(1).map(|before| layers[before].name.as_str()), inputs)?;
            let head = heads.iter().find(|head| head.layer == layer.name);
            builder.layer(
                layer,
                read,
                Context { width: head.and_then(|head| head.width), position: index as u32 },
                rng,
            )?;
        }
        let heads = heads.iter().map(|head| builder.head(head, rng)).collect::<Result<Vec<_>>>()?;
        if let Some(twice) = (1..heads.len()).find(|&i| heads[..i].iter().any(|head| head.scored == heads[i].scored)) {
            return Err(Error::DuplicateOutput { layer: heads[twice].layer.clone() });
        }
        if let Some(unread) = builder.unread(layers, &heads) {
            return Err(Error::UnreadLayer { layer: unread });
        }
        let Builder { steps, values, parameters, .. } = builder;
        Ok(Self { steps, values, parameters, heads })
    }
}

#[derive(Default)]
struct Builder {
    steps: Vec<Step>,
    values: Vec<Value>,
    parameters: Vec<Parameter>,
    /// The value of each input and layer.
    answers: BTreeMap<String, usize>,
    /// The last function of a layer that ends in one, with the value it is applied to.
    functions: BTreeMap<String, (Activation, usize)>,
}

impl Builder {
    fn value(&mut self, shape: Vec<usize>, learnt: bool) -> usize {
        let size = shape.iter().product();
        self.values.push(Value { shape, size, learnt });
        self.values.len() - 1
    }

    /// The values a layer reads.
    fn read(&self, layer: &Layer, before: Option<&str>, inputs: &[(&str, &[usize])]) -> Result<Vec<usize>> {
        if !layer.inputs.is_empty() {
            let find = |name: &String| {
                self.answers.get(name).copied().ok_or_else(|| {
                    let known: Vec<&str> = self.answers.keys().map(String::as_str).collect();
                    Error::UnknownInput { layer: layer.name.clone(), input: name.clone(), known: known.join(", ") }
                })
            };
            return layer.inputs.iter().map(find).collect();
        }
        let name = match (before, inputs) {
            (Some(before), _) => before,
            (None, [(only, _)]) => only,
            (None, _) => {
                let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
                return Err(Error::InputCount { count: inputs.len(), names: names.join(", ") });
            }
        };
        Ok(self.answers.get(name).copied().into_iter().collect())
    }

    fn layer(&mut self, layer: &Layer, inputs: Vec<usize>, context: Context, rng: &mut ChaCha8Rng) -> Result<()> {
        if self.answers.contains_key(&layer.name) {
            return Err(Error::DuplicateLayer { name: layer.name.clone() });
        }
        let shapes: Vec<&[usize]> = inputs.iter().map(|&input| self.values[input].shape.as_slice()).collect();
        let built = layer.build(&shapes, context)?;
        let mut answer = self.step(&layer.name, layer.name.clone(), inputs.clone(), built, rng)?;
        let function = match &layer.kind {
            LayerKind::Activation(layer) => Some((layer.function, inputs[0])),
            _ => None,
        };
        if let Some(function) = function {
            self.functions.insert(layer.name.clone(), function);
        }
        let activation = layer.activation();
        if activation != Activation::Linear {
            self.functions.insert(layer.name.clone(), (activation, answer));
            let built = activate(activation).build(&self.values[answer].shape);
            let name = format!("{}.{}", layer.name, activation.word());
            answer = self.step(&layer.name, name, vec![answer], built, rng)?;
        }
        self.answers.insert(layer.name.clone(), answer);
        Ok(())
    }

    fn step(
        &mut self,
        layer: &str,
        name: String,
        inputs: Vec<usize>,
        built: Built,
        rng: &mut ChaCha8Rng,
    ) -> Result<usize> {
        let Built { op, shape, parameters } = built;
        check_size(layer, &shape)?;
        let first = self.parameters.len();
        for new in parameters {
            check_size(layer, &new.shape)?;
            let values = match new.first {
                FirstValues::Given(values) => values,
                FirstValues::Drawn { initializer, fan_in, fan_out } => {
                    initializer.fill(&new.shape, fan_in, fan_out, rng)
                }
            };
            self.parameters.push(Parameter {
                name: format!("{layer}.{}", new.name),
                shape: new.shape,
                values,
                trainable: new.trainable,
                decays: new.decays,
            });
        }
        let learnt = self.parameters[first..].iter().any(|parameter| parameter.trainable)
            || inputs.iter().any(|&input| self.values[input].learnt);
        let output = self.value(shape, learnt);
        let parameters = first..self.parameters.len();
        self.steps.push(Step { layer: layer.to_owned(), name, op, inputs, output, parameters });
        Ok(output)
    }

    fn head(&mut self, head: &HeadRequest, rng: &mut ChaCha8Rng) -> Result<Head> {
        let answer = *self.answers.get(head.layer).ok_or_else(|| {
            let known: Vec<&str> = self.answers.keys().map(String::as_str).collect();
            Error::UnknownOutput { layer: head.layer.to_owned(), known: known.join(", ") }
        })?;
        let scored = match self.functions.get(head.layer) {
            Some((function, input)) if Some(*function) == head.absorbs => *input,
            _ => answer,
        };
        if !self.values[scored].learnt {
            return Err(Error::NothingToLearn { layer: head.layer.to_owned() });
        }
        let Some(form) = head.form else {
            return Ok(Head { layer: head.layer.to_owned(), scored, given: answer, judged: scored, target: None });
        };
        let built = form.build(&self.values[answer].shape);
        let target = form.normalized.then_some(self.parameters.len());
        let given = self.step(head.layer, format!("{}.answer", head.layer), vec![answer], built, rng)?;
        Ok(Head { layer: head.layer.to_owned(), scored, given, judged: given, target })
    }

    /// The first layer whose answer nobody reads.
    fn unread(&self, layers: &[Layer], heads: &[Head]) -> Option<String> {
        let read = |value: usize| {
            self.steps.iter().any(|step| step.inputs.contains(&value)) || heads.iter().any(|head| head.given == value)
        };
        layers
            .iter()
            .find(|layer| self.answers.get(&layer.name).is_some_and(|&value| !read(value)))
            .map(|l| l.name.clone())
    }
}

fn check_size(layer: &str, shape: &[usize]) -> Result<()> {
    let size = shape.iter().try_fold(1_usize, |size, &axis| size.checked_mul(axis));
    match size {
        Some(size) if size <= MAX_VALUES => Ok(()),
        _ => {
            let (rows, rest) = shape.split_first().map_or((1, &[][..]), |(rows, rest)| (*rows, rest));
            let columns = rest.iter().fold(1_usize, |size, &axis| size.saturating_mul(axis));
            Err(Error::too_large(layer, "a tensor", rows, columns))
        }
    }
}

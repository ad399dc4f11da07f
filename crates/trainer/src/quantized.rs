//! Training with the arithmetic of an 8-bit integer engine (Jacob et al. 2018, section 3).
//!
//! Dense layers compute what the engine will: activations as uint8 with one scale and zero point per tensor, weights as int8 with a scale for
//! each output, biases as int32, sums in int32, and between two such layers a requantization by one multiplier. Gradients pass through the
//! roundings as if these were not there, and end where a value saturates (straight-through estimator, Bengio et al. 2013).
//!
//! The scale of an activation may be learnt: its gradient is that of LSQ (Esser et al. 2020, eq. 3), taken by the logarithm so that steps are
//! relative to it (Jain et al. 2020, section 4.2).

mod activation;
mod chain;
mod weights;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::network::{Network, Step};
use crate::op::{IntegerForm, Parameter};
use crate::trained::Trained;
use chain::{Chain, Link};

/// How the input of a dense layer is quantized to uint8: `q = saturate(round(x / scale) + zero_point)` (ONNX operator *QuantizeLinear*).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputRange {
    /// The real distance of neighbouring levels.
    pub scale: f32,
    /// The level that stands for 0.
    pub zero_point: u8,
}

/// Which dense layers compute in integers, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// How the input of each dense layer is quantized, by the layer's name; a layer that is left out computes in float.
    pub ranges: BTreeMap<String, InputRange>,
    /// Whether the scales are learnt; otherwise they stay as given.
    pub learn: bool,
}

/// Most inputs of a dense layer whose sums cannot leave int32: `k * 255 * 127`, and a bias of up to `2^30`, stay below `2^31`.
const MAX_INPUTS: usize = (1 << 30) / (255 * 127);

/// What a chain's scales are called behind the names of their layers.
const SCALE: &str = "input_scale";

impl Quantization {
    pub(crate) fn check(&self) -> Result<()> {
        let unusable = |range: &InputRange| !(range.scale >= weights::MIN_SCALE && range.scale.is_finite());
        match self.ranges.iter().find(|(_, range)| unusable(range)) {
            None => Ok(()),
            Some((layer, range)) => {
                Err(Error::setting(format!("scale of the input of {layer}"), range.scale, "finite and at least 2^-60"))
            }
        }
    }
}

impl Trained {
    /// How the inputs of the layers that compute in integers are quantized, by the names of the layers; none in a network of floats.
    pub fn input_ranges(&self) -> BTreeMap<String, InputRange> {
        let Some(quantization) = &self.quantization else { return BTreeMap::new() };
        let learnt = |layer: &String, range: &InputRange| {
            let name = format!("{layer}.{SCALE}");
            let parameter = self.parameters.iter().find(|parameter| parameter.name == name);
            let steps = parameter.and_then(|parameter| parameter.values.first()).copied().unwrap_or(0.0);
            (layer.clone(), InputRange { scale: chain::scale(range.scale, steps), ..*range })
        };
        quantization.ranges.iter().map(|(layer, range)| learnt(layer, range)).collect()
    }
}

impl Network {
    /// Has the dense layers of `quantization` compute in integers, those behind each other without a float between them.
    ///
    /// # Errors
    ///
    /// If a layer of this name is no dense layer for rows of features, has too many inputs, or reads what another step reads, too.
    pub(crate) fn quantize(&mut self, quantization: &Quantization) -> Result<()> {
        for layer in quantization.ranges.keys() {
            if !self.steps.iter().any(|step| step.layer == *layer && is_dense(step)) {
                return Err(Error::NotQuantizable {
                    layer: layer.clone(),
                    reason: "only dense layers for rows of features compute in integers".to_owned(),
                });
            }
        }
        let mut readers = vec![0_usize; self.values.len()];
        for &input in self.steps.iter().flat_map(|step| &step.inputs) {
            readers[input] += 1;
        }
        // What a loss looks at, or the model gives, is read as well.
        for head in &self.heads {
            readers[head.scored] += 1;
            readers[head.given] += usize::from(head.given != head.scored);
        }
        let alone = |value: usize| readers[value] == 1;
        let follows = |next: &Step, value: usize| next.inputs == [value] && alone(value);
        let relu = |next: &Step| matches!(next.op.integer_form(), Some(IntegerForm::Relu));
        // Parameters move; these are found again by their names.
        let targets: Vec<Option<String>> =
            self.heads.iter().map(|head| Some(self.parameters[head.target?].name.clone())).collect();
        let mut rest = std::mem::take(&mut self.steps).into_iter().peekable();
        let mut parameters = std::mem::take(&mut self.parameters).into_iter();
        while let Some(step) = rest.next() {
            let first = self.parameters.len();
            if !(quantization.ranges.contains_key(&step.layer) && is_dense(&step)) {
                self.parameters.extend(parameters.by_ref().take(step.parameters.len()));
                self.steps.push(Step { parameters: first..self.parameters.len(), ..step });
                continue;
            }
            let (layer, name, inputs) = (step.layer.clone(), step.name.clone(), step.inputs.clone());
            let mut output = step.output;
            let (mut links, mut scales) = (Vec::new(), Vec::new());
            let mut next = Some(step);
            while let Some((step, range, shape)) = next.take().and_then(|step| quantization.link(step)) {
                check(&step, shape, alone(step.inputs[0]))?;
                output = step.output;
                scales.push(Parameter {
                    name: format!("{}.{SCALE}", step.layer),
                    shape: vec![1],
                    values: vec![0.0],
                    trainable: quantization.learn,
                    decays: false,
                });
                let at = self.parameters.len() - first;
                self.parameters.extend(parameters.by_ref().take(step.parameters.len()));
                let mut link = Link::new(shape, range, at..self.parameters.len() - first, (step.name, step.op));
                if let Some(next) = rest.next_if(|next| relu(next) && follows(next, output)) {
                    output = next.output;
                    link.relu = Some((next.name, next.op));
                }
                links.push(link);
                next = rest.next_if(|next| {
                    quantization.ranges.contains_key(&next.layer) && is_dense(next) && follows(next, output)
                });
            }
            self.parameters.extend(scales);
            let op = Box::new(Chain::new(links));
            self.steps.push(Step { layer, name, op, inputs, output, parameters: first..self.parameters.len() });
        }
        for (head, name) in self.heads.iter_mut().zip(targets) {
            head.target = name.and_then(|name| self.parameters.iter().position(|parameter| parameter.name == name));
        }
        Ok(())
    }
}

impl Quantization {
    /// A step with how its input is quantized and the shape of its weights, if it computes in integers.
    fn link(&self, step: Step) -> Option<(Step, InputRange, (usize, usize))> {
        match (self.ranges.get(&step.layer), step.op.integer_form()) {
            (Some(&range), Some(IntegerForm::Dense { inputs, units })) => Some((step, range, (inputs, units))),
            _ => None,
        }
    }
}

fn check(step: &Step, (inputs, _): (usize, usize), alone: bool) -> Result<()> {
    let reason = match (inputs > MAX_INPUTS, alone) {
        (true, _) => format!("of more than {MAX_INPUTS} inputs the sums can leave int32"),
        (_, false) => "what it reads is read by others, too".to_owned(),
        (false, true) => return Ok(()),
    };
    Err(Error::NotQuantizable { layer: step.layer.clone(), reason })
}

fn is_dense(step: &Step) -> bool {
    matches!(step.op.integer_form(), Some(IntegerForm::Dense { .. }))
}

#[cfg(test)]
mod tests;

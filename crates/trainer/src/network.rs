//! How layers work together: from a batch of samples to logits and back to gradients.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use rand_chacha::ChaCha8Rng;

use crate::config::LayerConfig;
use crate::error::{Culprit, Error, Place, Result};
use crate::initializer::Initializer;
use crate::layer::{Activation, Dense, DenseGradient};
use crate::optimizer::ParameterInfo;

/// The most values one tensor may have: an ONNX file is limited to 2 GiB, which is 2^29 values of f32.
const MAX_VALUES: usize = 1 << 29;

/// Dense layers, each fed with the answer of the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    /// Never empty.
    layers: Vec<Dense>,
}

/// The input of a network and what each layer answered, for up to a fixed number of samples.
pub(crate) struct Activations {
    pub(crate) input: Array2<f32>,
    outputs: Vec<Array2<f32>>,
}

/// The derivatives of the loss by each layer's output and by its parameters.
pub(crate) struct Gradients {
    outputs: Vec<Array2<f32>>,
    parameters: Vec<DenseGradient>,
}

impl Network {
    /// Draws the first weights of a network for samples of `inputs` features; biases start at 0.
    ///
    /// `classes` is the width of a last layer that does not give its own. `layers` must not be empty.
    pub(crate) fn new(layers: &[LayerConfig], mut inputs: usize, classes: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut built = Vec::with_capacity(layers.len());
        for LayerConfig::Dense { name, units, activation } in layers {
            let units = units.unwrap_or(classes);
            check_size(name, "a weight matrix", inputs, units)?;
            let initializer = match activation {
                Activation::Relu => Initializer::HeUniform,
                Activation::Linear => Initializer::GlorotUniform,
            };
            let weights = initializer.fill(&[inputs, units], inputs, units, rng);
            built.push(Dense {
                name: name.clone(),
                weights: Array2::from_shape_vec((inputs, units), weights).expect("as many values as the shape has"),
                bias: ndarray::Array1::zeros(units),
                activation: *activation,
            });
            inputs = units;
        }
        Ok(Self { layers: built })
    }

    pub(crate) fn layers(&self) -> &[Dense] {
        &self.layers
    }

    pub(crate) fn last(&self) -> &Dense {
        &self.layers[self.layers.len() - 1]
    }

    /// Room for the activations of up to `batch` samples.
    pub(crate) fn activations(&self, batch: usize) -> Result<Activations> {
        let inputs = self.layers.first().map_or(0, Dense::inputs);
        Ok(Activations { outputs: self.outputs(batch)?, input: Array2::zeros((batch, inputs)) })
    }

    /// Room for the gradients of up to `batch` samples.
    pub(crate) fn gradients(&self, batch: usize) -> Result<Gradients> {
        Ok(Gradients {
            outputs: self.outputs(batch)?,
            parameters: self.layers.iter().map(DenseGradient::new).collect(),
        })
    }

    fn outputs(&self, batch: usize) -> Result<Vec<Array2<f32>>> {
        let layers = self.layers.iter();
        layers
            .map(|layer| {
                check_size(&layer.name, "the output for one batch", batch, layer.units())?;
                Ok(Array2::zeros((batch, layer.units())))
            })
            .collect()
    }

    /// Runs the first `rows` samples of `activations.input` through all layers and gives the logits `[rows, classes]`.
    pub(crate) fn forward<'a>(&self, activations: &'a mut Activations, rows: usize) -> ArrayView2<'a, f32> {
        let mut input = activations.input.slice(s![..rows, ..]);
        for (layer, output) in self.layers.iter().zip(&mut activations.outputs) {
            layer.forward(input, output.slice_mut(s![..rows, ..]));
            input = output.slice(s![..rows, ..]);
        }
        input
    }

    /// Carries the gradient by the logits, which the caller has put into [`Gradients::logits`], back to all parameters.
    pub(crate) fn backward(&self, activations: &Activations, gradients: &mut Gradients, rows: usize) {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (before, here) = gradients.outputs.split_at_mut(index);
            let input = match index.checked_sub(1) {
                Some(before) => &activations.outputs[before],
                None => &activations.input,
            };
            layer.backward(
                input.slice(s![..rows, ..]),
                activations.outputs[index].slice(s![..rows, ..]),
                here[0].slice_mut(s![..rows, ..]),
                &mut gradients.parameters[index],
                before.last_mut().map(|before| before.slice_mut(s![..rows, ..])),
            );
        }
    }

    /// Each parameter tensor, in the order of [`Self::parameters_mut`].
    pub(crate) fn parameters(&self) -> impl Iterator<Item = ParameterInfo> {
        let layers = self.layers.iter();
        layers
            .flat_map(|layer| [(layer.weights.len(), true), (layer.bias.len(), false)])
            .map(|(size, decays)| ParameterInfo { size, decays })
    }

    /// Each parameter tensor with its gradient.
    pub(crate) fn parameters_mut<'a>(
        &'a mut self,
        gradients: &'a Gradients,
    ) -> impl Iterator<Item = (&'a mut [f32], &'a [f32])> {
        let pairs = self.layers.iter_mut().zip(&gradients.parameters);
        pairs.flat_map(|(layer, gradient)| {
            // All arrays are made in row-major order and never change shape, so each is one slice.
            [
                (layer.weights.as_slice_mut(), gradient.weights.as_slice()),
                (layer.bias.as_slice_mut(), gradient.bias.as_slice()),
            ]
            .map(|(values, gradient)| {
                (values.expect("parameters in row-major order"), gradient.expect("gradients in row-major order"))
            })
        })
    }

    /// The first layer, from the input on, with a value that is not finite in its parameters or in its answer to the
    /// first `rows` samples of `activations`.
    pub(crate) fn first_non_finite(&self, activations: &Activations, rows: usize) -> Option<Culprit> {
        let mut layers = self.layers.iter().zip(&activations.outputs);
        layers.find_map(|(layer, output)| {
            let place = if !all_finite(&layer.weights) {
                Place::Weights
            } else if !all_finite(&layer.bias) {
                Place::Bias
            } else if !all_finite(output.slice(s![..rows, ..])) {
                Place::Output
            } else {
                return None;
            };
            Some(Culprit { layer: layer.name.clone(), place })
        })
    }

    /// The culprit of a loss that is not finite although all layers are.
    pub(crate) fn overflowed_loss(&self) -> Culprit {
        Culprit { layer: self.last().name.clone(), place: Place::Loss }
    }
}

impl Gradients {
    /// Where the derivative of the loss by the logits of the first `rows` samples belongs.
    pub(crate) fn logits(&mut self, rows: usize) -> ArrayViewMut2<'_, f32> {
        let last = self.outputs.len() - 1;
        self.outputs[last].slice_mut(s![..rows, ..])
    }
}

fn all_finite<'a>(values: impl IntoIterator<Item = &'a f32>) -> bool {
    values.into_iter().all(|value| value.is_finite())
}

fn check_size(layer: &str, what: &'static str, rows: usize, columns: usize) -> Result<()> {
    match rows.checked_mul(columns) {
        Some(values) if values <= MAX_VALUES => Ok(()),
        _ => Err(Error::LayerTooLarge { layer: layer.to_owned(), what, rows, columns, limit: MAX_VALUES }),
    }
}

#[cfg(test)]
mod tests;

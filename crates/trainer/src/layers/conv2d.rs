//! The convolution of images.

mod op;

use serde::{Deserialize, Serialize};

use self::op::Conv2dOp;
use super::dense::{check_initializers, first_values, suited_to, yes};
use super::window::{Window, check_sizes};
use super::{Dense, LayerKind, Padding, Pair};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::network::MAX_VALUES;
use crate::op::{Built, NewParameter};

/// A convolution of images `[channels, height, width]` with `filters` windows of weights `[filters, channels / groups, height, width]` (ONNX
/// operator *Conv*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Channels of the answer.
    pub filters: usize,
    /// Size of the windows.
    pub kernel: Pair,
    /// Pixels from one position of a window to the next. Default 1.
    #[serde(default = "Pair::one")]
    pub stride: Pair,
    /// What lies around the image: zeros. Default [`Padding::Valid`], none.
    #[serde(default)]
    pub padding: Padding,
    /// Pixels from one weight of a window to the next. Default 1.
    #[serde(default = "Pair::one")]
    pub dilation: Pair,
    /// Parts that channels and filters are cut into, each convolved by itself; as many as channels for a depthwise convolution.
    /// Default 1.
    #[serde(default = "one")]
    pub groups: usize,
    /// Applied to each output. Default [`Activation::Linear`].
    #[serde(default)]
    pub activation: Activation,
    /// Whether there is a bias; needless in front of a normalizer. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What the weights start from. Default: what suits the activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Initializer>,
    /// What the bias starts from. Default zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<Initializer>,
    /// Weights `[filters, channels / groups, height, width]` to start from in place of drawn ones, in row-major order.
    #[serde(skip)]
    pub weights: Option<Vec<f32>>,
    /// A bias `[filters]` to start from in place of a drawn one.
    #[serde(skip)]
    pub bias_values: Option<Vec<f32>>,
}

fn one() -> usize {
    1
}

/// A convolution with `filters` windows of size `kernel`, such as `3` or `[3, 5]`, without an activation.
pub fn conv2d(filters: usize, kernel: impl Into<Pair>) -> Conv2d {
    Conv2d {
        filters,
        kernel: kernel.into(),
        stride: Pair::one(),
        padding: Padding::Valid,
        dilation: Pair::one(),
        groups: 1,
        activation: Activation::Linear,
        bias: true,
        init: None,
        bias_init: None,
        weights: None,
        bias_values: None,
    }
}

/// The convolution that gives images `[channels, height, width]` what `dense` gives their flattened values: its window is the whole image,
/// its answer one pixel. A dense layer with weights of its own lends them, reordered.
///
/// Unlike the dense layer it also takes larger images, and then answers at each position where the window fits.
///
/// # Errors
///
/// If the layer has no width, or weights of its own for another number of inputs.
pub fn dense_to_conv(dense: &Dense, [channels, height, width]: [usize; 3]) -> Result<Conv2d> {
    let wrong = |setting: &str, found: String, expected: String| Err(Error::setting(setting, found, expected));
    let Some(units) = dense.units else {
        return wrong("units", "nothing".to_owned(), "given: a convolution has as many filters".to_owned());
    };
    let inputs = channels.checked_mul(height).and_then(|inputs| inputs.checked_mul(width));
    let weights = match &dense.weights {
        None => None,
        Some(weights) if inputs.and_then(|inputs| inputs.checked_mul(units)) == Some(weights.len()) => {
            let of_unit = |unit: usize| weights.iter().skip(unit).step_by(units).copied();
            Some((0..units).flat_map(of_unit).collect())
        }
        Some(weights) => {
            let expected = format!("as many as {channels} x {height} x {width} inputs of {units} units have");
            return wrong("weights", format!("{} values", weights.len()), expected);
        }
    };
    Ok(Conv2d {
        activation: dense.activation,
        bias: dense.bias,
        init: dense.init.clone(),
        bias_init: dense.bias_init.clone(),
        weights,
        bias_values: dense.bias_values.clone(),
        ..conv2d(units, [height, width])
    })
}

impl From<Conv2d> for LayerKind {
    fn from(layer: Conv2d) -> Self {
        Self::Conv2d(layer)
    }
}

impl Conv2d {
    /// With so many pixels from one position of a window to the next.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// With zeros around the image.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// With so many pixels from one weight of a window to the next.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// With channels and filters cut into so many parts.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// With a function applied to each output.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With or without a bias.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// With weights drawn in another way than suits the activation.
    #[must_use]
    pub fn init(self, init: Initializer) -> Self {
        Self { init: Some(init), ..self }
    }

    /// With a bias that does not start from zeros.
    #[must_use]
    pub fn bias_init(self, init: Initializer) -> Self {
        Self { bias_init: Some(init), ..self }
    }

    /// Starting from given weights `[filters, channels / groups, height, width]`, in row-major order.
    #[must_use]
    pub fn weights(self, weights: Vec<f32>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Starting from a given bias `[filters]`.
    #[must_use]
    pub fn bias_values(self, bias: Vec<f32>) -> Self {
        Self { bias_values: Some(bias), ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        let sizes = [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)];
        check_sizes(name, sizes.into_iter().chain([("filters", self.filters.into()), ("groups", self.groups.into())]))?;
        check_initializers(name, [("init", &self.init), ("bias_init", &self.bias_init)])
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let (filters, groups) = (self.filters, self.groups);
        let (channels, window) = Window::new(name, input, [self.kernel, self.stride, self.dilation], self.padding)?;
        if !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            let (setting, found) = (format!("{name}.groups"), groups);
            let expected = format!("a divisor of its {channels} channels and of its {filters} filters");
            return Err(Error::setting(setting, found, expected));
        }
        let (depth, taps) = (channels / groups, window.taps());
        for (what, rows, columns) in
            [("the weights", filters, depth * taps), ("its answer to a sample", filters, window.positions())]
        {
            if rows.checked_mul(columns).is_none_or(|values| values > MAX_VALUES) {
                return Err(Error::too_large(name, what, rows, columns));
            }
        }
        let fans = (depth * taps, filters / groups * taps);
        let shape = [filters, depth, window.vertical.taps, window.horizontal.taps];
        let initializer = self.init.clone().unwrap_or_else(|| suited_to(self.activation));
        let weights = first_values(name, "weights", &self.weights, &initializer, &shape, fans)?;
        let mut parameters = vec![NewParameter::weight("weight", &shape, weights)];
        if self.bias {
            let initializer = self.bias_init.clone().unwrap_or(Initializer::Zeros);
            let bias = first_values(name, "bias_values", &self.bias_values, &initializer, &[filters], fans)?;
            parameters.push(NewParameter::bias("bias", &[filters], bias));
        }
        let shape = vec![filters, window.vertical.positions, window.horizontal.positions];
        Ok(Built { op: Box::new(Conv2dOp::new(channels, filters, groups, window)), shape, parameters })
    }
}

#[cfg(test)]
mod tests;

//! What one layer computes, forwards and backwards.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

/// The function a layer applies to each of its outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `y = x`.
    #[default]
    Linear,
    /// `y = max(x, 0)` (ONNX operator *Relu*).
    Relu,
}

/// A fully connected layer: `y = activation(x W + b)`, `x` `[batch, inputs]`, `W` `[inputs, units]`, `b` `[units]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    pub(crate) name: String,
    pub(crate) weights: Array2<f32>,
    pub(crate) bias: Array1<f32>,
    pub(crate) activation: Activation,
}

/// The derivative of the loss by the parameters of a [`Dense`].
pub(crate) struct DenseGradient {
    pub(crate) weights: Array2<f32>,
    pub(crate) bias: Array1<f32>,
}

impl Dense {
    pub(crate) fn inputs(&self) -> usize {
        self.weights.nrows()
    }

    pub(crate) fn units(&self) -> usize {
        self.weights.ncols()
    }

    /// Writes the layer's answer to `input` `[batch, inputs]` into `output` `[batch, units]`.
    pub(crate) fn forward(&self, input: ArrayView2<f32>, mut output: ArrayViewMut2<f32>) {
        output.assign(&self.bias);
        general_mat_mul(1.0, &input, &self.weights, 1.0, &mut output);
        if self.activation == Activation::Relu {
            // Not `max`: it would turn NaN into 0 and hide a diverged layer.
            output.mapv_inplace(|x| if x < 0.0 { 0.0 } else { x });
        }
    }

    /// Writes the derivatives of the loss by the parameters and, if wanted, by `input`.
    ///
    /// `output` is what [`Self::forward`] wrote for `input`. `output_gradient`, the derivative by that output,
    /// is turned in place into the one by the sum in front of the activation.
    pub(crate) fn backward(
        &self,
        input: ArrayView2<f32>,
        output: ArrayView2<f32>,
        mut output_gradient: ArrayViewMut2<f32>,
        gradient: &mut DenseGradient,
        input_gradient: Option<ArrayViewMut2<f32>>,
    ) {
        if self.activation == Activation::Relu {
            Zip::from(&mut output_gradient).and(&output).for_each(|g, &y| {
                if y <= 0.0 {
                    *g = 0.0;
                }
            });
        }
        general_mat_mul(1.0, &input.t(), &output_gradient, 0.0, &mut gradient.weights);
        gradient.bias.fill(0.0);
        for row in output_gradient.rows() {
            gradient.bias += &row;
        }
        if let Some(mut input_gradient) = input_gradient {
            general_mat_mul(1.0, &output_gradient, &self.weights.t(), 0.0, &mut input_gradient);
        }
    }
}

impl DenseGradient {
    pub(crate) fn new(layer: &Dense) -> Self {
        Self { weights: Array2::zeros(layer.weights.raw_dim()), bias: Array1::zeros(layer.bias.raw_dim()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, array};

    fn dense(activation: Activation) -> Dense {
        Dense {
            name: "fc".into(),
            weights: array![[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]],
            bias: arr1(&[0.5, -1.0, 0.0]),
            activation,
        }
    }

    fn run(layer: &Dense, input: &Array2<f32>) -> Array2<f32> {
        let mut output = Array2::from_elem((input.nrows(), layer.units()), f32::NAN);
        layer.forward(input.view(), output.view_mut());
        output
    }

    #[test]
    fn forward_is_the_affine_map_and_its_positive_part() {
        let x = array![[2.0, 1.0], [-1.0, 0.0]];
        assert_eq!(run(&dense(Activation::Linear), &x), array![[2.5, -2.0, 0.0], [-0.5, 1.0, -0.5]]);
        assert_eq!(run(&dense(Activation::Relu), &x), array![[2.5, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    }

    #[test]
    fn nan_passes_the_rectifier() {
        let y = run(&dense(Activation::Relu), &array![[f32::NAN, 0.0]]);
        assert!(y.iter().all(|y| y.is_nan()));
    }

    #[test]
    fn backward_overwrites_what_an_earlier_batch_left() {
        let layer = dense(Activation::Relu);
        let x = array![[2.0, 1.0]];
        let y = run(&layer, &x);
        let mut gradient = DenseGradient::new(&layer);
        gradient.weights.fill(7.0);
        gradient.bias.fill(7.0);
        let mut by_output = array![[1.0, 10.0, 100.0]];
        let mut by_input = array![[7.0, 7.0]];
        layer.backward(x.view(), y.view(), by_output.view_mut(), &mut gradient, Some(by_input.view_mut()));
        // Only the first unit is above zero, so only it passes its gradient on.
        assert_eq!(gradient.weights, array![[2.0, 0.0, 0.0], [1.0, 0.0, 0.0]]);
        assert_eq!(gradient.bias, arr1(&[1.0, 0.0, 0.0]));
        assert_eq!(by_input, array![[1.0, 0.0]]);
    }
}

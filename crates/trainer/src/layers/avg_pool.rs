//! The mean under a window.

use onnx_model::graph::node;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::window::{Window, check_sizes};
use super::{LayerKind, Padding, Pair};
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// The mean of the pixels under a window, in each channel of `[channels, height, width]` (ONNX operator *AveragePool*). Padding is no pixel: the
/// mean at the border is that of fewer (`count_include_pad` 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// Size of the window.
    pub kernel: Pair,
    /// Pixels from one position of the window to the next. Default: its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// What lies around the image, which counts as nothing. Default [`Padding::Valid`], none.
    #[serde(default)]
    pub padding: Padding,
}

/// The mean under windows of size `kernel`, such as `2` or `[2, 3]`, side by side.
pub fn avg_pool(kernel: impl Into<Pair>) -> AvgPool {
    AvgPool { kernel: kernel.into(), stride: None, padding: Padding::Valid }
}

impl From<AvgPool> for LayerKind {
    fn from(layer: AvgPool) -> Self {
        Self::AvgPool(layer)
    }
}

impl AvgPool {
    /// With so many pixels from one position of the window to the next.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: Some(stride.into()), ..self }
    }

    /// With something around the image.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        check_sizes(name, [("kernel", self.kernel), ("stride", self.stride.unwrap_or(self.kernel))])
    }

    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        let sizes = [self.kernel, self.stride.unwrap_or(self.kernel), Pair::one()];
        let (channels, window) = Window::new(name, input, sizes, self.padding)?;
        let shape = vec![channels, window.vertical.positions, window.horizontal.positions];
        let mut pixels = vec![0.0; window.positions()];
        for tap in 0..window.taps() {
            window.covered(tap, |positions, _| pixels[positions].iter_mut().for_each(|count| *count += 1.0));
        }
        Ok(Built { op: Box::new(AvgPoolOp { window, pixels }), shape, parameters: Vec::new() })
    }
}

#[derive(Debug)]
struct AvgPoolOp {
    window: Window,
    /// How many pixels the window covers at each position.
    pixels: Vec<f32>,
}

impl Op for AvgPoolOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let Self { window, pixels } = self;
        let planes = pass.output.par_chunks_mut(window.positions()).zip(pass.inputs[0].par_chunks(window.area()));
        planes.for_each(|(output, plane)| {
            output.fill(0.0);
            for tap in 0..window.taps() {
                window.covered(tap, |positions, pixel| {
                    let under = plane[pixel..].iter().step_by(window.horizontal.stride);
                    output[positions].iter_mut().zip(under).for_each(|(sum, value)| *sum += value);
                });
            }
            output.iter_mut().zip(&*pixels).for_each(|(sum, pixels)| *sum /= pixels);
        });
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let Some(by_input) = &mut pass.by_inputs[0] else { return };
        let Self { window, pixels } = self;
        let planes = by_input.par_chunks_mut(window.area()).zip(pass.by_output.par_chunks(window.positions()));
        planes.for_each(|(by_plane, by_output)| {
            by_plane.fill(0.0);
            for tap in 0..window.taps() {
                window.covered(tap, |positions, pixel| {
                    let under = by_plane[pixel..].iter_mut().step_by(window.horizontal.stride);
                    let shares = by_output[positions.clone()].iter().zip(&pixels[positions]);
                    under.zip(shares).for_each(|(by_pixel, (by, pixels))| *by_pixel += by / pixels);
                });
            }
        });
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        let pool = self.window.describe(node("AveragePool", name, inputs, &[]));
        graph.push(pool.with_int("count_include_pad", 0))
    }
}

//! The largest value under a window.

use onnx_model::graph::node;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::window::{Window, check_sizes};
use super::{LayerKind, Padding, Pair};
use crate::error::Result;
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};

/// The largest value under a window, in each channel of `[channels, height, width]` (ONNX operator *MaxPool*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Size of the window.
    pub kernel: Pair,
    /// Pixels from one position of the window to the next. Default: its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Pair>,
    /// What lies around the image, which counts as nothing. Default [`Padding::Valid`], none.
    #[serde(default)]
    pub padding: Padding,
}

/// The largest value under windows of size `kernel`, such as `2` or `[2, 3]`, side by side.
pub fn max_pool(kernel: impl Into<Pair>) -> MaxPool {
    MaxPool { kernel: kernel.into(), stride: None, padding: Padding::Valid }
}

impl From<MaxPool> for LayerKind {
    fn from(layer: MaxPool) -> Self {
        Self::MaxPool(layer)
    }
}

impl MaxPool {
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
        Ok(Built { op: Box::new(MaxPoolOp { window, winners: Vec::new() }), shape, parameters: Vec::new() })
    }
}

#[derive(Debug)]
struct MaxPoolOp {
    window: Window,
    /// The pixel that each value of the answer comes from.
    winners: Vec<u32>,
}

impl Op for MaxPoolOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let Self { window, winners } = self;
        let (area, positions) = (window.area(), window.positions());
        winners.resize(pass.output.len(), 0);
        let planes = pass.output.par_chunks_mut(positions).zip(winners.par_chunks_mut(positions));
        planes.zip(pass.inputs[0].par_chunks(area)).for_each(|((output, winners), plane)| {
            // Every position has a pixel, and even negative infinity beats what is there before.
            output.fill(f32::NEG_INFINITY);
            winners.fill(u32::MAX);
            for tap in 0..window.taps() {
                window.covered(tap, |positions, pixel| {
                    let pixels = (pixel..).step_by(window.horizontal.stride);
                    let bests = output[positions.clone()].iter_mut().zip(&mut winners[positions]);
                    for ((best, winner), pixel) in bests.zip(pixels) {
                        let value = plane[pixel];
                        // The first of equals wins; NaN, which must not be hidden, beats every number.
                        let wins = value > *best || *winner == u32::MAX || (value.is_nan() && !best.is_nan());
                        *best = if wins { value } else { *best };
                        *winner = if wins { pixel as u32 } else { *winner };
                    }
                });
            }
        });
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let Some(by_input) = &mut pass.by_inputs[0] else { return };
        let (area, positions) = (self.window.area(), self.window.positions());
        let answers = pass.by_output.par_chunks(positions).zip(self.winners.par_chunks(positions));
        by_input.par_chunks_mut(area).zip(answers).for_each(|(by_plane, (by_output, winners))| {
            by_plane.fill(0.0);
            for (by, &winner) in by_output.iter().zip(winners) {
                by_plane[winner as usize] += by;
            }
        });
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        graph.push(self.window.describe(node("MaxPool", name, inputs, &[])))
    }
}

//! The mean of each channel.

use onnx_model::graph::node;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::LayerKind;
use crate::error::{Error, Result};
use crate::export::GraphWriter;
use crate::op::{Backward, Built, Forward, Op, Parameter};
use crate::sums::sum;

/// The mean of each channel of `[channels, height, width]`, as features `[channels]` (ONNX operators *GlobalAveragePool* and *Flatten*).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAvgPool {}

/// A layer that makes one feature of each channel of images.
pub fn global_avg_pool() -> GlobalAvgPool {
    GlobalAvgPool {}
}

impl From<GlobalAvgPool> for LayerKind {
    fn from(layer: GlobalAvgPool) -> Self {
        Self::GlobalAvgPool(layer)
    }
}

impl GlobalAvgPool {
    pub(super) fn build(&self, name: &str, input: &[usize]) -> Result<Built> {
        match *input {
            [channels, height, width] if height > 0 && width > 0 => {
                let op = GlobalAvgPoolOp { area: height * width };
                Ok(Built { op: Box::new(op), shape: vec![channels], parameters: Vec::new() })
            }
            _ => {
                let expected = "images [channels, height, width]; put a `reshape` in front".to_owned();
                Err(Error::LayerInput { layer: name.to_owned(), found: input.to_vec(), expected })
            }
        }
    }
}

#[derive(Debug)]
struct GlobalAvgPoolOp {
    /// Pixels of a channel.
    area: usize,
}

impl Op for GlobalAvgPoolOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let area = self.area;
        pass.output.par_iter_mut().zip(pass.inputs[0].par_chunks(area)).for_each(|(mean, plane)| {
            *mean = (sum(area, |i| f64::from(plane[i])) / area as f64) as f32;
        });
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let Some(by_input) = &mut pass.by_inputs[0] else { return };
        let area = self.area as f32;
        by_input.par_chunks_mut(self.area).zip(pass.by_output).for_each(|(by_plane, by)| by_plane.fill(by / area));
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], _: &[Parameter]) -> Result<String> {
        let means = graph.push(node("GlobalAveragePool", &format!("{name}.mean"), inputs, &[]))?;
        graph.push(node("Flatten", name, &[&means], &[]))
    }
}

//! Temporary.
use crate::activation::Activation;
use crate::error::Result;
use serde::{Deserialize, Serialize};
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
/// Loss.
pub enum Loss {
    /// CE
    #[default]
    CrossEntropy,
    /// MSE
    MeanSquaredError,
}
pub(crate) enum Targets<'a> {
    Classes(&'a [u32]),
    Values(&'a [f32]),
}
impl Loss {
    pub(crate) fn check(&self) -> Result<()> {
        Ok(())
    }
    pub(crate) fn takes_classes(&self) -> bool {
        *self == Self::CrossEntropy
    }
    pub(crate) fn absorbs(&self) -> Option<Activation> {
        self.takes_classes().then_some(Activation::Softmax)
    }
    pub(crate) fn width(&self, target: usize) -> usize {
        target
    }
    pub(crate) fn classes_told(&self, width: usize) -> usize {
        width
    }
    pub(crate) fn evaluate(&self, outputs: &[f32], width: usize, targets: Targets<'_>, gradient: &mut [f32]) -> f64 {
        let rows = outputs.len() / width;
        let mut total = 0.0;
        match targets {
            Targets::Classes(labels) => {
                for ((z, g), &label) in outputs.chunks(width).zip(gradient.chunks_mut(width)).zip(labels) {
                    let label = label as usize;
                    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let mut sum = 0.0;
                    for (g, &z) in g.iter_mut().zip(z) {
                        *g = libm::expf(z - max);
                        sum += *g;
                    }
                    total += f64::from(libm::logf(sum)) + f64::from(max) - f64::from(z[label]);
                    g.iter_mut().for_each(|e| *e = *e / sum / rows as f32);
                    g[label] -= 1.0 / rows as f32;
                }
            }
            Targets::Values(values) => {
                for ((g, y), v) in gradient.iter_mut().zip(outputs).zip(values) {
                    total += f64::from((y - v) * (y - v)) / width as f64;
                    *g = 2.0 * (y - v) / outputs.len() as f32;
                }
            }
        }
        total / rows as f64
    }
}

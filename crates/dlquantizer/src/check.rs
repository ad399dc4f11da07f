//! Whether calibration samples are many and good enough.

mod expectation;
mod finding;
mod noise;
mod novelty;
mod stability;
mod values;

use onnx_model::graph::GraphIndex;
use serde::Serialize;

pub use finding::Finding;
pub use novelty::Novelty;
pub use stability::Stability;

use crate::{Calibration, Error, FloatModel, TensorKind};

/// Halves of the samples that differ by more, in per cent of the range, make a range a matter of luck.
pub(crate) const UNSTABLE_PERCENT: f64 = 25.0;

/// What a calibration tells of the samples it was made on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Samples seen.
    pub samples: u64,
    /// How likely a new sample leaves the ranges from smallest to largest value.
    pub novelty: Novelty,
    /// Of every activation.
    pub stability: Vec<Stability>,
    /// What is wrong, or may be.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Checks the samples that `calibration` was made on, without them.
    ///
    /// # Errors
    ///
    /// When the calibration is of another model or the model's constants cannot be read.
    pub fn of(model: &FloatModel, calibration: &Calibration) -> Result<Self, Error> {
        calibration.check_model(model.digest())?;
        let network = model.network();
        let index = GraphIndex::new(network.graph())?;
        let prepared = GraphIndex::new(model.prepared().graph())?;
        let inputs: Vec<String> = network.inputs().into_iter().map(|input| input.name).collect();
        let mut findings = Vec::new();
        let activations = || calibration.tensors().iter().filter(|tensor| tensor.kind == TensorKind::Activation);
        for tensor in activations().filter(|tensor| inputs.contains(&tensor.name)) {
            findings.extend(expectation::judge(network, &index, tensor)?);
            findings.extend(noise::judge(tensor));
        }
        let judge = values::Judge::new(model.prepared().graph(), &prepared, calibration)?;
        for tensor in calibration.tensors() {
            findings.extend(judge.judge(tensor)?);
        }
        let stability: Vec<Stability> = activations().filter_map(Stability::of).collect();
        // The worst one says it all.
        let worst = stability.iter().max_by(|a, b| a.minmax_percent.total_cmp(&b.minmax_percent));
        if let Some(worst) = worst.filter(|worst| worst.minmax_percent > UNSTABLE_PERCENT) {
            let tensors = stability.iter().filter(|one| one.minmax_percent > UNSTABLE_PERCENT).count();
            let percent = worst.minmax_percent;
            findings.push(Finding::Unstable {
                tensor: worst.tensor.clone(),
                layer: worst.layer.clone(),
                percent,
                tensors,
            });
        }
        Ok(Self { samples: calibration.samples(), novelty: Novelty::after(calibration.samples()), stability, findings })
    }
}

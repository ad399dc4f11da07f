//! What a training gives: a network that answers raw samples.

use dataset::Dataset;
use ndarray::ArrayD;

use crate::augment::Augmentation;
use crate::config::Output;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::loss::LossFunction;
use crate::network::{Activations, Head, HeadRequest, Network};
use crate::normalize::Normalization;
use crate::op::{Mode, Parameter};
use crate::quantized::Quantization;
use crate::random::{Purpose, generator};
use crate::samples::{Samples, Wanted};
use crate::score::{Score, Tally};

/// Most samples per forward pass outside of training.
const BATCH: usize = 256;

/// Most values that such a pass keeps, apart from those of a single sample: 1 GiB.
const MAX_KEPT: usize = 1 << 28;

/// A trained network with the normalization of its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub(crate) inputs: Vec<NetworkInput>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) outputs: Vec<Output>,
    /// Of each output.
    pub(crate) losses: Vec<LossFunction>,
    /// The width of each output's layer where that leaves it open.
    pub(crate) widths: Vec<Option<usize>>,
    pub(crate) parameters: Vec<Parameter>,
    /// Which layers compute in integers.
    pub(crate) quantization: Option<Quantization>,
}

/// An input of a network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkInput {
    pub(crate) name: String,
    /// Of one sample.
    pub(crate) shape: Vec<usize>,
    pub(crate) normalization: Option<Normalization>,
}

impl Trained {
    /// The share of the samples that are classified as labelled, in per cent; `None` if the network does not tell classes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::score`].
    pub fn accuracy(&self, dataset: &Dataset) -> Result<Option<f64>> {
        Ok(self.score(dataset)?.accuracy)
    }

    /// How good the answers to labelled samples are.
    ///
    /// # Errors
    ///
    /// If the data set's arrays are not those trained on in name and shape of the samples, hold NaN or infinite values, or lack a target, or
    /// a label is not below the width of its output.
    pub fn score(&self, dataset: &Dataset) -> Result<Score> {
        let samples = self.of_trained_shape(Samples::labelled(dataset, &self.outputs)?)?;
        samples.check_finite()?;
        let mut network = self.network()?;
        check_targets(&network, &samples, &self.outputs)?;
        let rows: Vec<usize> = (0..samples.len()).collect();
        self.evaluate(&mut network, &samples, &rows)
    }

    /// The answers `[samples, ...]` of each output to raw samples, as the exported model gives them.
    ///
    /// # Errors
    ///
    /// If the data set's arrays are not those trained on in name and shape of the samples.
    pub fn predict(&self, dataset: &Dataset) -> Result<Vec<ArrayD<f32>>> {
        let samples = self.of_trained_shape(Samples::of(dataset, &self.outputs))?;
        let mut network = self.network()?;
        let rows: Vec<usize> = (0..samples.len()).collect();
        let batch = at_once(&network).min(rows.len());
        let mut activations = network.activations(batch)?;
        let mut answers: Vec<Vec<f32>> = vec![Vec::new(); network.heads.len()];
        for rows in rows.chunks(batch) {
            self.forward(&mut network, &samples, rows, Mode::Inference, None, &mut activations);
            for (answer, head) in answers.iter_mut().zip(&network.heads) {
                let size = network.value(head.given).size;
                answer.extend_from_slice(&activations.values[head.given][..rows.len() * size]);
            }
        }
        let shaped = answers.into_iter().zip(&network.heads).map(|(answer, head)| {
            let shape = [&[samples.len()], &network.value(head.given).shape[..]].concat();
            ArrayD::from_shape_vec(shape, answer).expect("one answer per sample")
        });
        Ok(shaped.collect())
    }

    /// The steps of the network, with these parameters.
    pub(crate) fn network(&self) -> Result<Network> {
        // The first values drawn are replaced.
        let mut unused = generator(0, Purpose::Weights, 0);
        let mut network =
            Network::new(&self.layers, &self.shapes(), &requests(&self.outputs, &self.widths), &mut unused)?;
        if let Some(quantization) = &self.quantization {
            network.quantize(quantization)?;
        }
        network.parameters.clone_from(&self.parameters);
        Ok(network)
    }

    /// Names and shapes of the inputs.
    pub(crate) fn shapes(&self) -> Vec<(&str, &[usize])> {
        self.inputs.iter().map(|input| (input.name.as_str(), &input.shape[..])).collect()
    }

    pub(crate) fn of_trained_shape<'a>(&self, samples: Samples<'a>) -> Result<Samples<'a>> {
        let found: Vec<&str> = samples.inputs.iter().map(|input| input.name).collect();
        // A lone array `x` serves the one input of any name, as it does everywhere.
        let lone_x = found == ["x"] && self.inputs.len() == 1;
        if !lone_x && !found.iter().copied().eq(self.inputs.iter().map(|input| input.name.as_str())) {
            let expected: Vec<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(Error::InputNames { found: found.join(", "), expected: expected.join(", ") });
        }
        match samples.inputs.iter().zip(&self.inputs).find(|(found, trained)| found.shape != trained.shape) {
            None => Ok(samples),
            Some((found, trained)) => Err(Error::SampleShape {
                input: found.name.to_owned(),
                found: found.shape.to_owned(),
                expected: trained.shape.clone(),
            }),
        }
    }

    /// Scores the samples at `rows`.
    pub(crate) fn evaluate(&self, network: &mut Network, samples: &Samples, rows: &[usize]) -> Result<Score> {
        let batch = at_once(network).min(rows.len());
        let mut activations = network.activations(batch)?;
        let widest = network.heads.iter().map(|head| network.value(head.scored).size).max().unwrap_or(0);
        let mut unused_gradient = vec![0.0; batch * widest];
        let mut tally = Tally::default();
        for rows in rows.chunks(batch) {
            self.forward(network, samples, rows, Mode::Inference, None, &mut activations);
            let mut loss = 0.0;
            for (index, (output, function)) in self.outputs.iter().zip(&self.losses).enumerate() {
                let Answers { scored, judged } = answers(network, &activations, index, rows.len());
                let wanted = samples.targets[index].gather(rows);
                let gradient = &mut unused_gradient[..scored.len()];
                loss += output.weight * function.evaluate(scored, wanted.seen_by_loss(network, index).view(), gradient);
                tally.add_answers(index, function, judged, wanted.view());
            }
            tally.add_loss(loss, rows.len());
        }
        Ok(tally.score())
    }

    /// Runs the samples at `rows`, of which `activations` must have room for, through `network`.
    pub(crate) fn forward(
        &self,
        network: &mut Network,
        samples: &Samples,
        rows: &[usize],
        mode: Mode,
        augmentation: Option<Augmentation>,
        activations: &mut Activations,
    ) {
        for (index, input) in self.inputs.iter().enumerate() {
            samples.gather(index, rows, augmentation, input.normalization.as_ref(), &mut activations.values[index]);
        }
        network.forward(activations, rows.len(), mode);
    }
}

/// How many samples a forward pass outside of training takes: fewer of those that need much room, so that whatever could be trained in small
/// batches can be scored.
fn at_once(network: &Network) -> usize {
    let kept = network.values.iter().fold(1_usize, |kept, value| kept.saturating_add(value.size));
    (MAX_KEPT / kept).clamp(1, BATCH)
}

/// What an output gives for the rows of a batch, each `[rows * steps, width]`.
pub(crate) struct Answers<'a> {
    /// What the loss looks at.
    pub(crate) scored: &'a [f32],
    /// What is compared with the targets as they are.
    pub(crate) judged: &'a [f32],
}

/// The answers of output `index` to the first `rows` samples.
pub(crate) fn answers<'a>(network: &Network, activations: &'a Activations, index: usize, rows: usize) -> Answers<'a> {
    let values = |value: usize| &activations.values[value][..rows * network.value(value).size];
    let Head { scored, judged, .. } = network.heads[index];
    Answers { scored: values(scored), judged: values(judged) }
}

/// The loss of each output, with what it takes from the targets at `training`.
pub(crate) fn losses(
    network: &Network,
    samples: &Samples,
    outputs: &[Output],
    training: &[usize],
) -> Result<Vec<LossFunction>> {
    let outputs = outputs.iter().zip(&samples.targets).zip(&network.heads);
    let function = |((output, wanted), head): ((&Output, &Wanted), &Head)| {
        let width = network.value(head.scored).shape.last().copied().unwrap_or(1);
        output.loss.fit(&head.layer, width, wanted.gather(training).view())
    };
    outputs.map(function).collect()
}

/// What the network has to know of the outputs asked for.
pub(crate) fn requests<'a>(outputs: &'a [Output], widths: &[Option<usize>]) -> Vec<HeadRequest<'a>> {
    let outputs = outputs.iter().zip(widths);
    outputs
        .map(|(output, &width)| HeadRequest {
            layer: &output.layer,
            width,
            absorbs: output.loss.absorbs(),
            form: output.form(),
        })
        .collect()
}

/// The width that each output's layer takes if it has none of its own.
pub(crate) fn widths(samples: &Samples, outputs: &[Output], class_count: Option<usize>) -> Vec<Option<usize>> {
    let width = |(output, wanted): (&Output, &Wanted)| match wanted {
        Wanted::Values(_, per_sample) => output.loss.width_of_values(*per_sample),
        Wanted::Classes(classes, _) => output.loss.width_of_classes(match (&output.target, class_count) {
            (None, Some(count)) => count,
            _ => classes.iter().max().map_or(0, |&class| class as usize + 1),
        }),
    };
    outputs.iter().zip(&samples.targets).map(width).map(Some).collect()
}

/// Refuses targets that do not fit the answers.
pub(crate) fn check_targets(network: &Network, samples: &Samples, outputs: &[Output]) -> Result<()> {
    for ((output, wanted), head) in outputs.iter().zip(&samples.targets).zip(&network.heads) {
        let value = network.value(head.scored);
        let width = value.shape.last().copied().unwrap_or(1);
        let rows = value.size / width;
        let fits = match wanted {
            Wanted::Classes(_, per_sample) => *per_sample == rows,
            Wanted::Values(_, per_sample) => output.loss.width_of_values(*per_sample) == value.size,
        };
        if !fits {
            let wanted = match wanted {
                Wanted::Classes(_, per_sample) => format!("{per_sample} class numbers"),
                Wanted::Values(_, per_sample) => format!("{per_sample} values"),
            };
            return Err(Error::AnswerShape { layer: head.layer.clone(), found: value.shape.clone(), wanted });
        }
        match wanted {
            Wanted::Values(values, per_sample) => output.loss.check_values(&head.layer, values, *per_sample)?,
            Wanted::Classes(classes, per_sample) => {
                let classes_told = output.loss.classes_told(width);
                if let Some(at) = classes.iter().position(|&class| class as usize >= classes_told) {
                    return Err(Error::LabelOutOfRange {
                        sample: at / per_sample,
                        label: classes[at],
                        layer: head.layer.clone(),
                        units: classes_told,
                    });
                }
            }
        }
    }
    Ok(())
}

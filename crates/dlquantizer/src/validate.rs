//! Compares a float model with its int8 model on labelled samples.

use std::collections::{HashMap, HashSet};

use dataset::Dataset;
use int8_inference::{NamedTensor, ObservedValues, Session, SessionOptions, TensorValues};
use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

use crate::{Error, FloatModel};

/// Samples that go through both models together.
const BATCH: usize = 64;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Per cent of samples whose highest score is the label's.
    Top1,
    /// Per cent of samples whose label is among the five highest scores.
    Top5,
    /// Per cent of samples on which the highest score of both models is the same class; needs no labels, and the float model has 100.
    Agreement,
}

/// What a comparison found. Accuracies are in per cent, the drop in points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// What was measured.
    pub metric: Metric,
    /// Samples compared.
    pub samples: usize,
    /// The float model's accuracy.
    pub float: f64,
    /// The int8 model's accuracy.
    pub int8: f64,
    /// `float - int8`; negative when the int8 model is better.
    pub drop: f64,
    /// Per cent of samples on which both models choose the same class.
    pub agreement: f64,
    /// Each quantized tensor against its float original, in the order they are computed.
    pub tensors: Vec<TensorError>,
}

/// How far the quantized form of a tensor is from the float one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TensorError {
    /// The float tensor.
    pub name: String,
    /// Signal to quantization noise, `10 log10(sum x^2 / sum (x - x_int8)^2)`; `None` where there is no noise at all.
    pub sqnr_db: Option<f64>,
}

/// Whether a drop is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The drop is at most what was allowed.
    Pass,
    /// The drop is larger.
    Fail,
}

impl Validation {
    /// Runs all samples through both models.
    ///
    /// # Errors
    ///
    /// When the data does not fit a model, has no labels where the metric needs them, or has a label that is no class of the model.
    pub fn compare(model: &FloatModel, session: &Session, data: &Dataset, metric: Metric) -> Result<Self, Error> {
        if data.labels().is_none() && metric != Metric::Agreement {
            return Err(Error::NoLabels);
        }
        let known: Vec<String> = session.quantized_tensors().map(str::to_owned).collect();
        let inputs: Vec<String> = model.network().inputs().into_iter().map(|input| input.name).collect();
        let made: HashSet<&String> = model.network().graph().node.iter().flat_map(|node| &node.output).collect();
        let taps = known.iter().filter(|name| made.contains(name)).cloned().collect();
        let float_session = model.session(&SessionOptions { taps, threads: Some(session.threads()), isa: None })?;
        let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let batch_size = session.fixed_batch().or(float_session.fixed_batch()).unwrap_or(BATCH);

        let mut counts = Counts::default();
        let mut noise: HashMap<String, Noise> = HashMap::new();
        for batch in data.batches(batch_size) {
            let views = batch.inputs_for(&names)?;
            let given: Vec<_> = names.iter().copied().zip(views.iter().map(|view| view.view())).collect();
            let float = float_session.run_named(&given)?;
            let mut real: HashMap<&str, &ArrayD<f32>> = HashMap::new();
            for NamedTensor { name, values } in &float {
                if let TensorValues::F32(values) = values {
                    real.insert(name, values);
                }
            }
            let int8 = session.run_named(&given)?;
            if session.fixed_batch().is_none_or(|fixed| fixed == batch.len()) {
                let given_arrays: HashMap<&str, _> = given.iter().map(|(name, view)| (*name, view)).collect();
                session.observe(&given, &mut |observed| {
                    let ObservedValues::Quantized { values, params, real: name } = observed.values else { return };
                    let entry = noise.entry(name.to_owned()).or_default();
                    if let Some(array) = real.get(name) {
                        entry.add(array.iter(), values, params);
                    } else if let Some(view) = given_arrays.get(name) {
                        entry.add(view.iter(), values, params);
                    }
                })?;
            }
            counts.add(scores(&float, batch.len())?, scores(&int8, batch.len())?, batch.labels(), metric)?;
        }
        let tensors = known
            .into_iter()
            .filter_map(|name| {
                let sqnr_db = noise.get(&name).filter(|noise| noise.values > 0)?.sqnr_db();
                Some(TensorError { name, sqnr_db })
            })
            .collect();
        let (float, int8) = match metric {
            Metric::Agreement => (100.0, counts.percent(counts.same)),
            _ => (counts.percent(counts.float), counts.percent(counts.int8)),
        };
        Ok(Self {
            metric,
            samples: counts.samples,
            float,
            int8,
            drop: float - int8,
            agreement: counts.percent(counts.same),
            tensors,
        })
    }

    /// Whether the drop is at most `max_drop` points.
    pub fn verdict(&self, max_drop: f64) -> Verdict {
        // A few ulps of slack: 0.2 points as a difference of two percentages is not exactly 0.2.
        if self.drop <= max_drop + 1e-9 { Verdict::Pass } else { Verdict::Fail }
    }
}

/// The first output, which holds the class scores of `samples` samples.
fn scores(outputs: &[NamedTensor], samples: usize) -> Result<&ArrayD<f32>, Error> {
    let found = match outputs.first() {
        Some(NamedTensor { values: TensorValues::F32(scores), .. })
            if scores.ndim() >= 2 && scores.shape()[0] == samples =>
        {
            return Ok(scores);
        }
        Some(NamedTensor { name, values: TensorValues::F32(scores) }) => {
            format!("\"{name}\" of the shape {:?} for {samples} samples", scores.shape())
        }
        Some(NamedTensor { name, .. }) => format!("the integers of \"{name}\""),
        None => "missing".to_owned(),
    };
    Err(Error::NoScores { found })
}

#[derive(Default)]
struct Counts {
    samples: usize,
    float: usize,
    int8: usize,
    same: usize,
}

impl Counts {
    fn add(
        &mut self,
        float: &ArrayD<f32>,
        int8: &ArrayD<f32>,
        labels: Option<&[u32]>,
        metric: Metric,
    ) -> Result<(), Error> {
        for (index, (float, int8)) in float.axis_iter(Axis(0)).zip(int8.axis_iter(Axis(0))).enumerate() {
            let float: Vec<f32> = float.iter().copied().collect();
            let int8: Vec<f32> = int8.iter().copied().collect();
            if float.len() != int8.len() {
                return Err(Error::ScoreCounts { float: float.len(), int8: int8.len() });
            }
            if let Some(labels) = labels.filter(|_| metric != Metric::Agreement) {
                let label = labels[index] as usize;
                if label >= float.len() {
                    return Err(Error::Label { label, classes: float.len(), sample: self.samples });
                }
                let places = if metric == Metric::Top5 { 5 } else { 1 };
                self.float += usize::from(rank(&float, label).is_some_and(|rank| rank < places));
                self.int8 += usize::from(rank(&int8, label).is_some_and(|rank| rank < places));
            }
            self.same += usize::from(best(&float) == best(&int8));
            self.samples += 1;
        }
        Ok(())
    }

    fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.samples.max(1) as f64
    }
}

/// How many classes come before `class`: those of higher score, and of equal score and lower number. `None` if its own score is NaN.
fn rank(scores: &[f32], class: usize) -> Option<usize> {
    let own = scores[class];
    let before = |(other, &score): (usize, &f32)| score > own || (score == own && other < class);
    (!own.is_nan()).then(|| scores.iter().enumerate().filter(|&entry| before(entry)).count())
}

/// The class of the highest score, the lowest of several; `None` if all are NaN.
fn best(scores: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (class, &score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        if best.is_none_or(|(_, highest)| score > highest) {
            best = Some((class, score));
        }
    }
    best.map(|(class, _)| class)
}

/// Energy of a tensor and of what quantization changed in it, over finite values.
#[derive(Default)]
struct Noise {
    signal: f64,
    noise: f64,
    values: u64,
}

impl Noise {
    fn add<'a>(&mut self, real: impl Iterator<Item = &'a f32>, integers: &[u8], params: int8_inference::QuantParams) {
        for (&real, &integer) in real.zip(integers).filter(|(real, _)| real.is_finite()) {
            let difference = f64::from(real) - f64::from(params.dequantize(integer));
            self.signal += f64::from(real) * f64::from(real);
            self.noise += difference * difference;
            self.values += 1;
        }
    }

    fn sqnr_db(&self) -> Option<f64> {
        (self.noise > 0.0).then(|| 10.0 * (self.signal / self.noise).log10())
    }
}

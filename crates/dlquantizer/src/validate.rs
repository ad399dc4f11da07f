//! Compares a float model with its int8 model on labelled samples.

mod judge;

use std::collections::{HashMap, HashSet};

use dataset::Dataset;
use int8_inference::{NamedTensor, ObservedValues, Session, SessionOptions, TensorValues};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use self::judge::Judge;
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
    /// Per cent of single scores that are on the right side: above 1/2 behind a sigmoid, else above 0, exactly where the label is 1.
    Binary,
    /// The root of the mean squared error of predicted values, in their unit; what an answer has beyond the target is not compared.
    #[serde(rename = "rmse")]
    RootMeanSquaredError,
}

impl Metric {
    /// The word that names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Top1 => "top1",
            Self::Top5 => "top5",
            Self::Agreement => "agreement",
            Self::Binary => "binary",
            Self::RootMeanSquaredError => "rmse",
        }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// What was measured.
    pub metric: Metric,
    /// Samples compared.
    pub samples: usize,
    /// The float model's accuracy in per cent, or its error.
    pub float: f64,
    /// The same of the int8 model.
    pub int8: f64,
    /// What quantization costs: `float - int8` in points, of errors by how many per cent they grew; negative when the int8 model is better.
    pub drop: f64,
    /// Per cent of answers on which both models choose the same class; none where they are values.
    pub agreement: Option<f64>,
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
        Self::compare_to(model, session, data, metric, None)
    }

    /// [`Self::compare`] with the array `target` of the data in place of its labels: values to predict, or a class for each step of a
    /// sequence.
    ///
    /// # Errors
    ///
    /// As [`Self::compare`]; also when there is no such array, it does not fit the answers, or a metric of values has none.
    pub fn compare_to(
        model: &FloatModel,
        session: &Session,
        data: &Dataset,
        metric: Metric,
        target: Option<&str>,
    ) -> Result<Self, Error> {
        let mut judge = Judge::new(metric, data, target, threshold(model))?;
        let known: Vec<String> = session.quantized_tensors().map(str::to_owned).collect();
        let inputs: Vec<String> = model.network().inputs().into_iter().map(|input| input.name).collect();
        let made: HashSet<&String> = model.network().graph().node.iter().flat_map(|node| &node.output).collect();
        let taps = known.iter().filter(|name| made.contains(name)).cloned().collect();
        let float_session = model.session(&SessionOptions { taps, threads: Some(session.threads()), isa: None })?;
        let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let batch_size = session.fixed_batch().or(float_session.fixed_batch()).unwrap_or(BATCH);

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
            judge.add(scores(&float, batch.len())?, scores(&int8, batch.len())?)?;
        }
        let tensors = known
            .into_iter()
            .filter_map(|name| {
                let sqnr_db = noise.get(&name).filter(|noise| noise.values > 0)?.sqnr_db();
                Some(TensorError { name, sqnr_db })
            })
            .collect();
        let (float, int8) = judge.measures();
        let drop = match metric {
            // Two errors of 0 are equal; against one, any other has grown beyond measure.
            Metric::RootMeanSquaredError if float == int8 => 0.0,
            Metric::RootMeanSquaredError => 100.0 * (int8 - float) / float,
            _ => float - int8,
        };
        Ok(Self { metric, samples: judge.samples, float, int8, drop, agreement: judge.agreement(), tensors })
    }

    /// Whether the drop is at most `max_drop` points.
    pub fn verdict(&self, max_drop: f64) -> Verdict {
        // A few ulps of slack: 0.2 points as a difference of two percentages is not exactly 0.2.
        if self.drop <= max_drop + 1e-9 { Verdict::Pass } else { Verdict::Fail }
    }
}

/// The score above which the first output says yes: 1/2 behind a sigmoid, else 0.
fn threshold(model: &FloatModel) -> f32 {
    let graph = model.network().graph();
    let Some(output) = graph.output.first() else { return 0.0 };
    let mut makers = graph.node.iter().filter(|node| node.output.iter().any(|made| *made == output.name()));
    if makers.any(|node| node.op_type() == "Sigmoid") { 0.5 } else { 0.0 }
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

//! Where the time of a model goes: each step of its plan, and how close it comes to what the machine can do.

use std::time::Duration;

use anyhow::{Context, Result};
use dataset::Input;
use serde::Serialize;

use super::Subject;
use crate::console::Report;
use crate::format::{self, Column};
use crate::machine::{self, Level, Speeds};
use crate::timing::{Timing, time_steps};

/// One table per batch size.
#[derive(Serialize)]
pub(super) struct LayersReport {
    isa: String,
    /// What one core can do at best, of the instruction set used; absent for scalar code.
    peak: Option<Speeds>,
    /// The level of memory that all weights together fit into, by which reading them is judged; absent where there are none.
    weights_in: Option<Level>,
    weight_bytes: usize,
    batches: Vec<BatchReport>,
}

/// The steps with one batch size.
#[derive(Serialize)]
struct BatchReport {
    batch: usize,
    median_us: f64,
    min_us: f64,
    steps: Vec<StepTiming>,
}

/// One step.
#[derive(Serialize)]
struct StepTiming {
    tensor: String,
    work: String,
    median_us: f64,
    min_us: f64,
    /// Of the medians of all steps, in per cent.
    share: f64,
    /// Additions and multiplications of a dense layer, in 10^9 per second.
    gops: Option<f64>,
    percent_of_peak: Option<f64>,
    /// Its weights, read once, in 10^9 bytes per second; for a single sample.
    gb_per_s: Option<f64>,
    percent_of_read: Option<f64>,
}

/// Times the steps of a model that runs on one thread.
pub(super) fn per_layer(
    subject: &Subject,
    samples: &[Input],
    batches: &[usize],
    budget: Duration,
) -> Result<LayersReport> {
    let session = subject.session;
    let weight_bytes = session.steps().iter().map(|step| step.weight_bytes).sum();
    let peak = machine::speeds(session.isa());
    let levels = if weight_bytes > 0 { machine::levels(session.isa()) } else { Vec::new() };
    let weights_in = machine::holding(&levels, weight_bytes).cloned();
    let mut reports = Vec::new();
    for &batch in batches {
        let (times, Timing { median_us, min_us }) = time_steps(session, samples, batch, budget)
            .with_context(|| format!("cannot time {}", subject.path.display()))?;
        let steps = steps(subject, batch, &times, peak, weights_in.as_ref());
        reports.push(BatchReport { batch, median_us, min_us, steps });
    }
    Ok(LayersReport { isa: session.isa().to_string(), peak, weights_in, weight_bytes, batches: reports })
}

fn steps(
    subject: &Subject,
    batch: usize,
    times: &[Timing],
    peak: Option<Speeds>,
    weights_in: Option<&Level>,
) -> Vec<StepTiming> {
    let all: f64 = times.iter().map(|timing| timing.median_us).sum();
    let peaks = super::step_peaks(subject.session, peak);
    let steps = subject.session.steps().into_iter().zip(peaks).zip(times);
    let timed = steps.map(|((step, peak), &Timing { median_us, min_us })| {
        let gops = (step.macs > 0).then(|| 2.0 * step.macs as f64 * batch as f64 / (median_us * 1e3));
        let gb_per_s = (batch == 1 && step.weight_bytes > 0).then(|| step.weight_bytes as f64 / (median_us * 1e3));
        let percent = |value: Option<f64>, of: Option<f64>| Some(100.0 * value? / of?);
        StepTiming {
            tensor: step.tensor,
            work: step.work,
            median_us,
            min_us,
            share: 100.0 * median_us / all,
            gops,
            percent_of_peak: percent(gops, peak),
            gb_per_s,
            percent_of_read: percent(gb_per_s, weights_in.map(|level| level.read_gb_per_s)),
        }
    });
    timed.collect()
}

impl Report for LayersReport {
    fn text(&self) -> String {
        let columns = [
            Column::Text("Tensor"),
            Column::Text("Step of the Plan"),
            Column::Number("Median [us]"),
            Column::Number("Min [us]"),
            Column::Number("Share"),
            Column::Number("GOPS"),
            Column::Number("of Peak"),
            Column::Number("GB/s"),
            Column::Number("of Read"),
        ];
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        let percent = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1} %"));
        let mut text = String::new();
        for BatchReport { batch, median_us, min_us, steps } in &self.batches {
            text += &format!("batch {batch}: median {median_us:.2} us, min {min_us:.2} us\n\n");
            let rows = steps.iter().map(|step| {
                [
                    step.tensor.clone(),
                    step.work.clone(),
                    format!("{:.2}", step.median_us),
                    format!("{:.2}", step.min_us),
                    percent(Some(step.share)),
                    number(step.gops),
                    percent(step.percent_of_peak),
                    number(step.gb_per_s),
                    percent(step.percent_of_read),
                ]
            });
            text += &format!("{}\n", format::table(columns, rows));
        }
        let peak = self.peak.map_or_else(String::new, |Speeds { int8_gops, float_gflops, .. }| {
            format!(", at best {int8_gops:.0} GOPS in int8 and {float_gflops:.0} GFLOPS in f32")
        });
        text += &format!("one thread, {}{peak}\n", self.isa);
        if let Some(Level { name, read_gb_per_s, .. }) = &self.weights_in {
            let weights = format::bytes(self.weight_bytes);
            text += &format!("weights of {weights} in the {name}, read at {read_gb_per_s:.1} GB/s at best\n");
        }
        text
    }
}

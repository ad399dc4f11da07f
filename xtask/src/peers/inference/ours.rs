//! Our side: the engine on a model, and a kernel on a bare layer, in bursts as the other sides run.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use int8_inference::{Session, SessionOptions, choose_kernel};
use kernels::{Kernel, Output, PackedWeights, Requantize};
use ndarray::ArrayD;
use onnx_model::Model;

/// Microseconds of each run in a burst of so many seconds: once at least, after one run that is not counted.
pub(super) fn burst(mut run: impl FnMut() -> Result<()>, seconds: f64) -> Result<Vec<f64>> {
    run()?;
    let mut taken = Vec::new();
    let start = Instant::now();
    let mut now = start;
    while taken.is_empty() || (now - start).as_secs_f64() < seconds {
        run()?;
        let before = now;
        now = Instant::now();
        taken.push((now - before).as_secs_f64() * 1e6);
    }
    Ok(taken)
}

/// A model of one input and one output with its samples.
pub(super) struct Subject {
    session: Session,
    samples: Vec<f32>,
    /// Values of one sample of the input.
    width: usize,
    y: Vec<f32>,
}

impl Subject {
    /// Opens a model with samples `[count, ...]`.
    pub(super) fn open(path: &Path, samples: ArrayD<f32>, threads: usize) -> Result<Self> {
        let options = SessionOptions { threads: Some(threads), ..SessionOptions::default() };
        let session = Session::new(&Model::open(path)?, &options).with_context(|| path.display().to_string())?;
        let results = session.run(&samples.view())?.len();
        let width = samples.len() / samples.shape()[0];
        let (samples, _) = samples.into_raw_vec_and_offset();
        Ok(Self { session, samples, width, y: vec![0.0; results] })
    }

    pub(super) fn burst(&mut self, batch: usize, seconds: f64) -> Result<Vec<f64>> {
        let results = self.y.len() / (self.samples.len() / self.width);
        let (x, y) = (&self.samples[..batch * self.width], &mut self.y[..batch * results]);
        burst(|| Ok(self.session.run_into(black_box(x), black_box(y), batch)?), seconds)
    }
}

/// A dense layer, uint8 in and out, without anything around it.
pub(super) struct BareLayer {
    kernel: &'static dyn Kernel,
    weights: PackedWeights,
    bias: Vec<i32>,
    multipliers: Vec<f32>,
    x: Vec<u8>,
    y: Vec<u8>,
}

impl BareLayer {
    pub(super) fn new(k: usize, n: usize, rows: usize) -> Result<Self> {
        let kernel = choose_kernel()?;
        // Any bytes do: the time depends on none of them, unless all pair sums were proven.
        let byte = |index: usize| (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3];
        let weights: Vec<i8> = (0..k * n).map(|index| byte(index) as i8).collect();
        Ok(Self {
            kernel,
            weights: kernel.pack(&weights, k, n),
            bias: (0..n as i32).collect(),
            multipliers: vec![1e-4; n],
            x: (0..rows * k).map(|index| byte(index + 7)).collect(),
            y: vec![0; rows * n],
        })
    }

    pub(super) fn burst(&mut self, batch: usize, seconds: f64) -> Result<Vec<f64>> {
        let Self { kernel, weights, bias, multipliers, x, y } = self;
        let (x, y) = (&x[..batch * weights.k()], &mut y[..batch * weights.n()]);
        let run = || {
            let requantize = Requantize { multipliers, zero_point: 128, min: 0, max: 255 };
            kernel.matmul(black_box(x), batch, weights, bias, Output::U8 { out: black_box(&mut *y), requantize });
            Ok(())
        };
        burst(run, seconds)
    }

    pub(super) fn isa(&self) -> String {
        self.kernel.isa().to_string()
    }
}

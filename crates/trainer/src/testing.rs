//! How layers are tested: against naive f64 code and central differences of it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::layers::{Context, Layer, LayerKind};
use crate::op::{Backward, FirstValues, Forward, Mode, Op, Parameter};

/// A layer built for `rows` samples of random values.
pub(crate) struct Bench {
    pub(crate) op: Box<dyn Op>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) inputs: Vec<Vec<f32>>,
    pub(crate) shape: Vec<usize>,
    rows: usize,
    rng: ChaCha8Rng,
}

/// The output and all gradients of a layer.
pub(crate) struct Gradients {
    pub(crate) output: Vec<f32>,
    pub(crate) by_output: Vec<f32>,
    pub(crate) by_inputs: Vec<Vec<f32>>,
    pub(crate) by_parameters: Vec<Vec<f32>>,
}

impl Bench {
    /// Inputs are uniform in [-1, 1); parameters are drawn as the layer says, those that start from one constant uniformly in [-0.5, 0.5)
    /// around it, so that no gradient hides behind a zero.
    pub(crate) fn new(kind: impl Into<LayerKind>, shapes: &[&[usize]], rows: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let built = Layer::new("layer", kind).build(shapes, Context::default()).unwrap();
        let parameters = built.parameters.into_iter().map(|new| {
            let mut values = match new.first {
                FirstValues::Given(values) => values,
                FirstValues::Drawn { initializer, fan_in, fan_out } => {
                    initializer.fill(&new.shape, fan_in, fan_out, &mut rng)
                }
            };
            if new.trainable && values.iter().all(|&value| value == values[0]) {
                values.iter_mut().for_each(|value| *value += rng.random::<f32>() - 0.5);
            }
            let name = format!("layer.{}", new.name);
            Parameter { name, shape: new.shape, values, trainable: new.trainable, decays: new.decays }
        });
        let parameters = parameters.collect();
        let sizes = shapes.iter().map(|shape| rows * shape.iter().product::<usize>());
        let inputs = sizes.map(|size| (0..size).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()).collect();
        Self { op: built.op, parameters, inputs, shape: built.shape, rows, rng }
    }

    /// The same layer for another number of samples.
    pub(crate) fn with_rows(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    pub(crate) fn forward(&mut self, mode: Mode) -> Vec<f32> {
        let mut output = vec![f32::NAN; self.rows * self.shape.iter().product::<usize>()];
        let inputs: Vec<&[f32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let (rows, parameters) = (self.rows, &self.parameters);
        self.op.forward(Forward { rows, mode, inputs: &inputs, parameters, output: &mut output });
        output
    }

    /// A pass in training and back, with random derivatives of the loss by the output.
    pub(crate) fn learn(&mut self) -> Gradients {
        let output = self.forward(Mode::Training { seed: 3, step: 5 });
        let by_output: Vec<f32> = output.iter().map(|_| 2.0 * self.rng.random::<f32>() - 1.0).collect();
        let inputs: Vec<&[f32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let mut by_inputs: Vec<Vec<f32>> = self.inputs.iter().map(|input| vec![f32::NAN; input.len()]).collect();
        let room = |p: &Parameter| if p.trainable { vec![f32::NAN; p.values.len()] } else { Vec::new() };
        let mut by_parameters: Vec<Vec<f32>> = self.parameters.iter().map(room).collect();
        self.op.backward(Backward {
            rows: self.rows,
            inputs: &inputs,
            output: &output,
            parameters: &self.parameters,
            by_output: &by_output,
            by_inputs: by_inputs.iter_mut().map(|by| Some(by.as_mut_slice())).collect(),
            by_parameters: &mut by_parameters,
        });
        Gradients { output, by_output, by_inputs, by_parameters }
    }

    /// Compares the output in training with `naive`, which gets inputs and parameters in f64, and every gradient with the central
    /// difference of `naive`.
    pub(crate) fn check(&mut self, naive: impl Fn(&[Vec<f64>], &[Vec<f64>]) -> Vec<f64>) {
        let learnt = self.learn();
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| value.into()).collect() };
        let mut inputs: Vec<Vec<f64>> = self.inputs.iter().map(|input| wide(input)).collect();
        let mut parameters: Vec<Vec<f64>> = self.parameters.iter().map(|p| wide(&p.values)).collect();
        let expected = naive(&inputs, &parameters);
        assert_eq!(learnt.output.len(), expected.len());
        for (index, (output, expected)) in learnt.output.iter().zip(&expected).enumerate() {
            let error = (f64::from(*output) - expected).abs();
            assert!(error <= 1e-5 * (1.0 + expected.abs()), "output {index}: {output} is not {expected}");
        }
        let loss = |inputs: &[Vec<f64>], parameters: &[Vec<f64>]| -> f64 {
            naive(inputs, parameters).iter().zip(&learnt.by_output).map(|(y, &by)| y * f64::from(by)).sum()
        };
        for index in 0..inputs.len() {
            for at in 0..inputs[index].len() {
                let numeric = central(&mut inputs, index, at, |inputs| loss(inputs, &parameters));
                compare(&format!("input {index}"), at, learnt.by_inputs[index][at], numeric);
            }
        }
        for index in 0..parameters.len() {
            for at in 0..learnt.by_parameters[index].len() {
                let numeric = central(&mut parameters, index, at, |parameters| loss(&inputs, parameters));
                compare(&self.parameters[index].name, at, learnt.by_parameters[index][at], numeric);
            }
        }
    }
}

fn central(values: &mut [Vec<f64>], index: usize, at: usize, loss: impl Fn(&[Vec<f64>]) -> f64) -> f64 {
    const STEP: f64 = 1e-6;
    let value = values[index][at];
    let mut at_distance = |distance: f64| {
        values[index][at] = value + distance;
        loss(values)
    };
    let slope = (at_distance(STEP) - at_distance(-STEP)) / (2.0 * STEP);
    values[index][at] = value;
    slope
}

/// Within 1e-3 relative, and 1e-5 where a gradient is next to 0.
fn compare(what: &str, at: usize, analytic: f32, numeric: f64) {
    let error = (f64::from(analytic) - numeric).abs();
    assert!(error <= 1e-5 + 1e-3 * numeric.abs(), "{what} at {at}: {analytic} is not {numeric}");
}

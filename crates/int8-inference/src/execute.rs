//! Runs a plan's steps over a number of samples.

use alloc::format;

use kernels::{Epilogue, Kernel, Matrix, MatrixMut, Quantized, Rescale};
use onnx_model::Tensor;

use crate::compile::dense::{Dense, DenseOutput};
use crate::compile::dense_float::FloatWeights;
use crate::dynamic::Dynamic;
use crate::expression::softmax;
use crate::float_region::{FloatPool, FloatRegion};
use crate::plan::{Place, Plan, Step, Work};
#[cfg(feature = "std")]
use crate::run_dense::Helpers;
use crate::run_dense::{self, Target};
use crate::run_dynamic::Scratch;
use crate::workspace::{Taken, Workspace};
use crate::{Error, QuantParams};

/// One model input of a run: `values` holds `samples` times the elements of `sample`.
#[derive(Clone, Copy)]
pub(crate) struct InputView<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) sample: &'a [usize],
    /// The whole input, where the caller gave it as a tensor of its own type.
    pub(crate) tensor: Option<&'a Tensor>,
}

/// What a run is given besides its buffers.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) kernel: &'a dyn Kernel,
    pub(crate) pool: &'a FloatPool,
    /// Threads that may share a layer.
    #[cfg(feature = "std")]
    pub(crate) helpers: Option<Helpers<'a>>,
    pub(crate) inputs: &'a [InputView<'a>],
    pub(crate) samples: usize,
}

impl Plan {
    /// Runs every step; the results stay in `workspace`.
    pub(crate) fn execute(&self, run: &Run<'_>, workspace: &mut Workspace) -> Result<(), Error> {
        workspace.fit(self, run.samples);
        self.steps.iter().try_for_each(|step| run_step(step, run, workspace))
    }

    /// The f32 result `index` of the last run, where it lies in a buffer.
    pub(crate) fn float_result<'w>(&self, index: usize, run: &Run<'w>, workspace: &'w Workspace) -> Option<&'w [f32]> {
        let output = &self.outputs[index];
        let elements: usize = output.sample.as_ref()?.iter().product();
        match output.place {
            Place::Float(_) | Place::Input(_) => {
                Some(workspace.floats(output.place, run.inputs, elements * run.samples))
            }
            Place::Byte(_) | Place::Dynamic(_) => None,
        }
    }
}

pub(crate) fn run_step(step: &Step, run: &Run<'_>, workspace: &mut Workspace) -> Result<(), Error> {
    match &step.work {
        Work::Float(region) => return run_region(region, run, workspace),
        Work::Operator(operator) => return operator.run(run, workspace),
        _ => {}
    }
    let mut out = workspace.take(step.output);
    let mut scratch = core::mem::take(&mut workspace.scratch);
    let done = fill(step, run, workspace, &mut scratch, &mut out);
    workspace.scratch = scratch;
    workspace.put(out);
    done
}

/// Computes the tensor of a step into `out`.
fn fill(
    step: &Step,
    run: &Run<'_>,
    workspace: &Workspace,
    scratch: &mut Scratch,
    out: &mut Taken,
) -> Result<(), Error> {
    let Run { kernel, inputs, samples, .. } = *run;
    let count = step.elements * samples;
    let floats = |place: Place| workspace.floats(place, inputs, count);
    let bytes = |place: Place| workspace.bytes(place, count);
    match &step.work {
        Work::Quantize { input, params } => {
            kernel.quantize_u8(floats(*input), params.scale, params.zero_point, out.bytes(count));
        }
        Work::Dequantize { input, params } => {
            kernel.dequantize_u8(bytes(*input), params.scale, params.zero_point, out.floats(count));
        }
        Work::Dense { input, rows, dense } => {
            let rows = rows * samples;
            dense_step(dense, run, workspace.bytes(*input, rows * dense.weights.k()), rows, out);
        }
        Work::DenseFloat { input, rows, dense } => {
            let rows = rows * samples;
            let input = workspace.floats(*input, inputs, rows * dense.weights.k());
            let input = Matrix::new(input, rows, dense.weights.k());
            let epilogue = Epilogue { bias: &dense.bias, min: dense.clamp.0, max: dense.clamp.1 };
            let out = MatrixMut::new(out.floats(count), rows, dense.bias.len());
            match &dense.weights {
                FloatWeights::F32(weights) => kernel.matmul_f32(input, weights, epilogue, out),
                FloatWeights::Blocked(weights) => kernel.matmul_blocked(input, weights, epilogue, out),
            }
        }
        Work::DenseDynamic { input, rows, dense } => {
            let rows = rows * samples;
            let input = workspace.floats(*input, inputs, rows * dense.weights.k());
            dense.run(run, input, rows, scratch, out.floats(count));
        }
        Work::Lookup { input, table } => kernel.lookup(table, bytes(*input), out.bytes(count)),
        Work::Add { inputs: [a, b], output, min, max } => {
            let operand = |(place, params): &(Place, QuantParams)| Quantized {
                values: bytes(*place),
                scale: params.scale,
                zero_point: params.zero_point,
            };
            let target = Rescale { scale: output.scale, zero_point: output.zero_point, min: *min, max: *max };
            kernel.add(operand(a), operand(b), target, out.bytes(count));
        }
        Work::AddRow { input: (place, params), row: (row, row_params), output, min, max } => {
            let target = Rescale { scale: output.scale, zero_point: output.zero_point, min: *min, max: *max };
            let constant = Quantized { values: row, scale: row_params.scale, zero_point: row_params.zero_point };
            let width = row.len().max(1);
            for (out, values) in out.bytes(count).chunks_exact_mut(width).zip(bytes(*place).chunks_exact(width)) {
                let values = Quantized { values, scale: params.scale, zero_point: params.zero_point };
                kernel.add(values, constant, target, out);
            }
        }
        Work::Map { input, function } => function.map(floats(*input), out.floats(count)),
        Work::AddFloat([a, b]) => {
            for (y, (a, b)) in out.floats(count).iter_mut().zip(floats(*a).iter().zip(floats(*b))) {
                *y = a + b;
            }
        }
        Work::Softmax { input, row } => {
            let target = out.floats(count);
            target.copy_from_slice(floats(*input));
            target.chunks_exact_mut((*row).max(1)).for_each(softmax);
        }
        Work::Import(input) => {
            let source = match *input {
                Place::Dynamic(slot) => workspace.dynamics[slot].as_ref().and_then(Dynamic::float_values),
                _ => None,
            };
            match source {
                Some(made) if made.values.len() == count => out.floats(count).copy_from_slice(&made.values),
                _ => return Err(Error::Float(format!("tensor \"{}\" changed its shape between runs", step.names[0]))),
            }
        }
        Work::View | Work::Float(_) | Work::Operator(_) => {}
    }
    Ok(())
}

fn dense_step(dense: &Dense, run: &Run<'_>, input: &[u8], rows: usize, out: &mut Taken) {
    let n = dense.weights.n();
    let out = match dense.output {
        DenseOutput::U8 { .. } => Target::U8(out.bytes(rows * n)),
        DenseOutput::F32 { .. } => Target::F32(out.floats(rows * n)),
    };
    #[cfg(feature = "std")]
    if let Some((helpers, threads)) = run.helpers.map(|helpers| (helpers, helpers.worth(&dense.weights, rows)))
        && threads > 1
    {
        return helpers.run(dense, run.kernel, input, rows, out, threads);
    }
    run_dense::run(dense, run.kernel, input, rows, 0..n, out);
}

fn run_region(region: &FloatRegion, run: &Run<'_>, workspace: &mut Workspace) -> Result<(), Error> {
    let given = region.inputs.iter().map(|input| input.value(run, workspace)).collect::<Result<_, _>>()?;
    let results = region.run(given, run.pool)?;
    for (slot, result) in workspace.dynamics[region.first_slot..].iter_mut().zip(results) {
        *slot = Some(result);
    }
    Ok(())
}

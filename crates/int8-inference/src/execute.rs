//! Runs a plan's steps over a number of samples.

use kernels::{Kernel, Output, Quantized, Requantize, Rescale};

use crate::Error;
use crate::compile::dense::{Dense, DenseOutput};
use crate::expression::softmax;
use crate::float_region::{Dynamic, FloatPool, FloatRegion, RegionValue, TensorValues, float_values, values};
use crate::plan::{Place, Plan, Step, Work};

/// One model input of a run: `values` holds `samples` times the elements of `sample`.
#[derive(Clone, Copy)]
pub(crate) struct InputView<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) sample: &'a [usize],
}

/// A tensor that a run has just made.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The tensor's name in the graph.
    pub tensor: &'a str,
    /// Its shape, `[batch, ...]` for nearly all tensors.
    pub shape: &'a [usize],
    /// Its values in row-major order.
    pub values: ObservedValues<'a>,
}

/// The values of an [`Observed`] tensor.
#[derive(Debug)]
pub enum ObservedValues<'a> {
    /// Real numbers.
    F32(&'a [f32]),
    /// The integers of a quantized tensor.
    Quantized {
        /// In the u8 form of [`QuantParams`](crate::QuantParams).
        values: &'a [u8],
        /// What they stand for.
        params: crate::QuantParams,
        /// The real tensor that was quantized.
        real: &'a str,
    },
}

/// The buffers of one run. They grow to the largest chunk seen and are used again.
#[derive(Default)]
pub(crate) struct Workspace {
    floats: Vec<Vec<f32>>,
    bytes: Vec<Vec<u8>>,
    dynamics: Vec<Option<Dynamic>>,
}

impl Workspace {
    fn fit(&mut self, plan: &Plan, samples: usize) {
        grow(&mut self.floats, &plan.float_buffers, samples);
        grow(&mut self.bytes, &plan.byte_buffers, samples);
        self.dynamics.resize_with(plan.dynamic_slots, || None);
    }

    /// The f32 values at `place`.
    fn floats<'w>(&'w self, place: Place, inputs: &[InputView<'w>], count: usize) -> &'w [f32] {
        match place {
            Place::Input(index) => &inputs[index].values[..count],
            Place::Float(index) => &self.floats[index][..count],
            Place::Byte(_) | Place::Dynamic(_) => &[],
        }
    }

    fn bytes(&self, place: Place, count: usize) -> &[u8] {
        match place {
            Place::Byte(index) => &self.bytes[index][..count],
            _ => &[],
        }
    }

    /// Takes a buffer out so that it can be written while others are read; [`Workspace::put`] returns it.
    fn take(&mut self, place: Place) -> Taken {
        match place {
            Place::Float(index) => Taken::Float(index, std::mem::take(&mut self.floats[index])),
            Place::Byte(index) => Taken::Byte(index, std::mem::take(&mut self.bytes[index])),
            Place::Input(_) | Place::Dynamic(_) => Taken::Nothing,
        }
    }

    fn put(&mut self, taken: Taken) {
        match taken {
            Taken::Float(index, buffer) => self.floats[index] = buffer,
            Taken::Byte(index, buffer) => self.bytes[index] = buffer,
            Taken::Nothing => {}
        }
    }
}

enum Taken {
    Float(usize, Vec<f32>),
    Byte(usize, Vec<u8>),
    Nothing,
}

impl Taken {
    fn floats(&mut self, count: usize) -> &mut [f32] {
        match self {
            Self::Float(_, buffer) => &mut buffer[..count],
            _ => &mut [],
        }
    }

    fn bytes(&mut self, count: usize) -> &mut [u8] {
        match self {
            Self::Byte(_, buffer) => &mut buffer[..count],
            _ => &mut [],
        }
    }
}

fn grow<T: Clone + Default>(buffers: &mut Vec<Vec<T>>, per_sample: &[usize], samples: usize) {
    buffers.resize_with(per_sample.len(), Vec::new);
    for (buffer, size) in buffers.iter_mut().zip(per_sample) {
        if buffer.len() < size * samples {
            buffer.resize(size * samples, T::default());
        }
    }
}

impl Plan {
    /// Runs every step for `samples` samples; the results stay in `workspace`.
    pub(crate) fn execute(
        &self,
        kernel: &dyn Kernel,
        pool: &FloatPool,
        inputs: &[InputView<'_>],
        samples: usize,
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        workspace.fit(self, samples);
        self.steps.iter().try_for_each(|step| run_step(step, kernel, pool, inputs, samples, workspace))
    }

    /// [`Plan::execute`] that shows each tensor to `see` as soon as it is made.
    pub(crate) fn execute_observed(
        &self,
        kernel: &dyn Kernel,
        pool: &FloatPool,
        inputs: &[InputView<'_>],
        samples: usize,
        workspace: &mut Workspace,
        see: &mut dyn FnMut(Observed<'_>),
    ) -> Result<(), Error> {
        workspace.fit(self, samples);
        for step in &self.steps {
            run_step(step, kernel, pool, inputs, samples, workspace)?;
            if let Work::Float(region) = &step.work {
                for (offset, tensor) in step.names.iter().enumerate() {
                    let made = workspace.dynamics[region.first_slot + offset].as_ref();
                    if let Some((values, shape)) = made.and_then(float_values) {
                        see(Observed { tensor, shape: &shape, values: ObservedValues::F32(&values) });
                    }
                }
                continue;
            }
            // What an import copies was seen when its region made it.
            if matches!(step.work, Work::Import { .. }) {
                continue;
            }
            let (Some(sample), Some(place)) = (&step.sample, step.work.output()) else { continue };
            let shape: Vec<usize> = std::iter::once(samples).chain(sample.iter().copied()).collect();
            let count = shape.iter().product();
            let values = match &step.quantized {
                Some((params, real)) => {
                    ObservedValues::Quantized { values: workspace.bytes(place, count), params: *params, real }
                }
                None => ObservedValues::F32(workspace.floats(place, inputs, count)),
            };
            see(Observed { tensor: &step.names[0], shape: &shape, values });
        }
        Ok(())
    }

    /// The f32 result `index` of the last run, where it lies in a buffer.
    pub(crate) fn float_result<'w>(
        &self,
        index: usize,
        inputs: &[InputView<'w>],
        samples: usize,
        workspace: &'w Workspace,
    ) -> Option<&'w [f32]> {
        let output = &self.outputs[index];
        let elements: usize = output.sample.as_ref()?.iter().product();
        match output.place {
            Place::Float(_) | Place::Input(_) => Some(workspace.floats(output.place, inputs, elements * samples)),
            Place::Byte(_) | Place::Dynamic(_) => None,
        }
    }

    /// The result `index` of the last run as an array of the caller's.
    pub(crate) fn result(
        &self,
        index: usize,
        inputs: &[InputView<'_>],
        samples: usize,
        workspace: &Workspace,
    ) -> Result<TensorValues, Error> {
        let output = &self.outputs[index];
        let missing = || Error::Float(format!("tensor \"{}\" has a type that cannot be returned", output.name));
        if let Place::Dynamic(slot) = output.place {
            return workspace.dynamics[slot].as_ref().and_then(values).ok_or_else(missing);
        }
        let sample: &[usize] = match (&output.sample, output.place) {
            (Some(sample), _) => sample,
            (None, Place::Input(input)) => inputs[input].sample,
            (None, _) => return Err(missing()),
        };
        let count = samples * sample.iter().product::<usize>();
        let shape: Vec<usize> = std::iter::once(samples).chain(sample.iter().copied()).collect();
        let array = match output.place {
            Place::Byte(_) => {
                let integers = workspace.bytes(output.place, count);
                if output.params.is_some_and(|params| params.signed) {
                    let signed = integers.iter().map(|&value| (value ^ 0x80) as i8).collect();
                    ndarray::ArrayD::from_shape_vec(shape, signed).map(TensorValues::I8)
                } else {
                    ndarray::ArrayD::from_shape_vec(shape, integers.to_vec()).map(TensorValues::U8)
                }
            }
            place => ndarray::ArrayD::from_shape_vec(shape, workspace.floats(place, inputs, count).to_vec())
                .map(TensorValues::F32),
        };
        array.map_err(|_| missing())
    }
}

fn run_step(
    step: &Step,
    kernel: &dyn Kernel,
    pool: &FloatPool,
    inputs: &[InputView<'_>],
    samples: usize,
    workspace: &mut Workspace,
) -> Result<(), Error> {
    match &step.work {
        Work::Quantize { input, output, elements, params } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            let values = workspace.floats(*input, inputs, count);
            kernel.quantize_u8(values, params.scale, params.zero_point, out.bytes(count));
            workspace.put(out);
        }
        Work::Dequantize { input, output, elements, params } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            let integers = workspace.bytes(*input, count);
            kernel.dequantize_u8(integers, params.scale, params.zero_point, out.floats(count));
            workspace.put(out);
        }
        Work::Dense { input, output, rows, dense } => {
            let mut out = workspace.take(*output);
            run_dense(
                dense,
                kernel,
                workspace.bytes(*input, rows * samples * dense.weights.k()),
                rows * samples,
                &mut out,
            );
            workspace.put(out);
        }
        Work::Lookup { input, output, elements, table } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            kernel.lookup(table, workspace.bytes(*input, count), out.bytes(count));
            workspace.put(out);
        }
        Work::Add { inputs: [a, b], output, elements, min, max } => {
            let count = elements * samples;
            let mut out = workspace.take(output.0);
            let operand = |side: &(Place, crate::QuantParams)| Quantized {
                values: workspace.bytes(side.0, count),
                scale: side.1.scale,
                zero_point: side.1.zero_point,
            };
            let target = Rescale { scale: output.1.scale, zero_point: output.1.zero_point, min: *min, max: *max };
            kernel.add(operand(a), operand(b), target, out.bytes(count));
            workspace.put(out);
        }
        Work::Map { input, output, elements, function } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            for (y, &x) in out.floats(count).iter_mut().zip(workspace.floats(*input, inputs, count)) {
                *y = function.eval(x);
            }
            workspace.put(out);
        }
        Work::AddFloat { inputs: [a, b], output, elements } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            let pairs = workspace.floats(*a, inputs, count).iter().zip(workspace.floats(*b, inputs, count));
            for (y, (a, b)) in out.floats(count).iter_mut().zip(pairs) {
                *y = a + b;
            }
            workspace.put(out);
        }
        Work::Softmax { input, output, elements, row } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            let target = out.floats(count);
            target.copy_from_slice(workspace.floats(*input, inputs, count));
            target.chunks_exact_mut((*row).max(1)).for_each(softmax);
            workspace.put(out);
        }
        Work::Float(region) => run_region(region, pool, inputs, samples, workspace)?,
        Work::Import { input, output, elements } => {
            let count = elements * samples;
            let mut out = workspace.take(*output);
            let source = match *input {
                Place::Dynamic(slot) => workspace.dynamics[slot].as_ref().and_then(values),
                _ => None,
            };
            match source {
                Some(TensorValues::F32(array)) if array.len() == count => {
                    out.floats(count).iter_mut().zip(&array).for_each(|(y, &x)| *y = x);
                }
                _ => return Err(Error::Float(format!("tensor \"{}\" changed its shape between runs", step.names[0]))),
            }
            workspace.put(out);
        }
    }
    Ok(())
}

fn run_dense(dense: &Dense, kernel: &dyn Kernel, input: &[u8], rows: usize, out: &mut Taken) {
    let count = rows * dense.weights.n();
    let output = match &dense.output {
        DenseOutput::U8 { multipliers, zero_point, min, max } => Output::U8 {
            out: out.bytes(count),
            requantize: Requantize { multipliers, zero_point: *zero_point, min: *min, max: *max },
        },
        DenseOutput::F32 { scales, min, max } => Output::F32 { out: out.floats(count), scales, min: *min, max: *max },
    };
    kernel.matmul(input, rows, &dense.weights, &dense.bias, output);
}

fn run_region(
    region: &FloatRegion,
    pool: &FloatPool,
    inputs: &[InputView<'_>],
    samples: usize,
    workspace: &mut Workspace,
) -> Result<(), Error> {
    let mut given = Vec::with_capacity(region.inputs.len());
    for input in &region.inputs {
        let sample: &[usize] = match (input.place, &input.sample) {
            (Place::Input(index), _) => inputs[index].sample,
            (_, Some(sample)) => sample,
            (_, None) => &[],
        };
        given.push(match input.place {
            Place::Dynamic(slot) => RegionValue::Dynamic(
                workspace.dynamics[slot].as_ref().ok_or_else(|| Error::NoSuchTensor(input.name.clone()))?,
            ),
            place => {
                let count = samples * sample.iter().product::<usize>();
                let shape = std::iter::once(samples).chain(sample.iter().copied()).collect();
                RegionValue::Float(workspace.floats(place, inputs, count), shape)
            }
        });
    }
    let results = region.run(given, pool)?;
    for (offset, result) in results.into_iter().enumerate() {
        workspace.dynamics[region.first_slot + offset] = Some(result);
    }
    Ok(())
}

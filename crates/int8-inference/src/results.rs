//! What a caller sees of a run: results as arrays, and tensors as they are made.

use alloc::format;
use alloc::vec::Vec;

use ndarray::ArrayD;
use onnx_model::{Tensor, TensorData};

use crate::Error;
use crate::dynamic::{Dynamic, FloatValues, stored};
use crate::execute::{Run, run_step};
use crate::float_region::TensorValues;
use crate::observe::{Observed, ObservedValues};
use crate::plan::{Place, Plan, Step, Work};
use crate::workspace::Workspace;

impl Plan {
    /// [`Plan::execute`] that shows each tensor to `see` as soon as it is made.
    pub(crate) fn execute_observed(
        &self,
        run: &Run<'_>,
        workspace: &mut Workspace,
        see: &mut dyn FnMut(Observed<'_>),
    ) -> Result<(), Error> {
        workspace.fit(self, run.samples);
        for step in &self.steps {
            run_step(step, run, workspace)?;
            match (&step.work, step.output) {
                (_, Place::Dynamic(first_slot)) => {
                    for (tensor, made) in step.names.iter().zip(&workspace.dynamics[first_slot..]) {
                        if let Some(FloatValues { values, shape }) = made.as_ref().and_then(Dynamic::float_values) {
                            see(Observed { tensor, shape: &shape, values: ObservedValues::F32(&values) });
                        }
                    }
                }
                // What an import copies was seen when it was made.
                (Work::Import(_), _) => {}
                _ => see_step(step, run, workspace, see),
            }
        }
        Ok(())
    }

    /// The result `index` of the last run as an array of the caller's.
    pub(crate) fn result(&self, index: usize, run: &Run<'_>, workspace: &Workspace) -> Result<TensorValues, Error> {
        let name = &self.outputs[index].name;
        let unusual = || Error::Float(format!("tensor \"{name}\" has a type that cannot be returned"));
        array(self.tensor_result(index, run, workspace)?).ok_or_else(unusual)
    }

    /// The result `index` of the last run as a tensor of its own type.
    pub(crate) fn tensor_result(&self, index: usize, run: &Run<'_>, workspace: &Workspace) -> Result<Tensor, Error> {
        let output = &self.outputs[index];
        let missing = || Error::Float(format!("tensor \"{}\" is of a kind that cannot be returned", output.name));
        if let Place::Dynamic(slot) = output.place {
            let made = workspace.dynamics[slot].as_ref().and_then(Dynamic::tensor);
            return Ok(made.ok_or_else(missing)?.into_owned());
        }
        let sample: &[usize] = match (&output.sample, output.place) {
            (_, Place::Input(input)) if run.inputs[input].tensor.is_some() => {
                return run.inputs[input].tensor.cloned().ok_or_else(missing);
            }
            (Some(sample), _) => sample,
            (None, Place::Input(input)) => run.inputs[input].sample,
            (None, _) => return Err(missing()),
        };
        let count = run.samples * sample.iter().product::<usize>();
        let shape: Vec<usize> = core::iter::once(run.samples).chain(sample.iter().copied()).collect();
        let data = match output.place {
            Place::Byte(_) => {
                let signed = output.params.is_some_and(|params| params.signed);
                stored(workspace.bytes(output.place, count), signed)
            }
            place => TensorData::F32(workspace.floats(place, run.inputs, count).to_vec()),
        };
        Ok(Tensor::new("", &shape, data)?)
    }
}

/// A tensor as the caller of arrays gets it; `None` if it holds an integer beyond int32.
fn array(tensor: Tensor) -> Option<TensorValues> {
    let shape = tensor.shape.clone();
    Some(match tensor.data {
        TensorData::F32(values) => TensorValues::F32(ArrayD::from_shape_vec(shape, values).ok()?),
        TensorData::F64(_) | TensorData::F16(_) | TensorData::Bf16(_) => {
            TensorValues::F32(ArrayD::from_shape_vec(shape, tensor.to_f32().ok()?).ok()?)
        }
        TensorData::U8(values) | TensorData::U4(values) | TensorData::U2(values) => {
            TensorValues::U8(ArrayD::from_shape_vec(shape, values).ok()?)
        }
        TensorData::I8(values) | TensorData::I4(values) | TensorData::I2(values) => {
            TensorValues::I8(ArrayD::from_shape_vec(shape, values).ok()?)
        }
        TensorData::I32(values) => TensorValues::I32(ArrayD::from_shape_vec(shape, values).ok()?),
        TensorData::Bool(values) => {
            TensorValues::I32(ArrayD::from_shape_vec(shape, values.into_iter().map(i32::from).collect()).ok()?)
        }
        TensorData::I16(_) | TensorData::U16(_) | TensorData::U32(_) | TensorData::I64(_) | TensorData::U64(_) => {
            let values: Option<Vec<i32>> =
                tensor.to_i64().ok()?.into_iter().map(|value| i32::try_from(value).ok()).collect();
            TensorValues::I32(ArrayD::from_shape_vec(shape, values?).ok()?)
        }
    })
}

fn see_step(step: &Step, run: &Run<'_>, workspace: &Workspace, see: &mut dyn FnMut(Observed<'_>)) {
    let shape: Vec<usize> = core::iter::once(run.samples).chain(step.sample.iter().flatten().copied()).collect();
    let count = step.elements * run.samples;
    let values = match &step.quantized {
        Some((params, real)) => {
            ObservedValues::Quantized { values: workspace.bytes(step.output, count), params: *params, real }
        }
        None => ObservedValues::F32(workspace.floats(step.output, run.inputs, count)),
    };
    see(Observed { tensor: &step.names[0], shape: &shape, values });
}

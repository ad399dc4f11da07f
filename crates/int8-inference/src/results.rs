//! What a caller sees of a run: results as arrays, and tensors as they are made.

use alloc::format;
use alloc::vec::Vec;

use crate::Error;
use crate::execute::{Run, run_step};
use crate::float_region::{TensorValues, float_values, values};
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
            match &step.work {
                Work::Float(region) => {
                    for (tensor, made) in step.names.iter().zip(&workspace.dynamics[region.first_slot..]) {
                        if let Some((values, shape)) = made.as_ref().and_then(float_values) {
                            see(Observed { tensor, shape: &shape, values: ObservedValues::F32(&values) });
                        }
                    }
                }
                // What an import copies was seen when its region made it.
                Work::Import(_) => {}
                _ => see_step(step, run, workspace, see),
            }
        }
        Ok(())
    }

    /// The result `index` of the last run as an array of the caller's.
    pub(crate) fn result(&self, index: usize, run: &Run<'_>, workspace: &Workspace) -> Result<TensorValues, Error> {
        let output = &self.outputs[index];
        let missing = || Error::Float(format!("tensor \"{}\" has a type that cannot be returned", output.name));
        if let Place::Dynamic(slot) = output.place {
            return workspace.dynamics[slot].as_ref().and_then(values).ok_or_else(missing);
        }
        let sample: &[usize] = match (&output.sample, output.place) {
            (Some(sample), _) => sample,
            (None, Place::Input(input)) => run.inputs[input].sample,
            (None, _) => return Err(missing()),
        };
        let count = run.samples * sample.iter().product::<usize>();
        let shape: Vec<usize> = core::iter::once(run.samples).chain(sample.iter().copied()).collect();
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
            place => ndarray::ArrayD::from_shape_vec(shape, workspace.floats(place, run.inputs, count).to_vec())
                .map(TensorValues::F32),
        };
        array.map_err(|_| missing())
    }
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

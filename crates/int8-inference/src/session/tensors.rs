//! Runs a session on tensors of the model's own types.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::{Dim, Tensor, TensorData};

use super::Session;
use crate::execute::InputView;
use crate::plan::PlanInput;
use crate::{Error, show_shape};

impl Session {
    /// Runs once, in one piece, on the model's inputs as whole tensors: of the types it declares, of any shape it allows, each under its name.
    ///
    /// Returns the model's outputs, then the taps, under their names and in their types. This is how to run a model whose inputs are
    /// integers, have no batch in front, or are scalars; samples in f32 are what [`Session::run_named`] is for.
    ///
    /// # Errors
    ///
    /// When an input is missing, unknown, or of another type or shape than the model declares.
    pub fn run_tensors(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        if let Some(unknown) =
            inputs.iter().find(|tensor| self.plan.inputs.iter().all(|input| input.name != tensor.name))
        {
            let names: Vec<&str> = self.plan.inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(refused(&unknown.name, format!("the model has no such input; it has {names:?}")));
        }
        let mut given = Vec::with_capacity(self.plan.inputs.len());
        let mut batch = None;
        for input in &self.plan.inputs {
            let tensor = inputs.iter().find(|tensor| tensor.name == input.name);
            let tensor = tensor.ok_or_else(|| refused(&input.name, "no tensor is given for it".into()))?;
            check(input, tensor)?;
            if input.batched {
                let size = tensor.shape.first().copied().unwrap_or_default();
                if let Some(other) = batch.filter(|&batch| batch != size) {
                    return Err(refused(&input.name, format!("its batch is {size}, another input's is {other}")));
                }
                batch = Some(size);
            }
            given.push(tensor);
        }
        if let (Some(fixed), Some(batch)) = (self.plan.fixed_batch, batch)
            && fixed != batch
        {
            return Err(self.wrong_batch(fixed, batch));
        }
        let views: Vec<InputView<'_>> = given.into_iter().map(view).collect();
        self.with_workspace(&views, batch.unwrap_or(1), true, |run, workspace| {
            self.plan.execute(run, workspace)?;
            let results = self.plan.outputs.iter().enumerate().map(|(index, output)| {
                let mut tensor = self.plan.tensor_result(index, run, workspace)?;
                tensor.name.clone_from(&output.name);
                // The float runtime has int32 for all wider integers.
                let declared = output.element_type.filter(|&declared| declared != tensor.data.data_type());
                if let (Some(declared), Ok(values)) = (declared, tensor.to_i64()) {
                    tensor.data = TensorData::from_i64(&values, declared).unwrap_or(tensor.data);
                }
                Ok(tensor)
            });
            results.collect()
        })
    }
}

fn view(tensor: &Tensor) -> InputView<'_> {
    let values: &[f32] = if let TensorData::F32(values) = &tensor.data { values } else { &[] };
    InputView { values, sample: tensor.shape.get(1..).unwrap_or_default(), tensor: Some(tensor) }
}

fn refused(input: &str, reason: String) -> Error {
    Error::Input { input: input.into(), reason }
}

/// Whether the tensor is what the model declares. Where steps on buffers read it, its first dimension is the batch, of any size.
fn check(input: &PlanInput, tensor: &Tensor) -> Result<(), Error> {
    let data_type = tensor.data.data_type();
    if data_type != input.element_type {
        return Err(refused(
            &input.name,
            format!("the model takes {}, the tensor is of {data_type}", input.element_type),
        ));
    }
    let fits = |(axis, (dim, &size)): (usize, (&Dim, &usize))| match dim {
        _ if input.batched && axis == 0 => true,
        Dim::Fixed(fixed) => *fixed == size,
        Dim::Symbolic(_) | Dim::Unknown => true,
    };
    let Some(declared) = &input.shape else { return Ok(()) };
    if declared.len() == tensor.shape.len() && declared.iter().zip(&tensor.shape).enumerate().all(fits) {
        return Ok(());
    }
    let reason = format!("the model takes {}, the tensor has {:?}", show_shape(declared), tensor.shape);
    Err(refused(&input.name, reason))
}

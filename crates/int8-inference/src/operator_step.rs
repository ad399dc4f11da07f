//! A step of the plan that is one of ONNX's quantization operators.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::{DataType, Tensor, TensorData};

use crate::Error;
use crate::dynamic::{Dynamic, WholeInput, WholeValue};
use crate::execute::Run;
use crate::operators::{Operands, Operator};
use crate::workspace::Workspace;

/// An operator with what it reads. Its results go to a slot each.
pub(crate) struct OperatorStep {
    /// The node, as `QuantizeLinear node "q"`.
    pub(crate) node: String,
    pub(crate) op_type: String,
    pub(crate) operator: Operator,
    /// In the order of the operator's inputs.
    pub(crate) inputs: Vec<OperatorInput>,
    pub(crate) first_slot: usize,
}

/// An input of an [`OperatorStep`].
pub(crate) enum OperatorInput {
    /// An optional one that is left out.
    Absent,
    Constant(Tensor),
    Computed(WholeInput),
}

impl OperatorStep {
    /// Runs the operator during a run of the plan.
    pub(crate) fn run(&self, run: &Run<'_>, workspace: &mut Workspace) -> Result<(), Error> {
        let results = self.results(|input| input.value(run, workspace))?;
        for (slot, result) in workspace.dynamics[self.first_slot..].iter_mut().zip(results) {
            *slot = Some(Dynamic::Typed(result));
        }
        Ok(())
    }

    /// The results, given what is computed before.
    pub(crate) fn results<'w>(
        &'w self,
        value: impl Fn(&'w WholeInput) -> Result<WholeValue<'w>, Error>,
    ) -> Result<Vec<Tensor>, Error> {
        let invalid = |reason| Error::Invalid { node: self.node.clone(), reason };
        let mut operands: Vec<Option<Cow<'_, Tensor>>> = Vec::with_capacity(self.inputs.len());
        let mut from_runtime = false;
        for input in &self.inputs {
            operands.push(match input {
                OperatorInput::Absent => None,
                OperatorInput::Constant(tensor) => Some(Cow::Borrowed(tensor)),
                OperatorInput::Computed(input) => {
                    let wrong =
                        || invalid(format!("its input \"{}\" is no tensor of {}", input.name, input.element_type));
                    let value = value(input)?;
                    from_runtime |= operands.is_empty() && matches!(value, WholeValue::Dynamic(Dynamic::Runtime(_)));
                    Some(value.tensor(input.element_type).ok_or_else(wrong)?)
                }
            });
        }
        if from_runtime
            && matches!(self.operator, Operator::DequantizeLinear(_))
            && let [Some(x), _, Some(zero_point)] = operands.as_mut_slice()
        {
            narrow(x, zero_point.data.data_type());
        }
        let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_deref).collect();
        self.operator.run(&Operands(&operands)).map_err(invalid)
    }
}

/// Gives integers that have passed the float runtime, which returns those of any wider type as int32, their 16-bit type again.
fn narrow(x: &mut Cow<'_, Tensor>, declared: DataType) {
    if !matches!((&x.data, declared), (TensorData::I32(_), DataType::Int16 | DataType::Uint16)) {
        return;
    }
    // What does not fit was of another type before, which the operator refuses.
    if let Some(data) = x.to_i64().ok().and_then(|values| TensorData::from_i64(&values, declared)) {
        *x = Cow::Owned(Tensor { name: x.name.clone(), shape: x.shape.clone(), data });
    }
}

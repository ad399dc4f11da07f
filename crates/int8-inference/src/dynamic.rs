//! Tensors outside of the plan's buffers, of any type and shape.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use onnx_model::{DataType, Tensor, TensorData};

use crate::Error;
use crate::execute::Run;
use crate::float_region::{self, RuntimeValue};
use crate::plan::Place;
use crate::quantization::QuantParams;
use crate::workspace::Workspace;

/// A tensor that a step of whole tensors makes.
pub(crate) enum Dynamic {
    /// A result of the float runtime, in its own form.
    #[cfg_attr(not(feature = "float"), allow(dead_code, reason = "nothing makes one without a float runtime"))]
    Runtime(RuntimeValue),
    /// A result of one of ONNX's quantization operators.
    Typed(Tensor),
}

/// An f32 tensor.
pub(crate) struct FloatValues<'a> {
    pub(crate) values: Cow<'a, [f32]>,
    pub(crate) shape: Cow<'a, [usize]>,
}

impl Dynamic {
    /// The values of an f32 tensor in row-major order; `None` for other types.
    pub(crate) fn float_values(&self) -> Option<FloatValues<'_>> {
        match self {
            Self::Runtime(value) => float_region::float_values(value)
                .map(|(values, shape)| FloatValues { values, shape: Cow::Owned(shape) }),
            Self::Typed(Tensor { shape, data: TensorData::F32(values), .. }) => {
                Some(FloatValues { values: Cow::Borrowed(values), shape: Cow::Borrowed(shape) })
            }
            Self::Typed(_) => None,
        }
    }

    /// The tensor in ONNX's form; `None` for what is no tensor (sequences).
    pub(crate) fn tensor(&self) -> Option<Cow<'_, Tensor>> {
        match self {
            Self::Runtime(value) => float_region::tensor(value).map(Cow::Owned),
            Self::Typed(tensor) => Some(Cow::Borrowed(tensor)),
        }
    }

    /// Shape of one sample of an f32 tensor whose first dimension is the batch.
    pub(crate) fn sample_shape(&self, batch: usize) -> Option<Vec<usize>> {
        match self.float_values()?.shape.split_first() {
            Some((&first, rest)) if first == batch => Some(rest.to_vec()),
            _ => None,
        }
    }
}

/// A tensor that a step of whole tensors reads.
pub(crate) struct WholeInput {
    /// The tensor's name in the graph.
    pub(crate) name: String,
    pub(crate) place: Place,
    /// Shape of one sample, known for everything that is not dynamic.
    pub(crate) sample: Option<Vec<usize>>,
    /// Set when it is a quantized tensor in a buffer.
    pub(crate) params: Option<QuantParams>,
    /// Type of the model's input that it is; that of real numbers elsewhere.
    pub(crate) element_type: DataType,
}

/// What a step of whole tensors reads during a run.
#[cfg_attr(not(feature = "float"), allow(dead_code, reason = "only a float runtime takes it as it is"))]
pub(crate) enum WholeValue<'a> {
    /// f32 values of the given shape, batch included; for an input of the model whole numbers, if it is of integers.
    Float(&'a [f32], Vec<usize>),
    Dynamic(&'a Dynamic),
    Typed(Cow<'a, Tensor>),
}

impl WholeInput {
    pub(crate) fn value<'w>(&self, run: &Run<'w>, workspace: &'w Workspace) -> Result<WholeValue<'w>, Error> {
        let missing = || Error::NoSuchTensor(self.name.clone());
        let (sample, given): (&[usize], _) = match (self.place, &self.sample) {
            (Place::Input(index), _) => (run.inputs[index].sample, run.inputs[index].tensor),
            (_, sample) => (sample.as_deref().unwrap_or_default(), None),
        };
        if let Some(tensor) = given {
            return Ok(WholeValue::Typed(Cow::Borrowed(tensor)));
        }
        let count = run.samples * sample.iter().product::<usize>();
        let shape: Vec<usize> = core::iter::once(run.samples).chain(sample.iter().copied()).collect();
        Ok(match self.place {
            Place::Dynamic(slot) => WholeValue::Dynamic(workspace.dynamics[slot].as_ref().ok_or_else(missing)?),
            Place::Byte(_) => {
                let signed = self.params.is_some_and(|params| params.signed);
                let data = stored(workspace.bytes(self.place, count), signed);
                WholeValue::Typed(Cow::Owned(Tensor::new("", &shape, data)?))
            }
            place => WholeValue::Float(workspace.floats(place, run.inputs, count), shape),
        })
    }
}

impl<'a> WholeValue<'a> {
    /// The value as a tensor of the type that the graph means; `None` if it is none.
    pub(crate) fn tensor(self, element_type: DataType) -> Option<Cow<'a, Tensor>> {
        match self {
            Self::Dynamic(value) => value.tensor(),
            Self::Typed(tensor) => Some(tensor),
            Self::Float(values, shape) => {
                let data = TensorData::from_f32(values.to_owned(), element_type).or_else(|| {
                    let whole = values.iter().all(|value| libm::truncf(*value) == *value);
                    let integers: Vec<i64> = values.iter().map(|&value| value as i64).collect();
                    TensorData::from_i64(&integers, element_type).filter(|_| whole)
                })?;
                Tensor::new("", &shape, data).ok().map(Cow::Owned)
            }
        }
    }
}

/// Integers as ONNX has them, from the form the plan stores them in.
pub(crate) fn stored(values: &[u8], signed: bool) -> TensorData {
    match signed {
        true => TensorData::I8(values.iter().map(|&value| (value ^ 0x80) as i8).collect()),
        false => TensorData::U8(values.to_owned()),
    }
}

//! The buffers of one run.

use alloc::vec::Vec;

use crate::dynamic::Dynamic;
use crate::execute::InputView;
use crate::plan::{Place, Plan};
use crate::run_dynamic::Scratch;

/// The buffers of one run at a time, for [`Session::run_with`](crate::Session::run_with). They grow to the largest batch seen and are used
/// again.
#[derive(Default)]
pub struct Workspace {
    floats: Vec<Vec<f32>>,
    bytes: Vec<Vec<u8>>,
    pub(crate) dynamics: Vec<Option<Dynamic>>,
    pub(crate) scratch: Scratch,
}

impl Workspace {
    pub(crate) fn fit(&mut self, plan: &Plan, samples: usize) {
        grow(&mut self.floats, &plan.float_buffers, samples);
        grow(&mut self.bytes, &plan.byte_buffers, samples);
        self.dynamics.resize_with(plan.dynamic_slots, || None);
    }

    /// The f32 values at `place`.
    pub(crate) fn floats<'w>(&'w self, place: Place, inputs: &[InputView<'w>], count: usize) -> &'w [f32] {
        match place {
            Place::Input(index) => &inputs[index].values[..count],
            Place::Float(index) => &self.floats[index][..count],
            Place::Byte(_) | Place::Dynamic(_) => &[],
        }
    }

    pub(crate) fn bytes(&self, place: Place, count: usize) -> &[u8] {
        match place {
            Place::Byte(index) => &self.bytes[index][..count],
            _ => &[],
        }
    }

    /// Takes a buffer out so that it can be written while others are read; [`Workspace::put`] returns it.
    pub(crate) fn take(&mut self, place: Place) -> Taken {
        match place {
            Place::Float(index) => Taken::Float(index, core::mem::take(&mut self.floats[index])),
            Place::Byte(index) => Taken::Byte(index, core::mem::take(&mut self.bytes[index])),
            Place::Input(_) | Place::Dynamic(_) => Taken::Nothing,
        }
    }

    pub(crate) fn put(&mut self, taken: Taken) {
        match taken {
            Taken::Float(index, buffer) => self.floats[index] = buffer,
            Taken::Byte(index, buffer) => self.bytes[index] = buffer,
            Taken::Nothing => {}
        }
    }
}

/// A buffer on its own while a step writes it.
pub(crate) enum Taken {
    Float(usize, Vec<f32>),
    Byte(usize, Vec<u8>),
    Nothing,
}

impl Taken {
    pub(crate) fn floats(&mut self, count: usize) -> &mut [f32] {
        match self {
            Self::Float(_, buffer) => &mut buffer[..count],
            _ => &mut [],
        }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> &mut [u8] {
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

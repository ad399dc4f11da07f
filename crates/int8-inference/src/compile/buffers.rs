//! Lets tensors whose lives do not overlap share one buffer.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::plan::{Place, Plan, Work};

/// Sizes, per sample, of the buffers that steps name before they share: f32 and u8.
pub(crate) struct Virtual {
    pub(crate) floats: Vec<usize>,
    pub(crate) bytes: Vec<usize>,
}

/// Renumbers the plan's places onto as few and as small buffers as a first-fit over lifetimes finds.
pub(crate) fn share(plan: &mut Plan, sizes: &Virtual) {
    let mut last_read: BTreeMap<Place, usize> = BTreeMap::new();
    for (time, step) in plan.steps.iter_mut().enumerate() {
        // A result nobody reads still needs its buffer while it is written.
        last_read.insert(step.output, time);
        for place in step.reads() {
            last_read.insert(*place, time);
        }
    }
    for output in &plan.outputs {
        last_read.insert(output.place, usize::MAX);
    }
    let mut floats = Pool::default();
    let mut bytes = Pool::default();
    let mut assigned: BTreeMap<Place, Place> = BTreeMap::new();
    for (time, step) in plan.steps.iter_mut().enumerate() {
        let real = match step.output {
            place if matches!(step.work, Work::View) => assigned.get(&place).copied().unwrap_or(place),
            Place::Float(id) => Place::Float(floats.take(sizes.floats[id])),
            Place::Byte(id) => Place::Byte(bytes.take(sizes.bytes[id])),
            other => other,
        };
        assigned.insert(step.output, real);
        // Inputs are released only after the output is placed, so a step never writes what it reads.
        for (before, &after) in &assigned {
            if last_read.get(before) == Some(&time) {
                match after {
                    Place::Float(id) => floats.free.push(id),
                    Place::Byte(id) => bytes.free.push(id),
                    Place::Input(_) | Place::Dynamic(_) => {}
                }
            }
        }
        for place in step.reads() {
            if let Some(&real) = assigned.get(place) {
                *place = real;
            }
        }
        step.output = real;
        assigned.retain(|before, _| last_read.get(before).is_some_and(|&last| last > time));
    }
    for output in &mut plan.outputs {
        if let Some(&real) = assigned.get(&output.place) {
            output.place = real;
        }
    }
    plan.float_buffers = floats.sizes;
    plan.byte_buffers = bytes.sizes;
}

#[derive(Default)]
struct Pool {
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Pool {
    /// The free buffer that wastes least, grown if need be; a new one if none is free.
    fn take(&mut self, size: usize) -> usize {
        let best = (0..self.free.len()).min_by_key(|&slot| {
            let have = self.sizes[self.free[slot]];
            (have < size, have.abs_diff(size), self.free[slot])
        });
        match best {
            Some(slot) => {
                let id = self.free.swap_remove(slot);
                self.sizes[id] = self.sizes[id].max(size);
                id
            }
            None => {
                self.sizes.push(size);
                self.sizes.len() - 1
            }
        }
    }
}

//! Samples that wait to go through the model.

use ndarray::{ArrayViewD, Axis, IxDyn, Slice};

/// Samples of one shape, in row-major order.
#[derive(Debug, Default)]
pub(super) struct Block {
    inputs: Vec<BlockInput>,
    samples: usize,
}

/// The samples for one input of the model.
#[derive(Debug)]
struct BlockInput {
    /// Of one sample.
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Block {
    /// An empty block for samples of the shape of these, `[batch, ...]` each.
    pub(super) fn like(inputs: &[ArrayViewD<'_, f32>]) -> Self {
        let input = |view: &ArrayViewD<'_, f32>| BlockInput { shape: view.shape()[1..].to_vec(), values: Vec::new() };
        Self { inputs: inputs.iter().map(input).collect(), samples: 0 }
    }

    pub(super) fn samples(&self) -> usize {
        self.samples
    }

    /// The first input whose samples have another shape here, with that shape.
    pub(super) fn other_shape(&self, inputs: &[ArrayViewD<'_, f32>]) -> Option<(usize, &[usize])> {
        let mut shapes = self.inputs.iter().map(|input| input.shape.as_slice()).zip(inputs).enumerate();
        shapes.find(|(_, (shape, view))| **shape != view.shape()[1..]).map(|(position, (shape, _))| (position, shape))
    }

    /// Adds the samples `start..start + count` of each input.
    pub(super) fn push(&mut self, inputs: &[ArrayViewD<'_, f32>], start: usize, count: usize) {
        for (input, view) in self.inputs.iter_mut().zip(inputs) {
            let part = view.slice_axis(Axis(0), Slice::from(start..start + count));
            match part.as_slice() {
                Some(values) => input.values.extend_from_slice(values),
                None => input.values.extend(part.iter()),
            }
        }
        self.samples += count;
    }

    /// Adds a sample unlike the first one, of the same values as far as possible, so that it is a valid one too: indices remain indices.
    pub(super) fn push_unlike_first(&mut self) {
        for input in &mut self.inputs {
            let first = input.sample(0);
            let mut values: Vec<f32> = first.iter().rev().copied().collect();
            if values == first {
                let other = if first.iter().all(|&value| value == 0.0) { 1.0 } else { 0.0 };
                values.fill(other);
            }
            input.values.extend(values);
        }
        self.samples += 1;
    }

    pub(super) fn clear(&mut self) {
        self.inputs.iter_mut().for_each(|input| input.values.clear());
        self.samples = 0;
    }

    /// The values of one sample, input by input.
    pub(super) fn sample(&self, sample: usize) -> impl Iterator<Item = &[f32]> {
        self.inputs.iter().map(move |input| input.sample(sample))
    }

    /// The samples at `rows`, in this order, as one batch per input.
    pub(super) fn gather(&self, rows: &[usize], buffers: &mut Vec<Vec<f32>>) {
        buffers.resize_with(self.inputs.len(), Vec::new);
        for (input, buffer) in self.inputs.iter().zip(buffers) {
            buffer.clear();
            rows.iter().for_each(|&row| buffer.extend_from_slice(input.sample(row)));
        }
    }

    /// What [`Block::gather`] left in `buffers`, in the shape of a batch of `samples`.
    pub(super) fn batch<'b>(&self, samples: usize, buffers: &'b [Vec<f32>]) -> Vec<ArrayViewD<'b, f32>> {
        let view = |(input, buffer): (&BlockInput, &'b Vec<f32>)| {
            let shape: Vec<usize> = std::iter::once(samples).chain(input.shape.iter().copied()).collect();
            ArrayViewD::from_shape(IxDyn(&shape), buffer).ok()
        };
        self.inputs.iter().zip(buffers).filter_map(view).collect()
    }
}

impl BlockInput {
    fn sample(&self, sample: usize) -> &[f32] {
        let len = self.shape.iter().product::<usize>();
        &self.values[sample * len..(sample + 1) * len]
    }
}

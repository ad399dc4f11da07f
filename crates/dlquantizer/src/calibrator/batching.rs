//! How samples of one shape go through a model together, and where they lie in each tensor.

use std::collections::HashMap;

use int8_inference::{Observed, ObservedValues, Session};

use super::block::Block;
use crate::Error;
use crate::sketch::sample_hash;

/// The most samples that go through the model together.
const MOST_SAMPLES: usize = 64;

/// Bytes of activations that the samples of one batch may take, so that large images go through one by one.
const ACTIVATION_BYTES: usize = 32 << 20;

/// Samples per run of the model and the axis of the samples in every tensor.
///
/// It depends on the model and the shape of a sample alone: float kernels round differently at other batch sizes, and a calibration must
/// not depend on how its samples were cut or on the number of threads.
#[derive(Debug)]
pub(super) struct Batching {
    /// Samples per run.
    pub(super) samples: usize,
    /// Of the activations, the inputs included.
    pub(super) bytes_per_sample: usize,
    /// Whether the model has a batch size of its own; it may then treat the places in a batch differently.
    pub(super) fixed: bool,
    /// The axis that the samples lie along, by tensor.
    axes: HashMap<String, usize>,
}

impl Batching {
    /// Learns from runs on the two samples of `block` how the model treats a batch.
    ///
    /// # Errors
    ///
    /// When the model does not take the sample.
    pub(super) fn probe(session: &Session, names: &[String], block: &Block) -> Result<Self, Error> {
        let shapes = |batch| shapes(session, names, block, batch);
        let input_bytes = block.sample(0).map(size_of_val).fold(0, usize::saturating_add);
        if let Some(fixed) = session.fixed_batch() {
            // There is no second size to compare with: the first axis of a multiple of the batch is taken for it.
            let observed = shapes(fixed)?;
            let axis = |shape: &[usize]| shape.iter().position(|&size| size > 0 && size % fixed == 0);
            let axes = observed.iter().filter_map(|(name, shape)| Some((name.clone(), axis(shape)?))).collect();
            let bytes_per_sample = input_bytes.saturating_add(bytes(&observed).div_ceil(fixed));
            return Ok(Self { samples: fixed, bytes_per_sample, fixed: true, axes: with_inputs(axes, names) });
        }
        let bytes_per_sample = input_bytes.saturating_add(bytes(&shapes(1)?));
        // A graph may hold a batch of 1 somewhere inside without declaring it.
        let axes =
            shapes(2).and_then(|two| Ok((two, shapes(3)?))).ok().and_then(|(two, three)| batch_axes(two, &three));
        let axes = axes.filter(|axes| keeps_apart(session, names, block, axes).unwrap_or(false));
        let samples = match axes {
            Some(_) => (ACTIVATION_BYTES / bytes_per_sample.max(1)).clamp(1, MOST_SAMPLES),
            // Samples that cannot be told apart in a batch go through alone.
            None => 1,
        };
        Ok(Self { samples, bytes_per_sample, fixed: false, axes: with_inputs(axes.unwrap_or_default(), names) })
    }

    /// The axis of this tensor that the samples lie along; none where they cannot be told apart.
    pub(super) fn axis(&self, tensor: &str) -> Option<usize> {
        self.axes.get(tensor).copied()
    }
}

/// The axes of what the model makes and of its inputs, which have the batch in front.
fn with_inputs(mut axes: HashMap<String, usize>, inputs: &[String]) -> HashMap<String, usize> {
    axes.extend(inputs.iter().map(|input| (input.clone(), 0)));
    axes
}

/// The shapes of all float tensors on a batch of copies of one sample.
fn shapes(
    session: &Session,
    names: &[String],
    block: &Block,
    batch: usize,
) -> Result<HashMap<String, Vec<usize>>, Error> {
    let mut shapes = HashMap::new();
    run(session, names, block, &vec![0; batch], |tensor, shape, _| {
        shapes.insert(tensor.to_owned(), shape.to_vec());
    })?;
    Ok(shapes)
}

/// The axis of the samples in every tensor of a batch of two, if there is one, by what its shape is for three.
fn batch_axes(two: HashMap<String, Vec<usize>>, three: &HashMap<String, Vec<usize>>) -> Option<HashMap<String, usize>> {
    let axis = |(name, shape): (String, Vec<usize>)| Some((batch_axis(&shape, three.get(&name)?)?, name));
    two.into_iter().map(|tensor| axis(tensor).map(|(axis, name)| (name, axis))).collect()
}

/// Whether a sample gives the same bits whatever the other one in its batch is, as it does not behind, say, a Softmax over the batch.
///
/// All batches are of two, so that the kernels are the same.
fn keeps_apart(
    session: &Session,
    names: &[String],
    block: &Block,
    axes: &HashMap<String, usize>,
) -> Result<bool, Error> {
    let parts = |batch| parts(session, names, block, batch, axes);
    let (equal, other_behind, other_before) = (parts([0, 0])?, parts([0, 1])?, parts([1, 0])?);
    let same = |part: usize, others: &HashMap<String, [u64; 2]>| {
        equal.iter().all(|(name, hashes)| others.get(name).is_some_and(|other| other[part] == hashes[part]))
    };
    Ok(same(0, &other_behind) && same(1, &other_before))
}

/// For each float tensor, the hashes of what the first and the second sample of a batch made.
fn parts(
    session: &Session,
    names: &[String],
    block: &Block,
    batch: [usize; 2],
    axes: &HashMap<String, usize>,
) -> Result<HashMap<String, [u64; 2]>, Error> {
    let mut parts = HashMap::new();
    run(session, names, block, &batch, |tensor, shape, values| {
        let Some(&axis) = axes.get(tensor) else { return };
        let piece = values.len() / shape[..axis].iter().product::<usize>().max(1);
        let halves = || values.chunks_exact(piece.max(1)).map(|piece| piece.split_at(piece.len() / 2));
        let hashes = [sample_hash(halves().map(|(first, _)| first)), sample_hash(halves().map(|(_, second)| second))];
        parts.insert(tensor.to_owned(), hashes);
    })?;
    Ok(parts)
}

/// Runs the samples of `block` at `rows` as one batch and shows all float tensors.
fn run(
    session: &Session,
    names: &[String],
    block: &Block,
    rows: &[usize],
    mut see: impl FnMut(&str, &[usize], &[f32]),
) -> Result<(), Error> {
    let mut buffers = Vec::new();
    block.gather(rows, &mut buffers);
    let inputs: Vec<_> = names.iter().map(String::as_str).zip(block.batch(rows.len(), &buffers)).collect();
    session.observe(&inputs, &mut |Observed { tensor, shape, values }| {
        if let ObservedValues::F32(values) = values {
            see(tensor, shape, values);
        }
    })?;
    Ok(())
}

fn bytes(shapes: &HashMap<String, Vec<usize>>) -> usize {
    let bytes = |shape: &Vec<usize>| shape.iter().fold(size_of::<f32>(), |bytes, &size| bytes.saturating_mul(size));
    shapes.values().map(bytes).fold(0, usize::saturating_add)
}

/// The axis that alone grows with the batch, from 2 samples to 3.
fn batch_axis(two: &[usize], three: &[usize]) -> Option<usize> {
    let mut differing = (0..two.len()).filter(|&axis| two.get(axis) != three.get(axis));
    let axis = differing.next().filter(|_| two.len() == three.len())?;
    let grows = two[axis].is_multiple_of(2) && two[axis] > 0 && two[axis] / 2 * 3 == three[axis];
    (grows && differing.next().is_none()).then_some(axis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_is_the_only_axis_that_grows_with_it() {
        assert_eq!(batch_axis(&[2, 5], &[3, 5]), Some(0));
        assert_eq!(batch_axis(&[7, 2, 5], &[7, 3, 5]), Some(1));
        assert_eq!(batch_axis(&[24, 5], &[36, 5]), Some(0), "twelve rows of each sample");
        for (two, three) in [(&[2, 2][..], &[3, 3][..]), (&[5], &[5]), (&[4], &[5]), (&[2], &[3, 1]), (&[], &[])] {
            assert_eq!(batch_axis(two, three), None, "{two:?} {three:?}");
        }
    }
}

//! Shapes of a graph's tensors, as far as the file and the operators tell.

mod infer;
mod layout;
mod matrices;
mod size;
mod values;
mod window;

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::Error;
use crate::graph::GraphIndex;
use crate::proto::{Dimension, GraphProto, TypeValue, ValueInfoProto};

pub use size::Size;

/// The dimensions of a tensor.
type Shape<'g> = Vec<Size<'g>>;

/// Tensors of more dimensions are left unknown, so that a file cannot make a long shape out of each of many short nodes.
const MAX_RANK: usize = 64;

/// Shapes of the tensors for which the file or its operators say at least the number of dimensions.
///
/// They follow the shape inference of ONNX's operators, for those that networks are made of; what other nodes make is known as far as
/// the file declares it.
#[derive(Debug)]
pub struct Shapes<'g> {
    shapes: BTreeMap<&'g str, Shape<'g>>,
    /// Elements of small integer tensors, from which shapes are put together.
    values: BTreeMap<&'g str, Vec<Size<'g>>>,
    /// The sizes that stand for the batch, where it is taken as one sample.
    batch: BTreeSet<&'g str>,
}

impl<'g> Shapes<'g> {
    /// Reads what the file declares and follows the nodes in topological order.
    ///
    /// # Errors
    /// [`Error::Attribute`] if a node has an attribute of another type than its operator's, [`Error::Tensor`] or
    /// [`Error::UnsupportedType`] if a constant shape cannot be read.
    pub fn of(graph: &'g GraphProto, index: &GraphIndex<'g>) -> Result<Self, Error> {
        Self::with_batch(graph, index, BTreeSet::new(), false)
    }

    /// The same for a batch of one sample: a leading dimension of an input that has a name or no size at all is 1, and so is each other
    /// dimension of that name. A leading dimension of fixed size stays what it is.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_one_sample(graph: &'g GraphProto, index: &GraphIndex<'g>) -> Result<Self, Error> {
        let leading = graph.input.iter().filter_map(|input| declared(input)?.first().copied());
        let batch = leading.filter_map(|size| if let Size::Named(name) = size { Some(name) } else { None }).collect();
        Self::with_batch(graph, index, batch, true)
    }

    fn with_batch(
        graph: &'g GraphProto,
        index: &GraphIndex<'g>,
        batch: BTreeSet<&'g str>,
        one_sample: bool,
    ) -> Result<Self, Error> {
        let mut shapes = Self { shapes: BTreeMap::new(), values: BTreeMap::new(), batch };
        for info in graph.input.iter().chain(&graph.value_info).chain(&graph.output) {
            if let Some(shape) = declared(info) {
                shapes.insert(info.name(), shape);
            }
        }
        if one_sample {
            for input in &graph.input {
                if let Some(leading @ Size::Unknown) =
                    shapes.shapes.get_mut(input.name()).and_then(|shape| shape.first_mut())
                {
                    *leading = Size::Fixed(1);
                }
            }
        }
        for tensor in &graph.initializer {
            if tensor.dims.len() <= MAX_RANK {
                let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim).map_or(Size::Unknown, Size::Fixed));
                shapes.shapes.insert(tensor.name(), dims.collect());
            }
        }
        for &position in index.order() {
            let node = &graph.node[position];
            let values = shapes.node_values(index, node)?;
            let inferred = shapes.infer(index, node)?;
            for (output, shape) in node.output.iter().zip(inferred) {
                if let Some(shape) = shape.filter(|_| !output.is_empty()) {
                    shapes.insert(output, shape);
                }
            }
            if let (Some(output), Some(values)) = (node.output.first(), values) {
                shapes.values.insert(output, values);
            }
        }
        Ok(shapes)
    }

    /// The dimensions of a tensor.
    pub fn get(&self, tensor: &str) -> Option<&[Size<'g>]> {
        self.shapes.get(tensor).map(Vec::as_slice)
    }

    /// Number of dimensions.
    pub fn rank(&self, tensor: &str) -> Option<usize> {
        self.get(tensor).map(<[_]>::len)
    }

    /// Number of elements, if all dimensions are known.
    pub fn elements(&self, tensor: &str) -> Option<usize> {
        size::product(self.get(tensor)?).fixed()
    }

    /// Whether the tensor holds sizes from which shapes are put together.
    pub(crate) fn is_about_shapes(&self, tensor: &str) -> bool {
        self.values.contains_key(tensor)
    }

    /// Adds what is known of a tensor to what was known before.
    fn insert(&mut self, tensor: &'g str, mut shape: Shape<'g>) {
        if shape.len() > MAX_RANK {
            return;
        }
        for size in &mut shape {
            if matches!(size, Size::Named(name) if self.batch.contains(name)) {
                *size = Size::Fixed(1);
            }
        }
        match self.shapes.entry(tensor) {
            Entry::Vacant(entry) => drop(entry.insert(shape)),
            Entry::Occupied(mut known) if known.get().len() == shape.len() => {
                known.get_mut().iter_mut().zip(shape).for_each(|(known, size)| *known = known.or(size));
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// The shape a file declares, of at most [`MAX_RANK`] dimensions.
fn declared(info: &ValueInfoProto) -> Option<Shape<'_>> {
    let Some(TypeValue::TensorType(tensor)) = &info.r#type.as_ref()?.value else { return None };
    let dims: &[Dimension] = &tensor.shape.as_ref()?.dim;
    (dims.len() <= MAX_RANK).then(|| dims.iter().map(Size::from).collect())
}

#[cfg(test)]
mod tests;

//! Shapes of what only moves, picks or reduces elements.

use alloc::vec;
use alloc::vec::Vec;

use super::{Shape, Shapes, Size, size};
use crate::Error;
use crate::graph::GraphIndex;
use crate::proto::NodeProto;

/// The place of an axis that may count from the end.
fn place(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}

impl<'g> Shapes<'g> {
    fn first(&self, node: &NodeProto) -> Option<&[Size<'g>]> {
        self.get(node.input.first()?)
    }

    /// A list of axes: an attribute in older operator sets, an input in newer ones.
    fn axes(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Vec<i64>>, Error> {
        match (node.attr_ints("axes")?, node.input.get(1)) {
            (Some(axes), _) => Ok(Some(axes.to_vec())),
            (None, Some(axes)) => self.integers(index, axes),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn flattened(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(Some(vec![Size::Unknown; 2])) };
        let axis = node.attr_int("axis", 1)?;
        let axis = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
        let (outer, inner) = shape.split_at(usize::try_from(axis).unwrap_or(0).min(shape.len()));
        Ok(Some(vec![size::product(outer), size::product(inner)]))
    }

    pub(super) fn reshaped(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(target) = node.input.get(1) else { return Ok(None) };
        let whole = self.first(node);
        let Some(integers) = self.integers(index, target)? else {
            return Ok(self.values.get(target.as_str()).map(|sizes| self.completed(whole, sizes)));
        };
        let keeps_zero = node.attr_int("allowzero", 0)? != 0;
        let mut free = None;
        let mut shape: Shape = Vec::with_capacity(integers.len());
        for (axis, dim) in integers.into_iter().enumerate() {
            shape.push(match dim {
                -1 => {
                    free = Some(axis);
                    Size::Unknown
                }
                0 if !keeps_zero => whole.and_then(|whole| whole.get(axis)).copied().unwrap_or(Size::Unknown),
                dim => usize::try_from(dim).map_or(Size::Unknown, Size::Fixed),
            });
        }
        if let (Some(free), Some(whole)) = (free, whole) {
            shape[free] = left_for(whole, &shape, free);
        }
        Ok(Some(shape))
    }

    /// Sizes computed from shapes; where one of them is unknown it is what the others leave.
    fn completed(&self, whole: Option<&[Size<'g>]>, sizes: &[Size<'g>]) -> Shape<'g> {
        let mut shape = sizes.to_vec();
        let mut unknown = sizes.iter().enumerate().filter(|(_, size)| **size == Size::Unknown);
        if let (Some((free, _)), None, Some(whole)) = (unknown.next(), unknown.next(), whole) {
            shape[free] = left_for(whole, sizes, free);
        }
        shape
    }

    pub(super) fn squeezed(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(None) };
        let dropped: Option<Vec<usize>> = match self.axes(index, node)? {
            Some(axes) => axes.into_iter().map(|axis| place(axis, shape.len())).collect(),
            None if node.input.len() < 2 && shape.iter().all(|size| size.fixed().is_some()) => {
                Some((0..shape.len()).filter(|&axis| shape[axis] == Size::Fixed(1)).collect())
            }
            None => None,
        };
        let kept = |dropped: Vec<usize>| {
            shape.iter().enumerate().filter(|(axis, _)| !dropped.contains(axis)).map(|(_, size)| *size).collect()
        };
        Ok(dropped.map(kept))
    }

    pub(super) fn unsqueezed(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let (Some(shape), Some(axes)) = (self.first(node), self.axes(index, node)?) else { return Ok(None) };
        let rank = shape.len() + axes.len();
        let Some(axes) = axes.into_iter().map(|axis| place(axis, rank)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut rest = shape.iter().copied();
        let mut next = |axis| if axes.contains(&axis) { Some(Size::Fixed(1)) } else { rest.next() };
        Ok((0..rank).map(&mut next).collect())
    }

    pub(super) fn transposed(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(None) };
        Ok(match node.attr_ints("perm")? {
            Some(order) if order.len() == shape.len() => {
                order.iter().map(|&axis| shape.get(usize::try_from(axis).ok()?).copied()).collect()
            }
            Some(_) => None,
            None => Some(shape.iter().rev().copied().collect()),
        })
    }

    pub(super) fn joined(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(mut shape) = self.first(node).map(<[_]>::to_vec) else { return Ok(None) };
        let Some(axis) = place(node.attr_int("axis", 0)?, shape.len()) else { return Ok(None) };
        for input in &node.input[1..] {
            let Some(other) = self.get(input).filter(|other| other.len() == shape.len()) else { return Ok(None) };
            for (position, (size, &other)) in shape.iter_mut().zip(other).enumerate() {
                *size = match position == axis {
                    true => other.fixed().map_or(Size::Unknown, |other| size.map(|size| size.checked_add(other))),
                    false => size.or(other),
                };
            }
        }
        Ok(Some(shape))
    }

    pub(super) fn gathered(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let (Some(data), Some(indices)) = (self.first(node), node.input.get(1).and_then(|indices| self.get(indices)))
        else {
            return Ok(None);
        };
        let Some(axis) = place(node.attr_int("axis", 0)?, data.len()) else { return Ok(None) };
        Ok(Some([&data[..axis], indices, &data[axis + 1..]].concat()))
    }

    pub(super) fn sliced(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(None) };
        let list = |input: usize, attribute: &str| -> Result<Option<Vec<i64>>, Error> {
            match node.input.get(input).filter(|name| !name.is_empty()) {
                Some(name) => self.integers(index, name),
                None => Ok(node.attr_ints(attribute)?.map(<[_]>::to_vec)),
            }
        };
        let (Some(starts), Some(ends)) = (list(1, "starts")?, list(2, "ends")?) else { return Ok(None) };
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Ok(None);
        }
        let mut shape = shape.to_vec();
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let Some(axis) = place(axis, shape.len()) else { return Ok(None) };
            shape[axis] = shape[axis].map(|size| slice_length(size, start, end, step));
        }
        Ok(Some(shape))
    }

    pub(super) fn padded(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(None) };
        let pads = match (node.attr_ints("pads")?, node.input.get(1)) {
            (Some(pads), _) => Some(pads.to_vec()),
            (None, Some(pads)) => self.integers(index, pads)?,
            (None, None) => None,
        };
        let Some(pads) = pads.filter(|pads| pads.len() == 2 * shape.len() && node.input.len() < 4) else {
            return Ok(None);
        };
        let (begin, end) = pads.split_at(shape.len());
        let pad = |((size, &begin), &end): ((&Size<'g>, &i64), &i64)| match (begin, end) {
            (0, 0) => *size,
            _ => size.map(|size| usize::try_from((size as i64).checked_add(begin)?.checked_add(end)?).ok()),
        };
        Ok(Some(shape.iter().zip(begin).zip(end).map(pad).collect()))
    }

    /// Results of Split.
    pub(super) fn split(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Vec<Option<Shape<'g>>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(Vec::new()) };
        let Some(axis) = place(node.attr_int("axis", 0)?, shape.len()) else { return Ok(Vec::new()) };
        let parts = match (node.attr_ints("split")?, node.input.get(1)) {
            (Some(parts), _) => Some(parts.to_vec()),
            (None, Some(parts)) => self.integers(index, parts)?,
            (None, None) => None,
        };
        let count = node.output.len();
        let part = |position: usize| match &parts {
            Some(parts) => parts.get(position).map_or(Size::Unknown, |&part| Size::Fixed(part.unsigned_abs() as usize)),
            None => shape[axis].map(|size| (size % count == 0).then_some(size / count)),
        };
        let of_part = |position| {
            let mut shape = shape.to_vec();
            shape[axis] = part(position);
            Some(shape)
        };
        Ok((0..count).map(of_part).collect())
    }

    /// Result of the operators ReduceMean, ArgMax and their like.
    pub(super) fn reduced(&self, index: &GraphIndex<'g>, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some(shape) = self.first(node) else { return Ok(None) };
        let axes = match node.attr("axis") {
            Some(_) => Some(vec![node.attr_int("axis", 0)?]),
            None if node.op_type().starts_with("Arg") => Some(vec![0]),
            None if node.input.len() < 2 && node.attr("axes").is_none() => Some((0..shape.len() as i64).collect()),
            None => self.axes(index, node)?,
        };
        let axes = axes.and_then(|axes| axes.into_iter().map(|axis| place(axis, shape.len())).collect());
        let (Some(axes), keeps): (Option<Vec<usize>>, bool) = (axes, node.attr_int("keepdims", 1)? != 0) else {
            return Ok(None);
        };
        let reduce = |(axis, size): (usize, &Size<'g>)| match (axes.contains(&axis), keeps) {
            (false, _) => Some(*size),
            (true, true) => Some(Size::Fixed(1)),
            (true, false) => None,
        };
        Ok(Some(shape.iter().enumerate().filter_map(reduce).collect()))
    }
}

/// What is left of `whole` for the dimension at `free` beside the other sizes.
fn left_for<'g>(whole: &[Size<'g>], sizes: &[Size<'g>], free: usize) -> Size<'g> {
    let others: Vec<_> = sizes.iter().enumerate().filter(|(axis, _)| *axis != free).map(|(_, size)| *size).collect();
    size::quotient(whole, &others)
}

/// Elements of a slice, by ONNX's operator Slice.
fn slice_length(size: usize, start: i64, end: i64, step: i64) -> Option<usize> {
    let size = i64::try_from(size).ok()?;
    if size == 0 {
        return Some(0);
    }
    let from_end = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
    let (start, end) = (from_end(start), from_end(end));
    let (span, step) = match step {
        0 => return None,
        1.. => (end.clamp(0, size) - start.clamp(0, size), step),
        _ => (start.clamp(0, size - 1) - end.clamp(-1, size - 1), step.checked_neg()?),
    };
    usize::try_from(span.max(0)).ok().map(|span| span.div_ceil(step as usize))
}

//! Elements of the small integer tensors that exporters put shapes together from.

use alloc::vec::Vec;

use super::{MAX_RANK, Shapes, Size};
use crate::Error;
use crate::graph::GraphIndex;
use crate::model::is_default_domain;
use crate::proto::NodeProto;

impl<'g> Shapes<'g> {
    /// The integers of a constant of at most [`MAX_RANK`] elements.
    pub(super) fn integers(&self, index: &GraphIndex<'g>, tensor: &str) -> Result<Option<Vec<i64>>, Error> {
        if let Some(initializer) = index.initializer(tensor) {
            let count = initializer.dims.iter().try_fold(1_i64, |product, &dim| product.checked_mul(dim));
            if !count.is_some_and(|count| (0..=MAX_RANK as i64).contains(&count)) {
                return Ok(None);
            }
        }
        let Some(constant) = index.constant(tensor)? else { return Ok(None) };
        Ok(constant.to_i64().ok().filter(|values| values.len() <= MAX_RANK))
    }

    /// The sizes in a tensor, of a constant or computed from shapes.
    pub(super) fn sizes(&self, index: &GraphIndex<'g>, tensor: &str) -> Result<Option<Vec<Size<'g>>>, Error> {
        if let Some(values) = self.values.get(tensor) {
            return Ok(Some(values.clone()));
        }
        let size = |value| usize::try_from(value).map_or(Size::Unknown, Size::Fixed);
        Ok(self.integers(index, tensor)?.map(|values| values.into_iter().map(size).collect()))
    }

    /// What a node makes of shapes: operators Shape, Gather, Concat, Slice and those that keep the elements.
    pub(super) fn node_values(
        &self,
        index: &GraphIndex<'g>,
        node: &'g NodeProto,
    ) -> Result<Option<Vec<Size<'g>>>, Error> {
        if !is_default_domain(node.domain()) {
            return Ok(None);
        }
        let of = |input: usize| node.input.get(input).and_then(|name| self.values.get(name.as_str()));
        Ok(match node.op_type() {
            "Shape" => {
                let Some(shape) = node.input.first().and_then(|input| self.get(input)) else { return Ok(None) };
                let end = shape.len() as i64;
                let place = |position: i64| {
                    let position = if position < 0 { position.saturating_add(end) } else { position };
                    position.clamp(0, end) as usize
                };
                let (start, end) = (place(node.attr_int("start", 0)?), place(node.attr_int("end", end)?));
                shape.get(start..end).map(<[_]>::to_vec)
            }
            "Cast" | "Identity" | "Squeeze" | "Unsqueeze" | "Reshape" => of(0).cloned(),
            "Gather" => match (of(0), node.input.get(1)) {
                (Some(values), Some(places)) => self.integers(index, places)?.and_then(|places| {
                    let place = |place: i64| if place < 0 { place.saturating_add(values.len() as i64) } else { place };
                    let at = |at| values.get(usize::try_from(place(at)).ok()?).copied();
                    places.into_iter().map(at).collect()
                }),
                _ => None,
            },
            "Slice" => match (of(0), node.input.get(1), node.input.get(2)) {
                (Some(values), Some(start), Some(end)) if node.input.len() < 5 => {
                    let end_of = values.len() as i64;
                    let place = |position: i64| {
                        let position = if position < 0 { position.saturating_add(end_of) } else { position };
                        position.clamp(0, end_of) as usize
                    };
                    match (self.integers(index, start)?.as_deref(), self.integers(index, end)?.as_deref()) {
                        (Some(&[start]), Some(&[end])) => values.get(place(start)..place(end)).map(<[_]>::to_vec),
                        _ => None,
                    }
                }
                _ => None,
            },
            "Concat" if node.input.iter().any(|input| self.values.contains_key(input.as_str())) => {
                let mut joined = Vec::new();
                for input in &node.input {
                    match self.sizes(index, input)? {
                        Some(sizes) if joined.len() + sizes.len() <= MAX_RANK => joined.extend(sizes),
                        _ => return Ok(None),
                    }
                }
                Some(joined)
            }
            _ => None,
        })
    }
}

//! Shapes of convolutions and poolings.

use alloc::vec::Vec;

use super::{Shape, Shapes, Size};
use crate::Error;
use crate::proto::NodeProto;

/// The windows that slide along one dimension.
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    begin: usize,
    end: usize,
}

impl<'g> Shapes<'g> {
    /// Result of Conv and its integer forms, with the weights `[outputs, inputs / group, ...]`.
    pub(super) fn convolved(&self, node: &NodeProto, x: usize, w: usize) -> Result<Option<Shape<'g>>, Error> {
        let of = |input: usize| self.get(node.input.get(input)?);
        let (Some([batch, _, space @ ..]), Some([outputs, _, kernel @ ..])) = (of(x), of(w)) else { return Ok(None) };
        let space = slide(node, space, kernel)?;
        Ok(space.map(|space| [*batch, *outputs].into_iter().chain(space).collect()))
    }

    /// Result of ConvTranspose with the weights `[inputs, outputs / group, ...]`.
    pub(super) fn transposed_convolution(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let of = |input: usize| self.get(node.input.get(input)?);
        let (Some([batch, _, space @ ..]), Some([_, outputs, kernel @ ..])) = (of(0), of(1)) else { return Ok(None) };
        let Ok(group) = usize::try_from(node.attr_int("group", 1)?) else { return Ok(None) };
        let mut shape: Shape = [*batch, outputs.map(|outputs| outputs.checked_mul(group))].into();
        if node.attr_ints("output_shape")?.is_some() || !matches!(node.attr_str("auto_pad", "NOTSET")?, "NOTSET" | "") {
            shape.extend(space.iter().map(|_| Size::Unknown));
            return Ok(Some(shape));
        }
        let Some(windows) = windows(node, kernel, space.len())? else { return Ok(None) };
        let extra = node.attr_ints("output_padding")?.unwrap_or_default();
        for (axis, (size, window)) in space.iter().zip(windows).enumerate() {
            let extra = extra.get(axis).copied().unwrap_or(0);
            shape.push(size.map(|size| {
                let steps = size.checked_sub(1)?.checked_mul(window.stride)?;
                let span = window.kernel.checked_sub(1)?.checked_mul(window.dilation)?.checked_add(1)?;
                let whole = steps.checked_add(span)?.checked_add(usize::try_from(extra).ok()?)?;
                whole.checked_sub(window.begin)?.checked_sub(window.end)
            }));
        }
        Ok(Some(shape))
    }

    /// Result of MaxPool, AveragePool and LpPool.
    pub(super) fn pooled(&self, node: &NodeProto) -> Result<Option<Shape<'g>>, Error> {
        let Some([batch, channels, space @ ..]) = node.input.first().and_then(|x| self.get(x)) else {
            return Ok(None);
        };
        let kernel = node.attr_ints("kernel_shape")?.unwrap_or_default();
        let kernel: Shape = kernel.iter().map(|&k| usize::try_from(k).map_or(Size::Unknown, Size::Fixed)).collect();
        let space = slide(node, space, &kernel)?;
        Ok(space.map(|space| [*batch, *channels].into_iter().chain(space).collect()))
    }

    /// Result of the poolings over all of space.
    pub(super) fn pooled_globally(&self, node: &NodeProto) -> Option<Shape<'g>> {
        let shape = self.get(node.input.first()?)?;
        let ones = shape.iter().skip(2).map(|_| Size::Fixed(1));
        Some(shape.iter().take(2).copied().chain(ones).collect())
    }
}

/// How often windows fit into each dimension (the formulas of ONNX's operator MaxPool).
fn slide<'g>(node: &NodeProto, space: &[Size<'g>], kernel: &[Size<'g>]) -> Result<Option<Vec<Size<'g>>>, Error> {
    let Some(windows) = windows(node, kernel, space.len())? else { return Ok(None) };
    let auto = node.attr_str("auto_pad", "NOTSET")?;
    let up = node.attr_int("ceil_mode", 0)? != 0;
    let count = |size: usize, window: &Window| -> Option<usize> {
        let span = window.kernel.checked_sub(1)?.checked_mul(window.dilation)?.checked_add(1)?;
        let padded = match auto {
            "SAME_UPPER" | "SAME_LOWER" => return Some(size.div_ceil(window.stride)),
            "VALID" => size,
            _ => size.checked_add(window.begin)?.checked_add(window.end)?,
        };
        let free = padded.checked_sub(span)?;
        if !up {
            return Some(free / window.stride + 1);
        }
        let steps = free.div_ceil(window.stride);
        // No window begins in the padding behind the values.
        let inside = steps.checked_mul(window.stride)? < size.checked_add(window.begin)?;
        Some(if inside { steps + 1 } else { steps })
    };
    Ok(Some(space.iter().zip(&windows).map(|(size, window)| size.map(|size| count(size, window))).collect()))
}

/// The windows of a node over so many dimensions; `None` if its attributes do not fit them.
fn windows(node: &NodeProto, kernel: &[Size<'_>], dimensions: usize) -> Result<Option<Vec<Window>>, Error> {
    let sizes = |name: &str, default: i64, count: usize| -> Result<Option<Vec<usize>>, Error> {
        let Some(given) = node.attr_ints(name)? else {
            return Ok(usize::try_from(default).ok().map(|default| alloc::vec![default; count]));
        };
        let sizes: Option<Vec<usize>> = given.iter().map(|&size| usize::try_from(size).ok()).collect();
        Ok(sizes.filter(|sizes| sizes.len() == count))
    };
    let kernel: Option<Vec<usize>> = kernel.iter().map(|size| size.fixed()).collect();
    let (Some(kernel), Some(strides), Some(dilations), Some(pads)) = (
        kernel.filter(|kernel| kernel.len() == dimensions),
        sizes("strides", 1, dimensions)?.filter(|strides| !strides.contains(&0)),
        sizes("dilations", 1, dimensions)?,
        sizes("pads", 0, 2 * dimensions)?,
    ) else {
        return Ok(None);
    };
    let (begin, end) = pads.split_at(dimensions);
    let window = |axis: usize| Window {
        kernel: kernel[axis],
        stride: strides[axis],
        dilation: dilations[axis],
        begin: begin[axis],
        end: end[axis],
    };
    Ok(Some((0..dimensions).map(window).collect()))
}

//! A window that slides over the planes of an image: what convolutions and poolings share.

use std::ops::Range;

use onnx_model::proto::NodeProto;

use super::{Padding, Pair};
use crate::error::{Error, Result};
use crate::network::MAX_VALUES;

/// Where a window stands and what it covers, along each axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) vertical: Axis,
    pub(super) horizontal: Axis,
}

/// One axis: at position `p` tap `t` covers pixel `p * stride + t * dilation - before`, if that is in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Pixels of the image.
    pub(super) size: usize,
    pub(super) taps: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Pixels of padding in front and behind.
    pub(super) before: usize,
    pub(super) after: usize,
    /// How often the window fits.
    pub(super) positions: usize,
}

impl Axis {
    /// `None` if the window does not fit or can stand on padding alone.
    fn new(size: usize, [taps, stride, dilation]: [usize; 3], padding: Option<(usize, usize)>) -> Option<Self> {
        if size == 0 {
            return None;
        }
        let reach = (taps - 1).checked_mul(dilation)?.checked_add(1)?;
        let (before, after) = padding.unwrap_or_else(|| {
            let last = (size.div_ceil(stride).saturating_sub(1)).saturating_mul(stride);
            let total = last.saturating_add(reach).saturating_sub(size);
            (total / 2, total.div_ceil(2))
        });
        let padded = size.checked_add(before)?.checked_add(after)?;
        let positions = padded.checked_sub(reach)? / stride + 1;
        (before < reach && after < reach).then_some(Self { size, taps, stride, dilation, before, after, positions })
    }

    /// The positions where `tap` is in the image.
    pub(super) fn covered(&self, tap: usize) -> Range<usize> {
        let offset = tap * self.dilation;
        let start = self.before.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.size + self.before).saturating_sub(offset).div_ceil(self.stride).min(self.positions);
        start.min(end)..end
    }

    /// The pixel under `tap` at a position where it is covered.
    pub(super) fn pixel(&self, position: usize, tap: usize) -> usize {
        position * self.stride + tap * self.dilation - self.before
    }
}

impl Window {
    /// The window of a layer over images `[channels, height, width]`; also gives the channels.
    pub(super) fn new(
        layer: &str,
        input: &[usize],
        [kernel, stride, dilation]: [Pair; 3],
        padding: Padding,
    ) -> Result<(usize, Self)> {
        let refuse = |expected: String| Error::LayerInput { layer: layer.to_owned(), found: input.to_vec(), expected };
        let &[channels, height, width] = input else {
            return Err(refuse("images [channels, height, width]; put a `reshape` in front".to_owned()));
        };
        if channels == 0 {
            return Err(refuse("at least one channel".to_owned()));
        }
        let (rows, columns) = match padding {
            Padding::Valid => (Some((0, 0)), Some((0, 0))),
            Padding::Same => (None, None),
            Padding::Explicit { top, left, bottom, right } => (Some((top, bottom)), Some((left, right))),
        };
        let vertical = Axis::new(height, [kernel.height, stride.height, dilation.height], rows);
        let horizontal = Axis::new(width, [kernel.width, stride.width, dilation.width], columns);
        let Some((vertical, horizontal)) = vertical.zip(horizontal) else {
            let Pair { height, width } = kernel;
            let what = "images, with their padding, that it fits into, and a padding smaller than itself";
            return Err(refuse(format!("for its window of {height} x {width} {what}")));
        };
        let values = [vertical.positions, horizontal.positions, vertical.taps, horizontal.taps, channels];
        let all = values.into_iter().try_fold(1, |product: usize, factor| product.checked_mul(factor));
        if all.is_none_or(|all| all > MAX_VALUES) {
            let seen = vertical.taps.saturating_mul(horizontal.taps).saturating_mul(channels);
            let positions = vertical.positions.saturating_mul(horizontal.positions);
            return Err(Error::too_large(layer, "all that its window sees of a sample", seen, positions));
        }
        Ok((channels, Self { vertical, horizontal }))
    }

    /// Pixels of a plane of the image.
    pub(super) fn area(&self) -> usize {
        self.vertical.size * self.horizontal.size
    }

    pub(super) fn taps(&self) -> usize {
        self.vertical.taps * self.horizontal.taps
    }

    /// Pixels of a plane of the answer.
    pub(super) fn positions(&self) -> usize {
        self.vertical.positions * self.horizontal.positions
    }

    /// Calls `each(positions, first pixel)` for every row of positions, with those in it where `tap` is covered; between two of them the
    /// pixel advances by the horizontal stride.
    pub(super) fn covered(&self, tap: usize, mut each: impl FnMut(Range<usize>, usize)) {
        let (tap_y, tap_x) = (tap / self.horizontal.taps, tap % self.horizontal.taps);
        let columns = self.horizontal.covered(tap_x);
        if columns.is_empty() {
            return;
        }
        let first = self.horizontal.pixel(columns.start, tap_x);
        for y in self.vertical.covered(tap_y) {
            let start = y * self.horizontal.positions;
            let pixel = self.vertical.pixel(y, tap_y) * self.horizontal.size + first;
            each(start + columns.start..start + columns.end, pixel);
        }
    }

    /// The attributes of ONNX's operators with a window; their dilations are a convolution's own.
    pub(super) fn describe(&self, node: NodeProto) -> NodeProto {
        let Self { vertical: v, horizontal: h } = self;
        let ints = |values: [usize; 2]| values.map(|value| value as i64).to_vec();
        let pads = [v.before, h.before, v.after, h.after].map(|pixels| pixels as i64);
        node.with_ints("kernel_shape", &ints([v.taps, h.taps]))
            .with_ints("strides", &ints([v.stride, h.stride]))
            .with_ints("pads", &pads)
    }
}

/// Refuses a window without taps or steps.
pub(super) fn check_sizes<'a>(layer: &str, sizes: impl IntoIterator<Item = (&'a str, Pair)>) -> Result<()> {
    for (setting, pair) in sizes {
        if pair.height == 0 || pair.width == 0 {
            return Err(Error::setting(format!("{layer}.{setting}"), 0, "at least 1"));
        }
    }
    Ok(())
}

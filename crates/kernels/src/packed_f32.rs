use alloc::vec::Vec;
use core::{fmt, slice};

use crate::packed::Layout;
use crate::{Isa, Matrix};

/// Floats in a cache line.
const LINE: usize = 16;

/// A cache line of weights, so that panels start where aligned vector loads may.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// f32 weights `[k, n]` in the layout of the kernel that packed them.
///
/// Output channels are cut into panels; inside one, the weights of all its channels for the first input come first, then those for the next.
/// Missing channels are zero, so a kernel reads only whole vectors.
#[derive(Clone)]
pub struct PackedF32 {
    lines: Vec<Line>,
    k: usize,
    n: usize,
    isa: Isa,
}

impl PackedF32 {
    pub(crate) fn new(weights: Matrix<'_>, isa: Isa, layout: Layout) -> Self {
        let mut packed = Self { lines: Vec::new(), k: 0, n: 0, isa };
        packed.replace(weights, layout);
        packed
    }

    /// Packs other weights for the same kernel into the memory there is.
    pub(crate) fn replace(&mut self, weights: Matrix<'_>, layout: Layout) {
        let (k, n) = (weights.rows(), weights.columns());
        let padded = n.checked_next_multiple_of(layout.lanes).and_then(|n| n.checked_mul(k));
        #[expect(clippy::expect_used, reason = "documented: no memory could hold the weights")]
        let padded = padded.expect("pack_f32: padded weights exceed the address space");
        (self.k, self.n) = (k, n);
        // Weights of several sizes may take turns: what a larger one needed is kept.
        if self.lines.len() < padded.div_ceil(LINE) {
            self.lines.resize(padded.div_ceil(LINE), Line([0.0; LINE]));
        }
        if weights.is_empty() {
            return;
        }
        for first in (0..n).step_by(layout.panel) {
            let columns = layout.panel.min(n - first);
            let stride = columns.next_multiple_of(layout.lanes);
            let start = self.panel_start(first);
            let panel = &mut self.values_mut()[start..][..k * stride];
            fill(panel, stride, weights.column_range(first..first + columns));
        }
    }

    /// Where the panel whose first channel is `first` starts: every panel before it is full.
    pub(crate) fn panel_start(&self, first: usize) -> usize {
        first * self.k
    }

    /// All panels, aligned to 64 bytes.
    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 initialized floats without padding (size and alignment are both 64).
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }

    fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`; any `f32` is valid inside a `Line`.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) }
    }

    /// Inputs per output channel.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Output channels.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The instruction set whose kernel packed, and alone can use, these weights.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Memory the packed weights take, padding and what larger ones before them took included.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }
}

/// Writes `weights` into a panel whose inputs are `stride` apart, and zeros behind them.
fn fill(panel: &mut [f32], stride: usize, weights: Matrix<'_>) {
    let columns = weights.columns();
    if weights.column_stride() == 1 {
        for (i, to) in panel.chunks_exact_mut(stride).enumerate() {
            to[..columns].copy_from_slice(&weights.row(i, 0)[..columns]);
            to[columns..].fill(0.0);
        }
        return;
    }
    // As many inputs at a time as share a cache line where channels are rows in memory.
    for (block, to) in panel.chunks_mut(LINE * stride).enumerate() {
        let first = block * LINE;
        let mut done = 0;
        if to.len() == LINE * stride && weights.row_stride() == 1 {
            done = columns / TURN * TURN;
            for c in (0..done).step_by(TURN) {
                let channels = core::array::from_fn(|channel| weights.row(first, c + channel));
                turn(channels, &mut to[c..], stride);
            }
        }
        for c in done..columns {
            let from = weights.row(first, c);
            for (i, input) in to.chunks_exact_mut(stride).enumerate() {
                input[c] = from[i * weights.row_stride()];
            }
        }
        for input in to.chunks_exact_mut(stride) {
            input[columns..].fill(0.0);
        }
    }
}

/// Channels that [`turn`] moves at a time, as many as floats in a vector of every machine.
const TURN: usize = 4;

/// Writes the first line's worth of `channels` as rows `stride` apart.
#[inline(always)]
fn turn(channels: [&[f32]; TURN], to: &mut [f32], stride: usize) {
    let channels = channels.map(|channel| &channel[..LINE]);
    for i in 0..LINE {
        to[i * stride..][..TURN].copy_from_slice(&channels.map(|channel| channel[i]));
    }
}

impl fmt::Debug for PackedF32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedF32")
            .field("k", &self.k)
            .field("n", &self.n)
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

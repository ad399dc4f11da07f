use alloc::vec::Vec;
use core::{fmt, mem, slice};

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
    /// Room for one row of weights that are computed.
    row: Vec<f32>,
}

impl PackedF32 {
    pub(crate) fn new(weights: Matrix<'_>, isa: Isa, layout: Layout) -> Self {
        let mut packed = Self { lines: Vec::new(), k: 0, n: 0, isa, row: Vec::new() };
        packed.replace(weights, layout);
        packed
    }

    /// Packs other weights for the same kernel into the memory there is.
    pub(crate) fn replace(&mut self, weights: Matrix<'_>, layout: Layout) {
        let (k, n) = (weights.rows(), weights.columns());
        self.resize(k, n, layout);
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

    /// [`Self::replace`] by weights of which `fill` writes row after row.
    pub(crate) fn replace_rows(
        &mut self,
        (k, n): (usize, usize),
        fill: &mut dyn FnMut(usize, &mut [f32]),
        layout: Layout,
    ) {
        self.resize(k, n, layout);
        let mut row = mem::take(&mut self.row);
        row.resize(n, 0.0);
        for i in 0..k {
            fill(i, &mut row);
            for first in (0..n).step_by(layout.panel) {
                let columns = layout.panel.min(n - first);
                let stride = columns.next_multiple_of(layout.lanes);
                let start = self.panel_start(first) + i * stride;
                let (to, padding) = self.values_mut()[start..][..stride].split_at_mut(columns);
                to.copy_from_slice(&row[first..][..columns]);
                padding.fill(0.0);
            }
        }
        self.row = row;
    }

    /// Makes room for weights `[k, n]`.
    fn resize(&mut self, k: usize, n: usize, layout: Layout) {
        let padded = n.checked_next_multiple_of(layout.lanes).and_then(|n| n.checked_mul(k));
        #[expect(clippy::expect_used, reason = "documented: no memory could hold the weights")]
        let padded = padded.expect("pack_f32: padded weights exceed the address space");
        (self.k, self.n) = (k, n);
        // Weights of several sizes may take turns: what a larger one needed is kept.
        if self.lines.len() < padded.div_ceil(LINE) {
            self.lines.resize(padded.div_ceil(LINE), Line([0.0; LINE]));
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
    let channels = channels.map(|channel| channel[..LINE].as_chunks::<TURN>().0);
    for (part, to) in to.chunks_mut(TURN * stride).take(LINE / TURN).enumerate() {
        let rows = transposed(channels.map(|channel| channel[part]));
        for (i, row) in rows.iter().enumerate() {
            to[i * stride..][..TURN].copy_from_slice(row);
        }
    }
}

/// Compilers make four scalars at a time of the loop.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed(rows: [[f32; TURN]; TURN]) -> [[f32; TURN]; TURN] {
    use core::arch::x86_64::{__m128, _MM_TRANSPOSE4_PS};
    // SAFETY: both types are four floats without padding, and every x86-64 has SSE.
    unsafe {
        let [mut a, mut b, mut c, mut d]: [__m128; TURN] = mem::transmute(rows);
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        mem::transmute([a, b, c, d])
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transposed(rows: [[f32; TURN]; TURN]) -> [[f32; TURN]; TURN] {
    core::array::from_fn(|i| rows.map(|row| row[i]))
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

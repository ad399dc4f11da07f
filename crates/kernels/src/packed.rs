use alloc::vec;
use alloc::vec::Vec;
use core::{fmt, slice};

use crate::{Isa, Weights, pair_sums_fit};

/// Weights along `k` that stand side by side for one output channel: what one 32-bit lane of a dot-product instruction takes.
pub(crate) const GROUP: usize = 4;

/// A cache line of weights, so that panels start where aligned vector loads may.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([i8; 64]);

/// Output channels that share a panel, and the unit the last panel is rounded up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) lanes: usize,
    pub(crate) panel: usize,
}

/// Int8 weights `[k, n]` in the layout of the kernel that packed them.
///
/// Output channels are cut into panels; inside one, each group of four consecutive inputs holds the four weights of its first channel, then
/// those of the next, and so on. Missing inputs and channels are zero, so a kernel reads only whole vectors.
#[derive(Clone)]
pub struct PackedWeights {
    lines: Vec<Line>,
    column_sums: Vec<i32>,
    /// Of each output channel; empty where all are 0.
    zero_points: Vec<i32>,
    /// Of each panel, whether all its channels pass [`pair_sums_fit`].
    proven: Vec<bool>,
    panel: usize,
    k: usize,
    n: usize,
    isa: Isa,
}

impl PackedWeights {
    pub(crate) fn new(weights: &Weights<'_>, isa: Isa, layout: Layout) -> Self {
        weights.check();
        let Weights { k, n, .. } = *weights;
        let depth = k.next_multiple_of(GROUP);
        let padded = n.next_multiple_of(layout.lanes).checked_mul(depth);
        #[expect(
            clippy::expect_used,
            reason = "padding overflows only where the slice of k * n weights could not exist"
        )]
        let padded = padded.expect("pack: padded weights exceed the address space");
        let lines = vec![Line([0; 64]); padded.div_ceil(64)];
        let fit = pair_sums_fit(weights);
        let proven = fit.chunks(layout.panel).map(|panel| panel.iter().all(|&fits| fits)).collect();
        let zero_points = match weights.zero_points.iter().all(|&zero_point| zero_point == 0) {
            true => Vec::new(),
            false => weights.zero_points.iter().map(|&zero_point| zero_point.into()).collect(),
        };
        // The share of the zero points; modulo 2^32 as everywhere.
        let column_sums = match zero_points.is_empty() {
            true => vec![0; n],
            false => zero_points.iter().map(|zero_point| (k as i32).wrapping_mul(-zero_point)).collect(),
        };
        let mut packed = Self { lines, column_sums, zero_points, proven, panel: layout.panel, k, n, isa };
        packed.fill(weights.values, layout);
        packed
    }

    fn fill(&mut self, weights: &[i8], layout: Layout) {
        let (k, n) = (self.k, self.n);
        for first in (0..n).step_by(layout.panel) {
            let columns = layout.panel.min(n - first);
            let stride = columns.next_multiple_of(layout.lanes) * GROUP;
            let start = self.panel_start(first);
            for i in 0..k {
                let row = &weights[i * n + first..][..columns];
                let group = start + i / GROUP * stride + i % GROUP;
                let bytes = self.bytes_mut();
                for (c, &weight) in row.iter().enumerate() {
                    bytes[group + c * GROUP] = weight;
                }
                for (sum, &weight) in self.column_sums[first..].iter_mut().zip(row) {
                    *sum = sum.wrapping_add(weight.into());
                }
            }
        }
    }

    /// Whether the sum of two neighbouring products fits 16 bits in each channel of panel `index`, whatever the inputs.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "only x86-64 has an instruction that needs it"))]
    pub(crate) fn proven(&self, index: usize) -> bool {
        self.proven[index]
    }

    /// The zero point of each output channel; empty where all are 0.
    pub(crate) fn zero_points(&self) -> &[i32] {
        &self.zero_points
    }

    /// Where the panel whose first channel is `first` starts: every panel before it is full.
    pub(crate) fn panel_start(&self, first: usize) -> usize {
        first * self.k.next_multiple_of(GROUP)
    }

    /// All panels, aligned to 64 bytes.
    pub(crate) fn as_slice(&self) -> &[i8] {
        // SAFETY: a `Line` is 64 initialized bytes without padding (size and alignment are both 64), and `i8` needs no alignment.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * size_of::<Line>()) }
    }

    fn bytes_mut(&mut self) -> &mut [i8] {
        // SAFETY: as in `as_slice`; any `i8` is valid inside a `Line`.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * size_of::<Line>()) }
    }

    /// Inputs per output channel.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Output channels.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Output channels that are computed together: [`Kernel::matmul_columns`](crate::Kernel::matmul_columns) takes
    /// whole panels.
    pub fn panel(&self) -> usize {
        self.panel
    }

    /// The instruction set whose kernel packed, and alone can use, these weights.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Sum of each output channel's weights, less their zero point, over `k`, modulo 2^32, `[n]`: what an input zero point multiplies.
    pub fn column_sums(&self) -> &[i32] {
        &self.column_sums
    }

    /// Memory the packed weights take, padding, column sums and zero points included.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
            + size_of_val(self.column_sums.as_slice())
            + size_of_val(self.zero_points.as_slice())
    }
}

impl fmt::Debug for PackedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedWeights")
            .field("k", &self.k)
            .field("n", &self.n)
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

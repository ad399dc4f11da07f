use alloc::vec;
use alloc::vec::Vec;
use core::{fmt, slice};

use crate::Isa;
use crate::packed::Layout;

/// A cache line of weights, so that panels start where aligned vector loads may.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

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
    pub(crate) fn new(weights: &[f32], k: usize, n: usize, isa: Isa, layout: Layout) -> Self {
        assert_eq!(k.checked_mul(n), Some(weights.len()), "pack_f32: weights must be [k, n] = [{k}, {n}]");
        let padded = n.next_multiple_of(layout.lanes).checked_mul(k);
        #[expect(
            clippy::expect_used,
            reason = "padding overflows only where the slice of k * n weights could not exist"
        )]
        let padded = padded.expect("pack_f32: padded weights exceed the address space");
        let mut packed = Self { lines: vec![Line([0.0; 16]); padded.div_ceil(16)], k, n, isa };
        packed.fill(weights, layout);
        packed
    }

    fn fill(&mut self, weights: &[f32], layout: Layout) {
        let (k, n) = (self.k, self.n);
        for first in (0..n).step_by(layout.panel) {
            let columns = layout.panel.min(n - first);
            let stride = columns.next_multiple_of(layout.lanes);
            let start = self.panel_start(first);
            for i in 0..k {
                let row = &weights[i * n + first..][..columns];
                self.values_mut()[start + i * stride..][..columns].copy_from_slice(row);
            }
        }
    }

    /// Where the panel whose first channel is `first` starts: every panel before it is full.
    pub(crate) fn panel_start(&self, first: usize) -> usize {
        first * self.k
    }

    /// All panels, aligned to 64 bytes.
    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 initialized floats without padding (size and alignment are both 64).
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * 16) }
    }

    fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`; any `f32` is valid inside a `Line`.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * 16) }
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

    /// Memory the packed weights take, padding included.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
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

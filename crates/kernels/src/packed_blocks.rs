use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::Isa;
use crate::packed::Layout;

/// Width of a [blocked](Blocked) weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// -8 to 7, two to a byte.
    Four,
    /// -128 to 127.
    Eight,
}

/// Integer weights `[k, n]` (inputs, outputs) of which every `block` inputs of an output channel share a scale, as ONNX `DequantizeLinear`
/// with `block_size` has them; with `block = k` a channel has one scale.
///
/// Weight `[i, c]` stands for `(values[i, c] - zero_points[i / block, c]) as f32 * scales[i / block, c]`, rounded once. Unsigned weights and
/// their zero points are the caller's to shift into the signed range.
#[derive(Clone, Copy, Debug)]
pub struct Blocked<'a> {
    /// `[k, n]`.
    pub values: &'a [i8],
    /// `[k / block, n]`, rounded up.
    pub scales: &'a [f32],
    /// As many as scales; empty where all are 0.
    pub zero_points: &'a [i8],
    /// Inputs that share a scale; at least 1.
    pub block: usize,
    /// Range of the values and the zero points.
    pub bits: Bits,
    /// Inputs.
    pub k: usize,
    /// Output channels.
    pub n: usize,
}

/// [`Blocked`] weights in the layout of the kernel that packed them: a quarter of the memory they take in f32, or with 4 bits
/// an eighth, and what the scales take.
///
/// Output channels are cut into panels. Inside one, the integers of all its channels for the first input come first, then those for the next;
/// of 4-bit integers a byte holds those of two neighbouring inputs of a block, the first in its low half. Scales and zero points of a panel
/// lie block by block. Missing channels are zero, so a kernel reads only whole vectors.
#[derive(Clone)]
pub struct PackedBlocks {
    integers: Vec<u8>,
    scales: Vec<f32>,
    zero_points: Vec<i8>,
    block: usize,
    bits: Bits,
    k: usize,
    n: usize,
    isa: Isa,
}

impl PackedBlocks {
    pub(crate) fn new(weights: &Blocked<'_>, isa: Isa, layout: Layout) -> Self {
        let Blocked { values, scales, zero_points, block, bits, k, n } = *weights;
        assert!(block > 0, "pack_blocked: a block has at least one input");
        let blocks = k.div_ceil(block);
        assert_eq!(k.checked_mul(n), Some(values.len()), "pack_blocked: weights must be [k, n] = [{k}, {n}]");
        assert_eq!(blocks.checked_mul(n), Some(scales.len()), "pack_blocked: scales must be [{blocks}, {n}]");
        let all_zero = zero_points.is_empty();
        assert!(all_zero || zero_points.len() == scales.len(), "pack_blocked: zero points must be [{blocks}, {n}]");
        let range = if bits == Bits::Four { -8..=7 } else { i8::MIN..=i8::MAX };
        let mut integers = values.iter().chain(zero_points);
        assert!(integers.all(|value| range.contains(value)), "pack_blocked: integers must be in {range:?}");

        let (rows, width) = (rows(k, block, bits), n.next_multiple_of(layout.lanes));
        #[expect(clippy::expect_used, reason = "padding overflows only where the slice of weights could not exist")]
        let size =
            |rows: usize| rows.checked_mul(width).expect("pack_blocked: padded weights exceed the address space");
        let mut packed = Self {
            integers: vec![0; size(rows)],
            scales: vec![0.0; size(blocks)],
            zero_points: vec![0; if all_zero { 0 } else { size(blocks) }],
            block,
            bits,
            k,
            n,
            isa,
        };
        for first in (0..n).step_by(layout.panel) {
            packed.fill_panel(weights, first, layout);
        }
        packed
    }

    fn fill_panel(&mut self, weights: &Blocked<'_>, first: usize, layout: Layout) {
        let (k, n, block) = (self.k, self.n, self.block);
        let columns = layout.panel.min(n - first);
        let width = columns.next_multiple_of(layout.lanes);
        let start = first * rows(k, block, self.bits);
        for i in 0..k {
            let values = &weights.values[i * n + first..][..columns];
            let (row, shift) = match self.bits {
                Bits::Eight => (i, None),
                Bits::Four => (i / block * block.div_ceil(2) + i % block / 2, Some(i % block % 2 * 4)),
            };
            for (byte, &value) in self.integers[start + row * width..].iter_mut().zip(values) {
                match shift {
                    None => *byte = value as u8,
                    Some(shift) => *byte |= ((value + NIBBLE_ZERO) as u8) << shift,
                }
            }
        }
        for index in 0..k.div_ceil(block) {
            let (from, to) = (index * n + first, first * k.div_ceil(block) + index * width);
            self.scales[to..][..columns].copy_from_slice(&weights.scales[from..][..columns]);
            if !self.zero_points.is_empty() {
                let zero_points = &weights.zero_points[from..][..columns];
                let shift = if self.bits == Bits::Four { NIBBLE_ZERO } else { 0 };
                let stored = self.zero_points[to..].iter_mut().zip(zero_points);
                stored.for_each(|(stored, &zero_point)| *stored = zero_point + shift);
            }
        }
    }

    /// The panel whose first channel is `first`: every panel before it is full.
    pub(crate) fn panel(&self, first: usize) -> BlockedPanel<'_> {
        let at = first * self.k.div_ceil(self.block);
        BlockedPanel {
            integers: &self.integers[first * rows(self.k, self.block, self.bits)..],
            scales: &self.scales[at..],
            zero_points: self.zero_points.get(at..).filter(|_| !self.zero_points.is_empty()),
        }
    }

    /// What the stored integers of all blocks have subtracted where no zero points are stored.
    pub(crate) fn common_zero_point(&self) -> i32 {
        if self.bits == Bits::Four { NIBBLE_ZERO.into() } else { 0 }
    }

    /// Inputs that share a scale.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Width of the integers.
    pub fn bits(&self) -> Bits {
        self.bits
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

    /// Memory the packed weights take, padding, scales and zero points included.
    pub fn bytes(&self) -> usize {
        self.integers.len() + size_of_val(self.scales.as_slice()) + self.zero_points.len()
    }
}

/// A panel and what follows it.
#[derive(Clone, Copy)]
pub(crate) struct BlockedPanel<'a> {
    pub(crate) integers: &'a [u8],
    pub(crate) scales: &'a [f32],
    pub(crate) zero_points: Option<&'a [i8]>,
}

/// 4-bit integers are stored as 0 to 15.
const NIBBLE_ZERO: i8 = 8;

/// Bytes that hold a channel's `k` integers.
fn rows(k: usize, block: usize, bits: Bits) -> usize {
    match bits {
        Bits::Eight => k,
        Bits::Four => k / block * block.div_ceil(2) + (k % block).div_ceil(2),
    }
}

impl fmt::Debug for PackedBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedBlocks")
            .field("k", &self.k)
            .field("n", &self.n)
            .field("bits", &self.bits)
            .field("block", &self.block)
            .field("isa", &self.isa)
            .finish_non_exhaustive()
    }
}

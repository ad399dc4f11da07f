//! Panels of integer weights with a scale for each block: turned into f32 in registers, input by input.

use super::float_tile::{Inputs, Panel, add_products};
use super::vector::Vector;
use crate::PackedBlocks;
use crate::packed_blocks::BlockedPanel;

/// A panel of weights of `BITS` bits, 8 or 4; a vector of them is `LANES` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<const BITS: usize> {
    integers: *const u8,
    scales: *const f32,
    /// Null where all are `common_zero_point`.
    zero_points: *const i8,
    common_zero_point: i32,
    block: usize,
}

impl<const BITS: usize> Blocks<BITS> {
    /// The panel of `weights` that starts with channel `first`.
    pub(crate) fn of(weights: &PackedBlocks, first: usize) -> Self {
        let BlockedPanel { integers, scales, zero_points } = weights.panel(first);
        Self {
            integers: integers.as_ptr(),
            scales: scales.as_ptr(),
            zero_points: zero_points.map_or(core::ptr::null(), <[i8]>::as_ptr),
            common_zero_point: weights.common_zero_point(),
            block: weights.block(),
        }
    }
}

impl<V: Vector, const BITS: usize> Panel<V> for Blocks<BITS> {
    #[inline(always)]
    unsafe fn add<const R: usize, const C: usize>(
        self,
        inputs: Inputs,
        mut sums: [[V::F32; C]; R],
    ) -> [[V::F32; C]; R] {
        // SAFETY: the caller's promise: `R` rows of `k` inputs, and `k` inputs, in blocks, of `C` vectors of weights, each block with `C`
        // vectors of scales and, where there are any, of zero points.
        unsafe {
            let k = inputs.k;
            let mut integers = self.integers;
            for (index, start) in (0..k).step_by(self.block).enumerate() {
                let at = index * C * V::LANES;
                let mut scales = [V::splat_f32(0.0); C];
                let mut zero_points = [V::splat_i32(self.common_zero_point); C];
                for c in 0..C {
                    scales[c] = V::load_f32(self.scales.add(at + c * V::LANES), V::LANES);
                    if !self.zero_points.is_null() {
                        zero_points[c] = V::load_i8(self.zero_points.add(at + c * V::LANES), V::LANES);
                    }
                }
                let real = |c: usize, integer| V::mul_f32(V::to_f32(V::sub_i32(integer, zero_points[c])), scales[c]);
                let end = k.min(start + self.block);
                if BITS == 8 {
                    for i in start..end {
                        let mut weights = scales;
                        for c in 0..C {
                            weights[c] = real(c, V::load_i8(integers.add(c * V::LANES).cast(), V::LANES));
                        }
                        add_products::<V, R, C>(&mut sums, inputs, i, weights);
                        integers = integers.add(C * V::LANES);
                    }
                } else {
                    for i in (start..end).step_by(2) {
                        let (mut first, mut second) = (scales, scales);
                        for c in 0..C {
                            let (low, high) = V::nibbles(V::load_u8(integers.add(c * V::LANES), V::LANES));
                            (first[c], second[c]) = (real(c, low), real(c, high));
                        }
                        add_products::<V, R, C>(&mut sums, inputs, i, first);
                        if i + 1 < end {
                            add_products::<V, R, C>(&mut sums, inputs, i + 1, second);
                        }
                        integers = integers.add(C * V::LANES);
                    }
                }
            }
            sums
        }
    }
}

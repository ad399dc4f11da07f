//! What no product can be faster than, to be measured: multiplications in registers and loads of memory, and nothing else.

use core::hint::black_box;
use core::marker::PhantomData;

use super::vector::{Dot, Task, Vector};
use crate::packed::GROUP;

/// Runs so many rounds of [`multiply`]; how many multiplications that are.
pub(crate) type MultiplyFn = unsafe fn(u64) -> u64;

/// Inputs that rounds take turns with: were they always the same, products would be moved in front of the loop.
const TURNS: usize = 16;

/// Multiplies and adds bytes in registers as `D` does, `R` inputs with `C` vectors of weights per round; returns the number of multiplications.
/// Eight sums cover the latency of any of the instructions.
///
/// # Safety
///
/// The CPU has `V`'s instruction set.
pub(crate) unsafe fn multiply<V: Vector, D: Dot<V>, const R: usize, const C: usize>(rounds: u64) -> u64 {
    // SAFETY: the caller's promise; the task holds no pointers.
    unsafe { V::enter(Multiply::<D, R, C>(rounds, PhantomData)) };
    rounds * (R * C * GROUP * V::LANES) as u64
}

struct Multiply<D, const R: usize, const C: usize>(u64, PhantomData<D>);

/// As many weights as the longest vectors take.
#[repr(C, align(64))]
struct Aligned<const C: usize>([[i8; 64]; C]);

impl<V: Vector, D: Dot<V>, const R: usize, const C: usize> Task<V> for Multiply<D, R, C> {
    #[inline(always)]
    unsafe fn run(self) {
        let bytes = black_box(Aligned([[3; 64]; C]));
        // SAFETY: `enter` runs on a CPU that has `V`; the weights are aligned to and as long as the longest vector.
        unsafe {
            let mut inputs = [D::inputs([0; 4]); TURNS];
            for inputs in &mut inputs {
                *inputs = D::inputs(black_box([1, 2, 3, 4]));
            }
            let mut weights = [D::weights(bytes.0[0].as_ptr()); C];
            for c in 1..C {
                weights[c] = D::weights(bytes.0[c].as_ptr());
            }
            let mut sums = [[V::splat_i32(0); C]; R];
            for round in 0..self.0 as usize {
                for r in 0..R {
                    let inputs = inputs[(round + r * TURNS / R) % TURNS];
                    for c in 0..C {
                        sums[r][c] = D::dot(sums[r][c], inputs, weights[c]);
                    }
                }
            }
            black_box(sums);
        }
    }
}

/// Sum of `words`, modulo 2^32.
pub(crate) struct SumWords<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) sum: &'a mut u32,
}

impl<V: Vector> Task<V> for SumWords<'_> {
    #[inline(always)]
    unsafe fn run(self) {
        const VECTORS: usize = 8;
        let whole = self.words.chunks_exact(VECTORS * V::LANES);
        let rest = whole.remainder();
        // SAFETY: `enter` runs on a CPU that has `V`; each chunk is `VECTORS` vectors of words, and no vector has more than 16 lanes.
        unsafe {
            let mut sums = [V::splat_i32(0); VECTORS];
            for chunk in whole {
                for v in 0..VECTORS {
                    let words = V::load_i32(chunk.as_ptr().cast::<i32>().add(v * V::LANES), V::LANES);
                    sums[v] = V::add_i32(sums[v], words);
                }
            }
            let mut lanes = [0; VECTORS * 16];
            for v in 0..VECTORS {
                V::store_i32(lanes.as_mut_ptr().add(v * 16), sums[v], V::LANES);
            }
            let sum = lanes.iter().fold(0, |sum: u32, &lane: &i32| sum.wrapping_add(lane as u32));
            *self.sum = rest.iter().fold(sum, |sum, &word| sum.wrapping_add(word));
        }
    }
}

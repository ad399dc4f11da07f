//! AVX-VNNI: `vpdpbusd` on 256 bits, for processors without AVX-512.

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::avx256::{Avx256, Bytes256, load, row, splat};
use crate::Isa;
use crate::simd::tile::TileFn;
use crate::simd::vector::{Dot, Task};

/// The two encodings of the one instruction that AVX-VNNI adds to AVX2.
///
/// # Safety
///
/// The CPU has the encoding.
pub(crate) trait Encoding: Send + Sync + Sized + 'static {
    unsafe fn enter<T: Task<Avx256<Vnni<Self>>>>(task: T);
    /// Adds the four products of each lane of unsigned `a` and signed `b` to `sum`.
    unsafe fn dpbusd(sum: __m256i, a: __m256i, b: __m256i) -> __m256i;
}

/// Bytes multiplied by `vpdpbusd` on 256 bits.
pub(crate) struct Vnni<E>(PhantomData<E>);

/// That of AVX-VNNI.
pub(crate) struct Vex;

impl Encoding for Vex {
    #[target_feature(enable = "avx2,fma,avxvnni")]
    unsafe fn enter<T: Task<Avx256<Vnni<Self>>>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
    }

    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn dpbusd(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        _mm256_dpbusd_avx_epi32(sum, a, b)
    }
}

/// That of AVX-512: on machines that have it alone, the tests run this kernel with it and so prove all but one opcode.
#[cfg(test)]
pub(crate) struct Evex;

#[cfg(test)]
impl Encoding for Evex {
    #[target_feature(enable = "avx2,fma,avx512vl,avx512vnni")]
    unsafe fn enter<T: Task<Avx256<Vnni<Self>>>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
    }

    #[inline]
    #[target_feature(enable = "avx2,avx512vl,avx512vnni")]
    unsafe fn dpbusd(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        _mm256_dpbusd_epi32(sum, a, b)
    }
}

/// Tiles of `R` rows: 6 x 2 accumulators, 2 vectors of weights and the inputs fill 15 of 16 registers.
const fn tiles<E: Encoding, const R: usize>() -> &'static [TileFn] {
    row::<Vnni<E>, Vnni<E>, R>()
}

impl<E: Encoding> Bytes256 for Vnni<E> {
    const ISA: Isa = Isa::AvxVnni;
    const TILES: &'static [&'static [TileFn]] =
        &[tiles::<E, 1>(), tiles::<E, 2>(), tiles::<E, 3>(), tiles::<E, 4>(), tiles::<E, 5>(), tiles::<E, 6>()];
    const PROVEN_TILES: &'static [&'static [TileFn]] = Self::TILES;

    unsafe fn enter<T: Task<Avx256<Self>>>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { E::enter(task) };
    }
}

impl<E: Encoding> Dot<Avx256<Self>> for Vnni<E> {
    type Inputs = __m256i;
    type Weights = __m256i;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn inputs(bytes: [u8; 4]) -> __m256i {
        splat(bytes)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(from: *const i8) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { load(from) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { E::dpbusd(sum, inputs, weights) }
    }
}

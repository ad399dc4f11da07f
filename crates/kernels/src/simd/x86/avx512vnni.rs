//! AVX-512 with VNNI: `vpdpbusd` multiplies 64 pairs of bytes and adds them to 16 sums.

use core::arch::x86_64::*;

use super::avx512::{Avx512, Bytes512, row};
use crate::Isa;
use crate::simd::tile::TileFn;
use crate::simd::vector::{Dot, Task};

pub(crate) struct Vnni;

/// Tiles of `R` rows: 6 x 4 accumulators, 4 vectors of weights and the inputs fill 29 of 32 registers.
const fn tiles<const R: usize>() -> &'static [TileFn] {
    row::<Vnni, Vnni, R>()
}

impl Bytes512 for Vnni {
    const ISA: Isa = Isa::Avx512Vnni;
    const TILES: &'static [&'static [TileFn]] =
        &[tiles::<1>(), tiles::<2>(), tiles::<3>(), tiles::<4>(), tiles::<5>(), tiles::<6>()];
    const PROVEN_TILES: &'static [&'static [TileFn]] = Self::TILES;

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn enter<T: Task<Avx512<Self>>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
    }
}

impl Dot<Avx512<Self>> for Vnni {
    type Inputs = __m512i;
    type Weights = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn inputs(bytes: [u8; 4]) -> __m512i {
        _mm512_set1_epi32(i32::from_le_bytes(bytes))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn weights(from: *const i8) -> __m512i {
        // SAFETY: the caller's promise: 64 readable bytes, aligned to 64.
        unsafe { _mm512_load_si512(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn dot(sum: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(sum, inputs, weights)
    }
}

//! AVX2. `vpmaddubsw` takes bytes as they are but saturates pair sums to 16 bits, so it is only for panels with a proof; other bytes are
//! widened so that `vpmaddwd` is exact.

use core::arch::x86_64::*;

use super::avx256::{Avx256, Bytes256, load, row, splat};
use crate::Isa;
use crate::simd::tile::TileFn;
use crate::simd::vector::{Dot, Task};

pub(crate) struct Madd;

/// Bytes as they are, for `vpmaddubsw`.
struct PairSums;

/// Bytes widened to 16 bits, for `vpmaddwd`.
struct Wide;

/// Four bytes of each lane as 16-bit pairs.
#[derive(Clone, Copy)]
struct Widened {
    /// Bytes 0 and 2.
    even: __m256i,
    /// Bytes 1 and 3.
    odd: __m256i,
}

/// Tiles of `R` rows that widen: 4 x 2 accumulators, 4 vectors of widened weights and 2 of inputs fill 14 of 16 registers.
const fn wide<const R: usize>() -> &'static [TileFn] {
    row::<Madd, Wide, R>()
}

/// Tiles of `R` rows by `vpmaddubsw`: 5 x 2 accumulators, 2 vectors of weights, the inputs, ones and a product fill 15 of 16 registers.
const fn proven<const R: usize>() -> &'static [TileFn] {
    row::<Madd, PairSums, R>()
}

impl Bytes256 for Madd {
    const ISA: Isa = Isa::Avx2;
    const TILES: &'static [&'static [TileFn]] = &[wide::<1>(), wide::<2>(), wide::<3>(), wide::<4>()];
    const PROVEN_TILES: &'static [&'static [TileFn]] =
        &[proven::<1>(), proven::<2>(), proven::<3>(), proven::<4>(), proven::<5>()];

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter<T: Task<Avx256<Self>>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
    }
}

impl Dot<Avx256<Madd>> for PairSums {
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

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn dot(sum: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        let pairs = _mm256_maddubs_epi16(inputs, weights);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
}

impl Dot<Avx256<Madd>> for Wide {
    type Inputs = Widened;
    type Weights = Widened;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn inputs(bytes: [u8; 4]) -> Widened {
        let bytes = splat(bytes);
        Widened { even: _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), odd: _mm256_srli_epi16::<8>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(from: *const i8) -> Widened {
        // SAFETY: the caller's promise.
        let bytes = unsafe { load(from) };
        Widened { even: _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)), odd: _mm256_srai_epi16::<8>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn dot(sum: __m256i, inputs: Widened, weights: Widened) -> __m256i {
        let even = _mm256_madd_epi16(inputs.even, weights.even);
        let odd = _mm256_madd_epi16(inputs.odd, weights.odd);
        _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
    }
}

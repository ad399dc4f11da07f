//! AVX-512 without VNNI: the products of AVX2 on vectors of twice the length.

use core::arch::x86_64::*;

use super::avx512::{Avx512, Bytes512, row};
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
    even: __m512i,
    /// Bytes 1 and 3.
    odd: __m512i,
}

/// Tiles of `R` rows that widen. At 6 x 4 accumulators some of the 8 vectors of widened weights are read from memory; 4 rows would have
/// registers for all and are slower, as weights are widened more often.
const fn wide<const R: usize>() -> &'static [TileFn] {
    row::<Madd, Wide, R>()
}

/// Tiles of `R` rows by `vpmaddubsw`: 6 x 4 accumulators, 4 vectors of weights, the inputs, ones and a product fill 31 of 32 registers.
const fn proven<const R: usize>() -> &'static [TileFn] {
    row::<Madd, PairSums, R>()
}

impl Bytes512 for Madd {
    const ISA: Isa = Isa::Avx512Bw;
    const TILES: &'static [&'static [TileFn]] =
        &[wide::<1>(), wide::<2>(), wide::<3>(), wide::<4>(), wide::<5>(), wide::<6>()];
    const PROVEN_TILES: &'static [&'static [TileFn]] =
        &[proven::<1>(), proven::<2>(), proven::<3>(), proven::<4>(), proven::<5>(), proven::<6>()];

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl")]
    unsafe fn enter<T: Task<Avx512<Self>>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
    }
}

impl Dot<Avx512<Madd>> for PairSums {
    type Inputs = __m512i;
    type Weights = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn inputs(bytes: [u8; 4]) -> __m512i {
        _mm512_set1_epi32(i32::from_le_bytes(bytes))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn weights(from: *const i8) -> __m512i {
        // SAFETY: the caller's promise: 64 readable bytes, aligned to 64.
        unsafe { _mm512_load_si512(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn dot(sum: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        let pairs = _mm512_maddubs_epi16(inputs, weights);
        _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
    }
}

impl Dot<Avx512<Madd>> for Wide {
    type Inputs = Widened;
    type Weights = Widened;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn inputs(bytes: [u8; 4]) -> Widened {
        let bytes = _mm512_set1_epi32(i32::from_le_bytes(bytes));
        Widened { even: _mm512_and_si512(bytes, _mm512_set1_epi16(0xff)), odd: _mm512_srli_epi16::<8>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn weights(from: *const i8) -> Widened {
        // SAFETY: the caller's promise: 64 readable bytes, aligned to 64.
        let bytes = unsafe { _mm512_load_si512(from.cast()) };
        Widened { even: _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(bytes)), odd: _mm512_srai_epi16::<8>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn dot(sum: __m512i, inputs: Widened, weights: Widened) -> __m512i {
        let even = _mm512_madd_epi16(inputs.even, weights.even);
        let odd = _mm512_madd_epi16(inputs.odd, weights.odd);
        _mm512_add_epi32(sum, _mm512_add_epi32(even, odd))
    }
}

//! 512-bit vectors; what differs between the instruction sets that have them is [`Bytes512`].

use core::arch::x86_64::*;
use core::marker::PhantomData;

use super::avx256::shuffle;
use super::has_vbmi;
use crate::Isa;
use crate::simd::blocks::Blocks;
use crate::simd::float_tile::{self, FloatTileFn, Panel, Plain};
use crate::simd::tile::{self, TileFn};
use crate::simd::vector::{Dot, Task, Vector};

/// How an instruction set with 512-bit vectors multiplies bytes.
///
/// # Safety
///
/// As in [`Vector`].
pub(crate) trait Bytes512: Send + Sync + Sized + 'static {
    const ISA: Isa;
    const TILES: &'static [&'static [TileFn]];
    const PROVEN_TILES: &'static [&'static [TileFn]];

    unsafe fn enter<T: Task<Avx512<Self>>>(task: T);
}

/// 512-bit vectors that multiply bytes as `B` does.
pub(crate) struct Avx512<B>(PhantomData<B>);

/// Tiles of `R` rows that multiply as `D` does, up to four vectors wide.
pub(crate) const fn row<B: Bytes512, D: Dot<Avx512<B>>, const R: usize>() -> &'static [TileFn] {
    &[
        tile::run::<Avx512<B>, D, R, 1>,
        tile::run::<Avx512<B>, D, R, 2>,
        tile::run::<Avx512<B>, D, R, 3>,
        tile::run::<Avx512<B>, D, R, 4>,
    ]
}

/// Tiles of `R` rows in f32: 6 x 4 accumulators, 4 vectors of weights and the input fill 29 of 32 registers.
const fn float_row<B: Bytes512, W: Panel<Avx512<B>>, const R: usize>() -> &'static [FloatTileFn<W>] {
    &[
        float_tile::run::<Avx512<B>, W, R, 1>,
        float_tile::run::<Avx512<B>, W, R, 2>,
        float_tile::run::<Avx512<B>, W, R, 3>,
        float_tile::run::<Avx512<B>, W, R, 4>,
    ]
}

/// The tiles in f32 for panels of the form `W`.
struct FloatTiles<B, W>(PhantomData<(B, W)>);

impl<B: Bytes512, W: Panel<Avx512<B>>> FloatTiles<B, W> {
    const ALL: &'static [&'static [FloatTileFn<W>]] = &[
        float_row::<B, W, 1>(),
        float_row::<B, W, 2>(),
        float_row::<B, W, 3>(),
        float_row::<B, W, 4>(),
        float_row::<B, W, 5>(),
        float_row::<B, W, 6>(),
    ];
}

/// The lowest `count` of 16 lanes.
#[inline]
fn mask(count: usize) -> __mmask16 {
    !(!0u32 << count) as __mmask16
}

impl<B: Bytes512> Vector for Avx512<B> {
    const ISA: Isa = B::ISA;
    const LANES: usize = 16;
    const TILES: &'static [&'static [TileFn]] = B::TILES;
    const PROVEN_TILES: &'static [&'static [TileFn]] = B::PROVEN_TILES;
    const FLOAT_TILES: &'static [&'static [FloatTileFn<Plain>]] = FloatTiles::<B, Plain>::ALL;
    const BYTE_TILES: &'static [&'static [FloatTileFn<Blocks<8>>]] = FloatTiles::<B, Blocks<8>>::ALL;
    const NIBBLE_TILES: &'static [&'static [FloatTileFn<Blocks<4>>]] = FloatTiles::<B, Blocks<4>>::ALL;

    type I32 = __m512i;
    type F32 = __m512;

    unsafe fn enter<T: Task<Self>>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { B::enter(task) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_i32(from: *const i32, count: usize) -> __m512i {
        // SAFETY: the caller's promise: `count` readable elements; masked lanes are not accessed.
        unsafe { _mm512_maskz_loadu_epi32(mask(count), from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_f32(from: *const f32, count: usize) -> __m512 {
        // SAFETY: as in `load_i32`.
        unsafe { _mm512_maskz_loadu_ps(mask(count), from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_aligned_f32(from: *const f32) -> __m512 {
        // SAFETY: the caller's promise: 16 readable elements, aligned to 64 bytes.
        unsafe { _mm512_load_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_u8(from: *const u8, count: usize) -> __m512i {
        // SAFETY: as in `load_i32`.
        _mm512_cvtepu8_epi32(unsafe { _mm_maskz_loadu_epi8(mask(count), from.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_i8(from: *const i8, count: usize) -> __m512i {
        // SAFETY: as in `load_i32`.
        _mm512_cvtepi8_epi32(unsafe { _mm_maskz_loadu_epi8(mask(count), from) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_i32(to: *mut i32, value: __m512i, count: usize) {
        // SAFETY: the caller's promise: `count` writable elements; masked lanes are not accessed.
        unsafe { _mm512_mask_storeu_epi32(to, mask(count), value) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_f32(to: *mut f32, value: __m512, count: usize) {
        // SAFETY: as in `store_i32`.
        unsafe { _mm512_mask_storeu_ps(to, mask(count), value) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn store_low_bytes(to: *mut u8, value: __m512i, count: usize) {
        let bytes = _mm512_cvtepi32_epi8(value);
        // SAFETY: as in `store_i32`.
        unsafe { _mm_mask_storeu_epi8(to.cast(), mask(count), bytes) };
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat_i32(value: i32) -> __m512i {
        _mm512_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat_f32(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn add_i32(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn sub_i32(a: __m512i, b: __m512i) -> __m512i {
        _mm512_sub_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn nibbles(x: __m512i) -> (__m512i, __m512i) {
        let low = |x| _mm512_and_si512(x, _mm512_set1_epi32(15));
        (low(x), low(_mm512_srli_epi32::<4>(x)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn mul_i32(a: __m512i, b: __m512i) -> __m512i {
        _mm512_mullo_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn add_f32(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn mul_f32(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn mul_add_f32(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn div_f32(a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn at_least(bound: __m512, x: __m512) -> __m512 {
        // `vmaxps` returns its second operand unless the first is greater.
        _mm512_max_ps(bound, x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn at_most(bound: __m512, x: __m512) -> __m512 {
        _mm512_min_ps(bound, x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn nan_to_zero(x: __m512) -> __m512 {
        _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_ORD_Q>(x, x), x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn to_f32(x: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn to_i32(x: __m512) -> __m512i {
        _mm512_cvtps_epi32(x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn lookup(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
        // SAFETY: the caller's promise; `vpermi2b` is used only where it exists, AVX2 is part of this instruction set.
        unsafe {
            if has_vbmi::get() {
                permute(table, from, to, count);
            } else {
                shuffle(table, from, to, count);
            }
        }
    }
}

/// `to[i] = table[from[i]]`: the low seven bits pick from each half of the table, the top bit picks the half.
///
/// # Safety
///
/// The CPU has the instruction sets and both pointers are valid for `count` bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn permute(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: the table is four vectors of 64 bytes; masked loads and stores stay below `count`.
    unsafe {
        let quarter = |i: usize| _mm512_loadu_si512(table.as_ptr().add(64 * i).cast());
        let (low0, low1, high0, high1) = (quarter(0), quarter(1), quarter(2), quarter(3));
        for i in (0..count).step_by(64) {
            let mask = !0u64 >> 64usize.saturating_sub(count - i);
            let index = _mm512_maskz_loadu_epi8(mask, from.add(i).cast());
            let low = _mm512_permutex2var_epi8(low0, index, low1);
            let high = _mm512_permutex2var_epi8(high0, index, high1);
            let found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
            _mm512_mask_storeu_epi8(to.add(i).cast(), mask, found);
        }
    }
}

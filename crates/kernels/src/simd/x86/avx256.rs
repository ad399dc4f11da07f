//! 256-bit vectors; what differs between the instruction sets that have no longer ones is [`Bytes256`].

use core::arch::x86_64::*;
use core::marker::PhantomData;

use crate::Isa;
use crate::simd::blocks::Blocks;
use crate::simd::float_tile::{self, FloatTileFn, Panel, Plain};
use crate::simd::tile::{self, TileFn};
use crate::simd::vector::{Dot, Task, Vector};

/// How an instruction set with 256-bit vectors multiplies bytes.
///
/// # Safety
///
/// As in [`Vector`].
pub(crate) trait Bytes256: Send + Sync + Sized + 'static {
    const ISA: Isa;
    const TILES: &'static [&'static [TileFn]];
    const PROVEN_TILES: &'static [&'static [TileFn]];

    unsafe fn enter<T: Task<Avx256<Self>>>(task: T);
}

/// 256-bit vectors that multiply bytes as `B` does.
pub(crate) struct Avx256<B>(PhantomData<B>);

/// Tiles of `R` rows that multiply as `D` does, up to two vectors wide.
pub(crate) const fn row<B: Bytes256, D: Dot<Avx256<B>>, const R: usize>() -> &'static [TileFn] {
    &[tile::run::<Avx256<B>, D, R, 1>, tile::run::<Avx256<B>, D, R, 2>]
}

/// Tiles of `R` rows in f32: 6 x 2 accumulators, 2 vectors of weights and the input fill 15 of 16 registers.
const fn float_row<B: Bytes256, W: Panel<Avx256<B>>, const R: usize>() -> &'static [FloatTileFn<W>] {
    &[float_tile::run::<Avx256<B>, W, R, 1>, float_tile::run::<Avx256<B>, W, R, 2>]
}

/// The tiles in f32 for panels of the form `W`.
struct FloatTiles<B, W>(PhantomData<(B, W)>);

impl<B: Bytes256, W: Panel<Avx256<B>>> FloatTiles<B, W> {
    const ALL: &'static [&'static [FloatTileFn<W>]] = &[
        float_row::<B, W, 1>(),
        float_row::<B, W, 2>(),
        float_row::<B, W, 3>(),
        float_row::<B, W, 4>(),
        float_row::<B, W, 5>(),
        float_row::<B, W, 6>(),
    ];
}

/// Four bytes in every lane.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn splat(bytes: [u8; 4]) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(bytes))
}

/// # Safety
///
/// `from` is valid for 32 bytes and aligned to 32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn load(from: *const i8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_load_si256(from.cast()) }
}

/// All ones in the lowest `count` of 8 lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn mask(count: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
}

/// The `count` bytes at `from`, then zeros.
///
/// # Safety
///
/// `from` is valid for `count <= 8` bytes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_bytes(from: *const u8, count: usize) -> __m128i {
    let mut bytes = [0; 8];
    // SAFETY: the caller's promise; `bytes` has room for 8. A copy of constant length is one move, of variable length a call.
    unsafe {
        if count == 8 {
            bytes = from.cast::<[u8; 8]>().read();
        } else {
            from.copy_to_nonoverlapping(bytes.as_mut_ptr(), count);
        }
    }
    _mm_cvtsi64_si128(i64::from_le_bytes(bytes))
}

impl<B: Bytes256> Vector for Avx256<B> {
    const ISA: Isa = B::ISA;
    const LANES: usize = 8;
    const TILES: &'static [&'static [TileFn]] = B::TILES;
    const PROVEN_TILES: &'static [&'static [TileFn]] = B::PROVEN_TILES;
    const FLOAT_TILES: &'static [&'static [FloatTileFn<Plain>]] = FloatTiles::<B, Plain>::ALL;
    const BYTE_TILES: &'static [&'static [FloatTileFn<Blocks<8>>]] = FloatTiles::<B, Blocks<8>>::ALL;
    const NIBBLE_TILES: &'static [&'static [FloatTileFn<Blocks<4>>]] = FloatTiles::<B, Blocks<4>>::ALL;

    type I32 = __m256i;
    type F32 = __m256;

    unsafe fn enter<T: Task<Self>>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { B::enter(task) };
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_i32(from: *const i32, count: usize) -> __m256i {
        // SAFETY: the caller's promise: `count` readable elements; masked lanes are not accessed.
        unsafe { _mm256_maskload_epi32(from, mask(count)) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_f32(from: *const f32, count: usize) -> __m256 {
        // SAFETY: as in `load_i32`.
        unsafe { if count == 8 { _mm256_loadu_ps(from) } else { _mm256_maskload_ps(from, mask(count)) } }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_aligned_f32(from: *const f32) -> __m256 {
        // SAFETY: the caller's promise: 8 readable elements, aligned to 32 bytes.
        unsafe { _mm256_load_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_u8(from: *const u8, count: usize) -> __m256i {
        // SAFETY: the caller's promise: `count` readable bytes.
        _mm256_cvtepu8_epi32(unsafe { load_bytes(from, count) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load_i8(from: *const i8, count: usize) -> __m256i {
        // SAFETY: the caller's promise: `count` readable bytes.
        _mm256_cvtepi8_epi32(unsafe { load_bytes(from.cast(), count) })
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_i32(to: *mut i32, value: __m256i, count: usize) {
        // SAFETY: the caller's promise: `count` writable elements; masked lanes are not accessed.
        unsafe {
            if count == 8 {
                _mm256_storeu_si256(to.cast(), value)
            } else {
                _mm256_maskstore_epi32(to, mask(count), value)
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_f32(to: *mut f32, value: __m256, count: usize) {
        // SAFETY: as in `store_i32`.
        unsafe { if count == 8 { _mm256_storeu_ps(to, value) } else { _mm256_maskstore_ps(to, mask(count), value) } }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_low_bytes(to: *mut u8, value: __m256i, count: usize) {
        // Low bytes to the front of each 128-bit half, then the halves together.
        let front = _mm256_set1_epi64x(0x0c08_0400);
        let halves = _mm256_shuffle_epi8(value, front);
        let joined = _mm_unpacklo_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves));
        let bytes = _mm_cvtsi128_si64(joined).to_le_bytes();
        // SAFETY: the caller's promise: `count <= 8` writable bytes.
        unsafe {
            if count == 8 {
                to.cast::<[u8; 8]>().write(bytes);
            } else {
                bytes.as_ptr().copy_to_nonoverlapping(to, count);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat_i32(value: i32) -> __m256i {
        _mm256_set1_epi32(value)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat_f32(value: f32) -> __m256 {
        _mm256_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add_i32(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sub_i32(a: __m256i, b: __m256i) -> __m256i {
        _mm256_sub_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn nibbles(x: __m256i) -> (__m256i, __m256i) {
        let low = |x| _mm256_and_si256(x, _mm256_set1_epi32(15));
        (low(x), low(_mm256_srli_epi32::<4>(x)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn mul_i32(a: __m256i, b: __m256i) -> __m256i {
        _mm256_mullo_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add_f32(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn mul_f32(a: __m256, b: __m256) -> __m256 {
        _mm256_mul_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "fma")]
    unsafe fn mul_add_f32(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmadd_ps(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn div_f32(a: __m256, b: __m256) -> __m256 {
        _mm256_div_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn at_least(bound: __m256, x: __m256) -> __m256 {
        // `vmaxps` returns its second operand unless the first is greater.
        _mm256_max_ps(bound, x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn at_most(bound: __m256, x: __m256) -> __m256 {
        _mm256_min_ps(bound, x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn nan_to_zero(x: __m256) -> __m256 {
        _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_ORD_Q>(x, x))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn to_f32(x: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn to_i32(x: __m256) -> __m256i {
        _mm256_cvtps_epi32(x)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn lookup(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { shuffle(table, from, to, count) };
    }
}

/// `to[i] = table[from[i]]`: sixteen `vpshufb`, one for each value of the index's high nibble.
///
/// # Safety
///
/// The CPU has AVX2 and both pointers are valid for `count` bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn shuffle(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
    let whole = count - count % 32;
    // SAFETY: the caller's promise: `count` bytes at both pointers; sixteen rows of 16 bytes are the table.
    unsafe {
        for i in (0..whole).step_by(32) {
            let index = _mm256_loadu_si256(from.add(i).cast());
            let mut found = _mm256_setzero_si256();
            for high in 0..16 {
                let row = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().add(16 * high).cast()));
                // The low nibble where the high one matches; elsewhere the top bit, which makes `vpshufb` give 0.
                let inside = _mm256_xor_si256(index, _mm256_set1_epi8((high << 4) as i8));
                let inside = _mm256_adds_epu8(inside, _mm256_set1_epi8(0x70));
                found = _mm256_or_si256(found, _mm256_shuffle_epi8(row, inside));
            }
            _mm256_storeu_si256(to.add(i).cast(), found);
        }
        for i in whole..count {
            to.add(i).write(table[usize::from(from.add(i).read())]);
        }
    }
}

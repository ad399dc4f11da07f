//! 256-bit vectors. `vpmaddubsw` takes bytes as they are but saturates pair sums to 16 bits, so it is only for panels with a proof; other
//! bytes are widened so that `vpmaddwd` is exact.

use core::arch::x86_64::*;

use crate::Isa;
use crate::simd::float_tile::{self, FloatTileFn};
use crate::simd::tile::{self, TileFn};
use crate::simd::vector::{Dot, Task, Vector};

#[derive(Debug)]
pub(crate) struct Avx2;

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

/// Tiles of `R` rows. `Wide`: 4 x 2 accumulators, 4 vectors of widened weights and 2 of inputs fill 14 of 16 registers. `PairSums`: 5 x 2
/// accumulators, 2 vectors of weights, the inputs, ones and a product fill 15.
const fn row<D: Dot<Avx2>, const R: usize>() -> &'static [TileFn] {
    &[tile::run::<Avx2, D, R, 1>, tile::run::<Avx2, D, R, 2>]
}

/// Tiles of `R` rows in f32: 6 x 2 accumulators, 2 vectors of weights and the input fill 15 of 16 registers.
const fn float_row<const R: usize>() -> &'static [FloatTileFn] {
    &[float_tile::run::<Avx2, R, 1>, float_tile::run::<Avx2, R, 2>]
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

impl Vector for Avx2 {
    const ISA: Isa = Isa::Avx2;
    const LANES: usize = 8;
    const TILES: &'static [&'static [TileFn]] =
        &[row::<Wide, 1>(), row::<Wide, 2>(), row::<Wide, 3>(), row::<Wide, 4>()];
    const PROVEN_TILES: &'static [&'static [TileFn]] =
        &[row::<PairSums, 1>(), row::<PairSums, 2>(), row::<PairSums, 3>(), row::<PairSums, 4>(), row::<PairSums, 5>()];
    const FLOAT_TILES: &'static [&'static [FloatTileFn]] =
        &[float_row::<1>(), float_row::<2>(), float_row::<3>(), float_row::<4>(), float_row::<5>(), float_row::<6>()];

    type I32 = __m256i;
    type F32 = __m256;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter<T: Task<Self>>(task: T) {
        // SAFETY: this is `enter`, and the caller vouches for the CPU and the task's pointers.
        unsafe { task.run() };
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

    /// Sixteen `vpshufb`, one for each value of the index's high nibble.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn lookup(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize) {
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
}

impl Dot<Avx2> for PairSums {
    type Inputs = __m256i;
    type Weights = __m256i;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn inputs(bytes: [u8; 4]) -> __m256i {
        _mm256_set1_epi32(i32::from_le_bytes(bytes))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(from: *const i8) -> __m256i {
        // SAFETY: the caller's promise: 32 readable bytes, aligned to 32.
        unsafe { _mm256_load_si256(from.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn dot(sum: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        let pairs = _mm256_maddubs_epi16(inputs, weights);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
}

impl Dot<Avx2> for Wide {
    type Inputs = Widened;
    type Weights = Widened;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn inputs(bytes: [u8; 4]) -> Widened {
        let bytes = _mm256_set1_epi32(i32::from_le_bytes(bytes));
        Widened { even: _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), odd: _mm256_srli_epi16::<8>(bytes) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn weights(from: *const i8) -> Widened {
        // SAFETY: the caller's promise: 32 readable bytes, aligned to 32.
        let bytes = unsafe { _mm256_load_si256(from.cast()) };
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

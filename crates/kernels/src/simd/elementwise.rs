//! The loops over plain slices, written once for every [`Vector`]. Pointers are valid for `len` elements.

use super::tile::VectorLevels;
use super::vector::{Task, Vector};
use crate::levels::Levels;

/// Quantizes to the low byte of each level: int8 and uint8 alike.
pub(crate) struct Quantize {
    pub(crate) input: *const f32,
    pub(crate) scale: f32,
    pub(crate) levels: Levels,
    pub(crate) out: *mut u8,
    pub(crate) len: usize,
}

impl<V: Vector> Task<V> for Quantize {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: `enter` runs on a CPU that has `V`; both pointers are valid for `len` elements.
        unsafe {
            let levels = VectorLevels::<V>::new(self.levels);
            let divisor = Divisor::new(self.scale);
            match divisor {
                Divisor::Reciprocal(reciprocal) => {
                    let reciprocal = V::splat_f32(reciprocal);
                    for_each_vector::<V>(self.len, |i, count| {
                        let quotient = V::mul_f32(V::load_f32(self.input.add(i), count), reciprocal);
                        V::store_low_bytes(self.out.add(i), levels.saturate(quotient), count);
                    });
                }
                Divisor::Scale(scale) => {
                    let scale = V::splat_f32(scale);
                    for_each_vector::<V>(self.len, |i, count| {
                        let quotient = V::div_f32(V::load_f32(self.input.add(i), count), scale);
                        V::store_low_bytes(self.out.add(i), levels.saturate(quotient), count);
                    });
                }
            }
        }
    }
}

/// A pointer to 8-bit levels of either signedness.
#[derive(Clone, Copy)]
pub(crate) enum Bytes {
    U8(*const u8),
    I8(*const i8),
}

/// Levels to real values.
pub(crate) struct Dequantize {
    pub(crate) input: Bytes,
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
    pub(crate) out: *mut f32,
    pub(crate) len: usize,
}

impl<V: Vector> Task<V> for Dequantize {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: `enter` runs on a CPU that has `V`; both pointers are valid for `len` elements.
        unsafe {
            let real = Real::<V>::new(self.scale, self.zero_point);
            match self.input {
                Bytes::U8(input) => for_each_vector::<V>(self.len, |i, count| {
                    V::store_f32(self.out.add(i), real.of(V::load_u8(input.add(i), count)), count);
                }),
                Bytes::I8(input) => for_each_vector::<V>(self.len, |i, count| {
                    V::store_f32(self.out.add(i), real.of(V::load_i8(input.add(i), count)), count);
                }),
            }
        }
    }
}

/// One summand of [`Add`].
pub(crate) struct Summand {
    pub(crate) values: *const u8,
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
}

/// Sum of two quantized tensors, quantized.
pub(crate) struct Add {
    pub(crate) a: Summand,
    pub(crate) b: Summand,
    pub(crate) scale: f32,
    pub(crate) levels: Levels,
    pub(crate) out: *mut u8,
    pub(crate) len: usize,
}

impl<V: Vector> Task<V> for Add {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: `enter` runs on a CPU that has `V`; all pointers are valid for `len` elements.
        unsafe {
            let a = Real::<V>::new(self.a.scale, self.a.zero_point);
            let b = Real::<V>::new(self.b.scale, self.b.zero_point);
            let levels = VectorLevels::<V>::new(self.levels);
            let scale = V::splat_f32(self.scale);
            for_each_vector::<V>(self.len, |i, count| {
                let x = a.of(V::load_u8(self.a.values.add(i), count));
                let y = b.of(V::load_u8(self.b.values.add(i), count));
                let quotient = V::div_f32(V::add_f32(x, y), scale);
                V::store_low_bytes(self.out.add(i), levels.saturate(quotient), count);
            });
        }
    }
}

/// Table lookup of every byte.
pub(crate) struct Lookup<'a> {
    pub(crate) table: &'a [u8; 256],
    pub(crate) input: *const u8,
    pub(crate) out: *mut u8,
    pub(crate) len: usize,
}

impl<V: Vector> Task<V> for Lookup<'_> {
    #[inline(always)]
    unsafe fn run(self) {
        // SAFETY: `enter` runs on a CPU that has `V`; both pointers are valid for `len` bytes.
        unsafe { V::lookup(self.table, self.input, self.out, self.len) };
    }
}

/// Division by a scale, as a multiplication wherever the quotient is the same bits.
#[derive(Clone, Copy, Debug)]
enum Divisor {
    /// Multiply by this reciprocal. The scale is a normal power of two, so its reciprocal is exact (2^-127 is subnormal, yet a float) and
    /// product and quotient round the same real number.
    Reciprocal(f32),
    /// Divide by this scale.
    Scale(f32),
}

impl Divisor {
    fn new(scale: f32) -> Self {
        let power_of_two = scale.to_bits() & 0x007f_ffff == 0;
        if power_of_two && scale.is_normal() { Self::Reciprocal(1.0 / scale) } else { Self::Scale(scale) }
    }
}

/// `(level - zero_point) * scale` in every lane.
struct Real<V: Vector> {
    scale: V::F32,
    zero_point: V::I32,
}

impl<V: Vector> Real<V> {
    /// # Safety
    ///
    /// The CPU has `V`'s instruction set.
    #[inline(always)]
    unsafe fn new(scale: f32, zero_point: i32) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self { scale: V::splat_f32(scale), zero_point: V::splat_i32(zero_point) } }
    }

    /// # Safety
    ///
    /// The CPU has `V`'s instruction set.
    #[inline(always)]
    unsafe fn of(&self, level: V::I32) -> V::F32 {
        // SAFETY: the caller's promise.
        unsafe { V::mul_f32(V::to_f32(V::sub_i32(level, self.zero_point)), self.scale) }
    }
}

/// Calls `body(start, count)` for whole vectors, then for the rest.
#[inline(always)]
fn for_each_vector<V: Vector>(len: usize, mut body: impl FnMut(usize, usize)) {
    let whole = len - len % V::LANES;
    for i in (0..whole).step_by(V::LANES) {
        body(i, V::LANES);
    }
    if whole < len {
        body(whole, len - whole);
    }
}

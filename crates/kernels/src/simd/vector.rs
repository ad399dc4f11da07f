use super::blocks::Blocks;
use super::float_tile::{FloatTileFn, Plain};
use super::tile::TileFn;
use crate::Isa;

/// One instruction set's vectors: all that differs between the kernels written with intrinsics.
///
/// `LANES` 32-bit lanes make a vector. Loads and stores take `count <= LANES` and touch that many elements only; lanes beyond are zero when
/// loaded. No pointer needs to be aligned unless its method says so.
///
/// # Safety
///
/// Every method may be called only on a CPU that has the instruction set; those that take a pointer read or write there, `count` elements
/// unless they say otherwise.
pub(crate) trait Vector: Send + Sync + Sized + 'static {
    const ISA: Isa;
    const LANES: usize;
    /// `TILES[rows - 1][vectors - 1]`: the register tiles this instruction set has the registers for.
    const TILES: &'static [&'static [TileFn]];
    /// The same for panels whose pair sums are [proven](crate::PackedWeights::proven) to fit 16 bits, with as many vectors.
    const PROVEN_TILES: &'static [&'static [TileFn]];
    /// The same for products in f32.
    const FLOAT_TILES: &'static [&'static [FloatTileFn<Plain>]];
    /// The same for products with blocked weights of 8 bits.
    const BYTE_TILES: &'static [&'static [FloatTileFn<Blocks<8>>]];
    /// The same for products with blocked weights of 4 bits.
    const NIBBLE_TILES: &'static [&'static [FloatTileFn<Blocks<4>>]];

    type I32: Copy;
    type F32: Copy;

    /// Runs `task` compiled for this instruction set.
    unsafe fn enter<T: Task<Self>>(task: T);

    unsafe fn load_i32(from: *const i32, count: usize) -> Self::I32;
    unsafe fn load_f32(from: *const f32, count: usize) -> Self::F32;
    /// Reads `LANES` elements, aligned to their size.
    unsafe fn load_aligned_f32(from: *const f32) -> Self::F32;
    unsafe fn load_u8(from: *const u8, count: usize) -> Self::I32;
    unsafe fn load_i8(from: *const i8, count: usize) -> Self::I32;
    unsafe fn store_i32(to: *mut i32, value: Self::I32, count: usize);
    unsafe fn store_f32(to: *mut f32, value: Self::F32, count: usize);
    /// Stores the lowest byte of each lane.
    unsafe fn store_low_bytes(to: *mut u8, value: Self::I32, count: usize);

    unsafe fn splat_i32(value: i32) -> Self::I32;
    unsafe fn splat_f32(value: f32) -> Self::F32;
    unsafe fn add_i32(a: Self::I32, b: Self::I32) -> Self::I32;
    unsafe fn sub_i32(a: Self::I32, b: Self::I32) -> Self::I32;
    /// The lower four bits of each lane, and the four above them.
    unsafe fn nibbles(x: Self::I32) -> (Self::I32, Self::I32);
    /// The low 32 bits of each product.
    unsafe fn mul_i32(a: Self::I32, b: Self::I32) -> Self::I32;
    unsafe fn add_f32(a: Self::F32, b: Self::F32) -> Self::F32;
    unsafe fn mul_f32(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, rounded once.
    unsafe fn mul_add_f32(a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    unsafe fn div_f32(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `if bound > x { bound } else { x }`, lane by lane: NaN in `x` stays.
    unsafe fn at_least(bound: Self::F32, x: Self::F32) -> Self::F32;
    /// `if bound < x { bound } else { x }`, lane by lane: NaN in `x` stays.
    unsafe fn at_most(bound: Self::F32, x: Self::F32) -> Self::F32;
    /// 0 where `x` is NaN.
    unsafe fn nan_to_zero(x: Self::F32) -> Self::F32;
    /// Nearest `f32`, half to even.
    unsafe fn to_f32(x: Self::I32) -> Self::F32;
    /// Nearest integer, half to even, of lanes within the range of `i32`.
    unsafe fn to_i32(x: Self::F32) -> Self::I32;

    /// `to[i] = table[from[i]]` for `count` bytes, any number.
    unsafe fn lookup(table: &[u8; 256], from: *const u8, to: *mut u8, count: usize);
}

/// One way of an instruction set to multiply bytes, unsigned inputs with signed weights.
///
/// # Safety
///
/// As in [`Vector`].
pub(crate) trait Dot<V: Vector> {
    /// Four consecutive inputs, the same in every lane.
    type Inputs: Copy;
    /// Four consecutive weights of one output channel per lane.
    type Weights: Copy;

    /// Inputs from their four bytes in memory order.
    unsafe fn inputs(bytes: [u8; 4]) -> Self::Inputs;
    /// Reads `4 * LANES` bytes, aligned to that size.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Adds the four products of each lane to `sum`, modulo 2^32.
    unsafe fn dot(sum: V::I32, inputs: Self::Inputs, weights: Self::Weights) -> V::I32;
}

/// A piece of work written once for every [`Vector`].
pub(crate) trait Task<V> {
    /// # Safety
    ///
    /// Only [`Vector::enter`] calls this; the pointers inside the task must be valid as the task says.
    unsafe fn run(self);
}

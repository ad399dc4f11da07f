//! The matrix product in f32: cuts `[rows, n]` into register tiles and runs each over the whole depth.
//!
//! The scheme is that of the integer product: a tile is up to R rows by C vectors of accumulators that stay in registers for all of `k`, so
//! each element is one chain of fused multiply-adds; one panel of weights stays in the cache while all rows pass. Cutting the depth into blocks
//! as well, to keep panels smaller, was no gain at any depth up to 16,384.

use super::tile::{lanes, row_tiles};
use super::vector::{Task, Vector};
use crate::Epilogue;

/// Runs one tile; the entry of [`Vector::FLOAT_TILES`] and its like for its number of rows and vectors.
pub(crate) type FloatTileFn<W> = unsafe fn(&FloatTile<'_, W>);

/// A panel of weights, in whatever form they are kept.
pub(crate) trait Panel<V: Vector>: Copy + 'static {
    /// Sums of the products of `k` inputs of each of `R` rows, `stride` elements apart, with a panel of `C` vectors.
    ///
    /// # Safety
    ///
    /// The CPU has `V`'s instruction set, `input` is valid for the rows and the panel for `k` inputs of `C` vectors.
    unsafe fn sums<const R: usize, const C: usize>(
        self,
        input: *const f32,
        stride: usize,
        k: usize,
    ) -> [[V::F32; C]; R];
}

/// A panel in f32: `C` aligned vectors per input.
#[derive(Clone, Copy)]
pub(crate) struct Plain(pub(crate) *const f32);

/// Where one tile reads and writes. Pointers are valid for the tile's rows and columns.
pub(crate) struct FloatTile<'a, W> {
    /// First row of the input, `k` elements; further rows follow at a distance of `k`.
    input: *const f32,
    k: usize,
    weights: W,
    /// First element of the tile; rows are `stride` apart.
    out: *mut f32,
    stride: usize,
    /// Output channels in this tile; the last vector may hold fewer than its lanes.
    columns: usize,
    /// Its bias is that of the tile's columns.
    epilogue: Epilogue<'a>,
}

/// Multiplies `input` `[rows, k]` by weights `[k, n]` tile by tile; `panel_at` gives the panel that starts with a channel.
///
/// # Safety
///
/// The CPU has `V`'s instruction set, the arguments passed [`check_matmul_f32`](crate::arguments::check_matmul_f32) for it, `tiles` are `V`'s
/// for panels of the form `W`, and the panels are valid for `k` inputs of as many vectors as their channels need.
pub(crate) unsafe fn matmul<V: Vector, W: Panel<V>>(
    (k, n): (usize, usize),
    tiles: &[&[FloatTileFn<W>]],
    panel_at: impl Fn(usize) -> W,
    input: &[f32],
    rows: usize,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let panel = panel::<V>();
    for channel in (0..n).step_by(panel) {
        let columns = panel.min(n - channel);
        let epilogue = Epilogue { bias: &epilogue.bias[channel..][..columns], ..epilogue };
        for tile_rows in row_tiles(rows, tiles.len()) {
            let tile = FloatTile {
                input: input[tile_rows.start * k..tile_rows.end * k].as_ptr(),
                k,
                weights: panel_at(channel),
                out: out[tile_rows.start * n..tile_rows.end * n][channel..].as_mut_ptr(),
                stride: n,
                columns,
                epilogue,
            };
            let run = tiles[tile_rows.len() - 1][columns.div_ceil(V::LANES) - 1];
            // SAFETY: the caller vouches for the CPU. `input` and `out` were sliced to the tile's rows, and its columns lie inside `n`;
            // `bias` was sliced to the columns; the caller vouches for the panel.
            unsafe { run(&tile) };
        }
    }
}

/// Output channels of the widest tile.
pub(crate) const fn panel<V: Vector>() -> usize {
    V::FLOAT_TILES[0].len() * V::LANES
}

/// The [`FloatTileFn`] of `R` rows by `C` vectors.
///
/// # Safety
///
/// The CPU has `V`'s instruction set and the pointers of `tile` are valid for `R` rows and `C` vectors.
pub(crate) unsafe fn run<V: Vector, W: Panel<V>, const R: usize, const C: usize>(tile: &FloatTile<'_, W>) {
    // SAFETY: the caller's promise is the one `enter` and the task ask for.
    unsafe { V::enter(Run::<W, R, C>(tile)) };
}

struct Run<'a, W, const R: usize, const C: usize>(&'a FloatTile<'a, W>);

impl<V: Vector, W: Panel<V>, const R: usize, const C: usize> Task<V> for Run<'_, W, R, C> {
    #[inline(always)]
    unsafe fn run(self) {
        let tile = self.0;
        // SAFETY: `enter` runs on a CPU that has `V`; the tile's pointers are valid for `R` rows and `C` vectors.
        unsafe {
            let sums = tile.weights.sums::<R, C>(tile.input, tile.k, tile.k);
            finish::<V, W, R, C>(sums, tile);
        }
    }
}

impl<V: Vector> Panel<V> for Plain {
    #[inline(always)]
    unsafe fn sums<const R: usize, const C: usize>(
        self,
        input: *const f32,
        stride: usize,
        k: usize,
    ) -> [[V::F32; C]; R] {
        // SAFETY: the caller's promise: `R` rows of `k` inputs, and `k` inputs of `C` vectors of weights.
        unsafe {
            let mut sums = [[V::splat_f32(0.0); C]; R];
            for i in 0..k {
                let mut weights = [V::load_aligned_f32(self.0.add(i * C * V::LANES)); C];
                for c in 1..C {
                    weights[c] = V::load_aligned_f32(self.0.add((i * C + c) * V::LANES));
                }
                add_products::<V, R, C>(&mut sums, input.add(i), stride, weights);
            }
            sums
        }
    }
}

/// Adds the products of one input of each of `R` rows, `stride` elements apart, with its weights.
///
/// # Safety
///
/// The CPU has `V`'s instruction set and `input` is valid for the rows.
#[inline(always)]
pub(crate) unsafe fn add_products<V: Vector, const R: usize, const C: usize>(
    sums: &mut [[V::F32; C]; R],
    input: *const f32,
    stride: usize,
    weights: [V::F32; C],
) {
    for r in 0..R {
        // SAFETY: the caller's promise.
        unsafe {
            let input = V::splat_f32(input.add(r * stride).read());
            for c in 0..C {
                sums[r][c] = V::mul_add_f32(input, weights[c], sums[r][c]);
            }
        }
    }
}

/// Writes the sums after the epilogue.
#[inline(always)]
unsafe fn finish<V: Vector, W, const R: usize, const C: usize>(sums: [[V::F32; C]; R], tile: &FloatTile<'_, W>) {
    let Epilogue { bias, min, max } = tile.epilogue;
    // SAFETY: the caller's promise: `out` is valid for `R` rows of `columns`, the bias for `columns`.
    unsafe {
        let (min, max) = (V::splat_f32(min), V::splat_f32(max));
        for c in 0..C {
            let count = lanes::<V, C>(tile.columns, c);
            let bias = V::load_f32(bias.as_ptr().add(c * V::LANES), count);
            for r in 0..R {
                let value = V::add_f32(sums[r][c], bias);
                let value = V::at_most(max, V::at_least(min, value));
                V::store_f32(tile.out.add(r * tile.stride + c * V::LANES), value, count);
            }
        }
    }
}

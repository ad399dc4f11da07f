//! The matrix product in f32: cuts `[rows, n]` into register tiles and runs each over the whole depth.
//!
//! The scheme is that of the integer product: a tile is up to R rows by C vectors of accumulators that stay in registers for all of `k`, so
//! each element is one chain of fused multiply-adds; one panel of weights stays in the cache while all rows pass. Cutting the depth into blocks
//! as well, to keep panels smaller, was no gain at any depth up to 16,384.

use super::tile::{lanes, row_tiles};
use super::vector::{Task, Vector};
use crate::{Epilogue, PackedF32};

/// Runs one tile; the entry of [`Vector::FLOAT_TILES`] for its number of rows and vectors.
pub(crate) type FloatTileFn = unsafe fn(&FloatTile<'_>);

/// Where one tile reads and writes. Pointers are valid for the tile's rows and columns.
pub(crate) struct FloatTile<'a> {
    /// First row of the input, `k` elements; further rows follow at a distance of `k`.
    input: *const f32,
    k: usize,
    /// The panel: `C` aligned vectors per input.
    weights: *const f32,
    /// First element of the tile; rows are `stride` apart.
    out: *mut f32,
    stride: usize,
    /// Output channels in this tile; the last vector may hold fewer than its lanes.
    columns: usize,
    /// Its bias is that of the tile's columns.
    epilogue: Epilogue<'a>,
}

/// Multiplies `input` `[rows, k]` by `weights` tile by tile.
///
/// # Safety
///
/// The CPU has `V`'s instruction set and the arguments passed [`check_matmul_f32`](crate::arguments::check_matmul_f32) for it.
pub(crate) unsafe fn matmul<V: Vector>(
    input: &[f32],
    rows: usize,
    weights: &PackedF32,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (k, n) = (weights.k(), weights.n());
    let panel = panel::<V>();
    for channel in (0..n).step_by(panel) {
        let columns = panel.min(n - channel);
        let weights = &weights.as_slice()[weights.panel_start(channel)..];
        let epilogue = Epilogue { bias: &epilogue.bias[channel..][..columns], ..epilogue };
        for tile_rows in row_tiles(rows, V::FLOAT_TILES.len()) {
            let tile = FloatTile {
                input: input[tile_rows.start * k..tile_rows.end * k].as_ptr(),
                k,
                weights: weights.as_ptr(),
                out: out[tile_rows.start * n..tile_rows.end * n][channel..].as_mut_ptr(),
                stride: n,
                columns,
                epilogue,
            };
            let run = V::FLOAT_TILES[tile_rows.len() - 1][columns.div_ceil(V::LANES) - 1];
            // SAFETY: the caller vouches for the CPU. `input` and `out` were sliced to the tile's rows, and its columns lie inside `n`;
            // `bias` was sliced to the columns; the panel holds `columns` rounded up to whole vectors for every input.
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
pub(crate) unsafe fn run<V: Vector, const R: usize, const C: usize>(tile: &FloatTile<'_>) {
    // SAFETY: the caller's promise is the one `enter` and the task ask for.
    unsafe { V::enter(Run::<R, C>(tile)) };
}

struct Run<'a, const R: usize, const C: usize>(&'a FloatTile<'a>);

impl<V: Vector, const R: usize, const C: usize> Task<V> for Run<'_, R, C> {
    #[inline(always)]
    unsafe fn run(self) {
        let tile = self.0;
        // SAFETY: `enter` runs on a CPU that has `V`; the tile's pointers are valid for `R` rows and `C` vectors.
        unsafe {
            let sums = accumulate::<V, R, C>(tile.input, tile.k, tile.k, tile.weights);
            finish::<V, R, C>(sums, tile);
        }
    }
}

/// Sums of the products of `k` inputs of each of `R` rows, `stride` elements apart, with a panel of `C` vectors.
#[inline(always)]
unsafe fn accumulate<V: Vector, const R: usize, const C: usize>(
    input: *const f32,
    stride: usize,
    k: usize,
    panel: *const f32,
) -> [[V::F32; C]; R] {
    // SAFETY: the caller's promise: `R` rows of `k` inputs, and `k` inputs of `C` vectors of weights.
    unsafe {
        let mut sums = [[V::splat_f32(0.0); C]; R];
        for i in 0..k {
            let mut weights = [V::load_aligned_f32(panel.add(i * C * V::LANES)); C];
            for c in 1..C {
                weights[c] = V::load_aligned_f32(panel.add((i * C + c) * V::LANES));
            }
            for r in 0..R {
                let input = V::splat_f32(input.add(r * stride + i).read());
                for c in 0..C {
                    sums[r][c] = V::mul_add_f32(input, weights[c], sums[r][c]);
                }
            }
        }
        sums
    }
}

/// Writes the sums after the epilogue.
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const C: usize>(sums: [[V::F32; C]; R], tile: &FloatTile<'_>) {
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

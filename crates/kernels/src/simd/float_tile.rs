//! The matrix product in f32: cuts `[rows, n]` into register tiles and runs each over the whole depth.
//!
//! The scheme is that of the integer product: a tile is up to R rows by C vectors of accumulators that stay in registers for all of `k`, so
//! each element is one chain of fused multiply-adds; one panel of weights stays in the cache while all rows pass. Cutting the depth into blocks
//! as well, to keep panels smaller, was no gain at any depth up to 16,384.

use super::tile::{lanes, row_tiles};
use super::vector::{Task, Vector};
use crate::{Epilogue, Matrix, MatrixMut};

/// Runs one tile; the entry of [`Vector::FLOAT_TILES`] and its like for its number of rows and vectors.
pub(crate) type FloatTileFn<W> = unsafe fn(&FloatTile<'_, W>);

/// A panel of weights, in whatever form they are kept.
pub(crate) trait Panel<V: Vector>: Copy + 'static {
    /// Adds the products of the inputs of `R` rows with a panel of `C` vectors to `sums`.
    ///
    /// # Safety
    ///
    /// The CPU has `V`'s instruction set, `inputs` are valid for the rows and the panel for as many inputs of `C` vectors.
    unsafe fn add<const R: usize, const C: usize>(self, inputs: Inputs, sums: [[V::F32; C]; R]) -> [[V::F32; C]; R];
}

/// The inputs of a tile: row `r`'s input `i` is at `first + r * row_stride + i * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) first: *const f32,
    pub(crate) row_stride: usize,
    pub(crate) stride: usize,
    /// Inputs of each row.
    pub(crate) k: usize,
}

/// A panel in f32: `C` aligned vectors per input.
#[derive(Clone, Copy)]
pub(crate) struct Plain(pub(crate) *const f32);

/// Where one tile reads and writes. Pointers are valid for the tile's rows and columns.
pub(crate) struct FloatTile<'a, W> {
    inputs: Inputs,
    weights: W,
    /// First element of the tile; rows are `stride` apart.
    out: *mut f32,
    stride: usize,
    /// Output channels in this tile; the last vector may hold fewer than its lanes.
    columns: usize,
    /// Its bias is that of the tile's columns. Without one, sums go on from what `out` holds.
    epilogue: Option<Epilogue<'a>>,
}

/// Multiplies `input` `[rows, k]` by weights `[k, n]` tile by tile; `panel_at` gives the panel that starts with a channel. Without an epilogue,
/// sums go on from what `out` holds.
///
/// # Safety
///
/// The CPU has `V`'s instruction set, the arguments passed [`check_matmul_f32`](crate::arguments::check_matmul_f32) for it, `tiles` are `V`'s
/// for panels of the form `W`, and the panels are valid for `k` inputs of as many vectors as their channels need.
pub(crate) unsafe fn matmul<V: Vector, W: Panel<V>>(
    (k, n): (usize, usize),
    tiles: &[&[FloatTileFn<W>]],
    panel_at: impl Fn(usize) -> W,
    input: Matrix<'_>,
    epilogue: Option<Epilogue<'_>>,
    mut out: MatrixMut<'_>,
) {
    let panel = panel::<V>();
    for channel in (0..n).step_by(panel) {
        let columns = panel.min(n - channel);
        let epilogue = epilogue.map(|epilogue| Epilogue { bias: &epilogue.bias[channel..][..columns], ..epilogue });
        for tile_rows in row_tiles(input.rows(), tiles.len()) {
            let inputs = input.row_range(tile_rows.clone());
            let stride = out.row_stride();
            // SAFETY: both matrices have these rows, and `out` has `n` columns, so their elements are inside its slice.
            let out = unsafe { out.as_mut_ptr().add(tile_rows.start * stride + channel) };
            let inputs =
                Inputs { first: inputs.as_ptr(), row_stride: inputs.row_stride(), stride: inputs.column_stride(), k };
            let tile = FloatTile { inputs, weights: panel_at(channel), out, stride, columns, epilogue };
            let run = tiles[tile_rows.len() - 1][columns.div_ceil(V::LANES) - 1];
            // SAFETY: the caller vouches for the CPU and the panel. `inputs` are the tile's rows of a matrix with `k` columns; `out` is in
            // the first of its rows and has `columns` more; `bias` was sliced to them.
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
            let sums = tile.weights.add::<R, C>(tile.inputs, start::<V, W, R, C>(tile));
            finish::<V, W, R, C>(sums, tile);
        }
    }
}

impl<V: Vector> Panel<V> for Plain {
    #[inline(always)]
    unsafe fn add<const R: usize, const C: usize>(
        self,
        inputs: Inputs,
        mut sums: [[V::F32; C]; R],
    ) -> [[V::F32; C]; R] {
        // SAFETY: the caller's promise: `R` rows of `k` inputs, and `k` inputs of `C` vectors of weights.
        unsafe {
            for i in 0..inputs.k {
                let mut weights = [V::load_aligned_f32(self.0.add(i * C * V::LANES)); C];
                for c in 1..C {
                    weights[c] = V::load_aligned_f32(self.0.add((i * C + c) * V::LANES));
                }
                add_products::<V, R, C>(&mut sums, inputs, i, weights);
            }
            sums
        }
    }
}

/// Adds the products of input `i` of each of `R` rows with its weights.
///
/// # Safety
///
/// The CPU has `V`'s instruction set and `inputs` are valid for the rows and `i`.
#[inline(always)]
pub(crate) unsafe fn add_products<V: Vector, const R: usize, const C: usize>(
    sums: &mut [[V::F32; C]; R],
    inputs: Inputs,
    i: usize,
    weights: [V::F32; C],
) {
    for r in 0..R {
        // SAFETY: the caller's promise.
        unsafe {
            let input = V::splat_f32(inputs.first.add(r * inputs.row_stride + i * inputs.stride).read());
            for c in 0..C {
                sums[r][c] = V::mul_add_f32(input, weights[c], sums[r][c]);
            }
        }
    }
}

/// What the sums begin with: zeros for a product with an epilogue, else what `out` holds.
#[inline(always)]
unsafe fn start<V: Vector, W, const R: usize, const C: usize>(tile: &FloatTile<'_, W>) -> [[V::F32; C]; R] {
    // SAFETY: the caller's promise: `out` is valid for `R` rows of `columns`.
    unsafe {
        let mut sums = [[V::splat_f32(0.0); C]; R];
        if tile.epilogue.is_none() {
            for r in 0..R {
                for c in 0..C {
                    let count = lanes::<V, C>(tile.columns, c);
                    sums[r][c] = V::load_f32(tile.out.add(r * tile.stride + c * V::LANES), count);
                }
            }
        }
        sums
    }
}

/// Writes the sums, after the epilogue if there is one.
#[inline(always)]
unsafe fn finish<V: Vector, W, const R: usize, const C: usize>(mut sums: [[V::F32; C]; R], tile: &FloatTile<'_, W>) {
    // SAFETY: the caller's promise: `out` is valid for `R` rows of `columns`, the bias for `columns`.
    unsafe {
        if let Some(Epilogue { bias, min, max }) = tile.epilogue {
            let (min, max) = (V::splat_f32(min), V::splat_f32(max));
            for c in 0..C {
                let bias = V::load_f32(bias.as_ptr().add(c * V::LANES), lanes::<V, C>(tile.columns, c));
                for r in 0..R {
                    sums[r][c] = V::at_most(max, V::at_least(min, V::add_f32(sums[r][c], bias)));
                }
            }
        }
        for c in 0..C {
            let count = lanes::<V, C>(tile.columns, c);
            for r in 0..R {
                V::store_f32(tile.out.add(r * tile.stride + c * V::LANES), sums[r][c], count);
            }
        }
    }
}

//! The one matrix-product driver: cuts `[rows, n]` into register tiles and runs each over the whole depth.
//!
//! A tile is up to R rows by C vectors of accumulators that start from the bias, stay in registers for all of `k` and go through the epilogue
//! straight from there. Panels of weights are the outer loop: one panel stays in the cache while all rows pass. Weights are read in one stream,
//! which the processor prefetches at the speed of plain reading; prefetch instructions made it slower at most sizes.

use core::marker::PhantomData;
use core::ops::Range;

use super::vector::{Dot, Task, Vector};
use crate::levels::Levels;
use crate::packed::GROUP;
use crate::{Output, PackedWeights};

/// Runs one tile; the entry of [`Vector::TILES`] or [`Vector::PROVEN_TILES`] for its number of rows and vectors.
pub(crate) type TileFn = unsafe fn(&Tile<'_>);

/// Where one tile reads and writes. Pointers are valid for the tile's rows and columns.
pub(crate) struct Tile<'a> {
    /// First row of `input`, `k` bytes; further rows follow at a distance of `k`.
    input: *const u8,
    k: usize,
    /// The panel: `C` aligned vectors per group of four inputs.
    weights: *const i8,
    /// `columns` elements.
    bias: *const i32,
    zero_points: Option<ZeroPoints>,
    /// Output channels in this tile; the last vector may hold fewer than its lanes.
    columns: usize,
    /// Element of the output where the tile starts; rows are `stride` apart.
    offset: usize,
    stride: usize,
    /// Output channel of the tile's first column.
    channel: usize,
    sink: &'a Sink,
}

/// What the zero points of weights take off each sum: `rows[r] * columns[c]`.
#[derive(Clone, Copy)]
struct ZeroPoints {
    /// Sum of the inputs of each of the tile's rows.
    rows: *const i32,
    /// Zero point of each of the tile's columns.
    columns: *const i32,
}

/// Rows whose sums are held at once.
const SUMMED: usize = 256;

/// Sum of each row of `input` `[sums.len(), k]`, modulo 2^32.
struct RowSums<'a> {
    input: &'a [u8],
    k: usize,
    sums: &'a mut [i32],
}

impl<V: Vector> Task<V> for RowSums<'_> {
    #[inline(always)]
    unsafe fn run(self) {
        for (row, sum) in self.sums.iter_mut().enumerate() {
            let row = &self.input[row * self.k..][..self.k];
            *sum = row.iter().fold(0, |sum: i32, &input| sum.wrapping_add(input.into()));
        }
    }
}

/// [`Output`] as pointers that tiles write through.
enum Sink {
    I32(*mut i32),
    U8 { out: *mut u8, multipliers: *const f32, levels: Levels },
    F32 { out: *mut f32, scales: *const f32, min: f32, max: f32 },
}

impl Sink {
    fn new(output: Output<'_>) -> Self {
        match output {
            Output::I32(out) => Self::I32(out.as_mut_ptr()),
            Output::U8 { out, requantize } => Self::U8 {
                out: out.as_mut_ptr(),
                multipliers: requantize.multipliers.as_ptr(),
                levels: Levels::new(requantize.zero_point.into(), requantize.min.into(), requantize.max.into()),
            },
            Output::F32 { out, scales, min, max } => {
                Self::F32 { out: out.as_mut_ptr(), scales: scales.as_ptr(), min, max }
            }
        }
    }
}

/// Multiplies `input` `[rows, k]` by the `columns` of `weights` tile by tile.
///
/// # Safety
///
/// The CPU has `V`'s instruction set and the arguments passed [`check_matmul`](crate::arguments::check_matmul) for it.
pub(crate) unsafe fn matmul<V: Vector>(
    input: &[u8],
    rows: usize,
    weights: &PackedWeights,
    columns: Range<usize>,
    bias: &[i32],
    output: Output<'_>,
) {
    let sink = Sink::new(output);
    if weights.zero_points().is_empty() {
        // SAFETY: the caller's promise.
        unsafe { matmul_rows::<V>(input, 0..rows, weights, columns, bias, &[], &sink) };
        return;
    }
    let mut sums = [0; SUMMED];
    for first in (0..rows).step_by(SUMMED) {
        let rows = first..rows.min(first + SUMMED);
        let sums = &mut sums[..rows.len()];
        let input_rows = &input[rows.start * weights.k()..];
        // SAFETY: the caller's promise; the task holds no pointers.
        unsafe {
            V::enter(RowSums { input: input_rows, k: weights.k(), sums });
            matmul_rows::<V>(input, rows, weights, columns.clone(), bias, sums, &sink);
        }
    }
}

/// [`matmul`] for some of the rows; `sums` are those of their inputs, or empty where weights have no zero points.
///
/// # Safety
///
/// As [`matmul`]; `sink` is that of its output.
unsafe fn matmul_rows<V: Vector>(
    input: &[u8],
    rows: Range<usize>,
    weights: &PackedWeights,
    columns: Range<usize>,
    bias: &[i32],
    sums: &[i32],
    sink: &Sink,
) {
    let (k, n) = (weights.k(), columns.len());
    let panel = panel::<V>();
    for channel in (0..n).step_by(panel) {
        let first = columns.start + channel;
        let columns = panel.min(n - channel);
        let tiles = if weights.proven(first / panel) { V::PROVEN_TILES } else { V::TILES };
        let zero_points = weights.zero_points().get(first..first + columns);
        let weights = &weights.as_slice()[weights.panel_start(first)..];
        let bias = &bias[channel..][..columns];
        for tile_rows in row_tiles(rows.len(), tiles.len()) {
            let zero_points = zero_points
                .map(|columns| ZeroPoints { rows: sums[tile_rows.clone()].as_ptr(), columns: columns.as_ptr() });
            let (start, end) = (rows.start + tile_rows.start, rows.start + tile_rows.end);
            let tile = Tile {
                input: input[start * k..end * k].as_ptr(),
                k,
                weights: weights.as_ptr(),
                bias: bias.as_ptr(),
                zero_points,
                columns,
                offset: start * n + channel,
                stride: n,
                channel,
                sink,
            };
            let run = tiles[tile_rows.len() - 1][columns.div_ceil(V::LANES) - 1];
            // SAFETY: the caller vouches for the CPU. `input` and `sums` were sliced to the tile's rows, `bias` and zero points to its columns;
            // the panel holds `columns` rounded up to whole vectors for every group of inputs; output, multipliers and scales were checked to be
            // `[rows, n]` and `[n]`, and the tile lies inside `rows` and `n`.
            unsafe { run(&tile) };
        }
    }
}

/// Cuts `rows` into tiles of nearly equal height: eight rows run as four and four rather than six and two.
pub(crate) fn row_tiles(rows: usize, max_rows: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    (1..=rows.div_ceil(max_rows)).rev().map(move |tiles_left| {
        let tile = start..start + (rows - start).div_ceil(tiles_left);
        start = tile.end;
        tile
    })
}

/// Output channels of the widest tile.
pub(crate) const fn panel<V: Vector>() -> usize {
    V::TILES[0].len() * V::LANES
}

/// The [`TileFn`] of `R` rows by `C` vectors that multiplies as `D` does.
///
/// # Safety
///
/// The CPU has `V`'s instruction set, and the pointers of `tile` are valid for `R` rows and `C` vectors.
pub(crate) unsafe fn run<V: Vector, D: Dot<V>, const R: usize, const C: usize>(tile: &Tile<'_>) {
    // SAFETY: the caller's promise is the one `enter` and the task ask for.
    unsafe { V::enter(Run::<D, R, C>(tile, PhantomData)) };
}

struct Run<'a, D, const R: usize, const C: usize>(&'a Tile<'a>, PhantomData<D>);

impl<V: Vector, D: Dot<V>, const R: usize, const C: usize> Task<V> for Run<'_, D, R, C> {
    #[inline(always)]
    unsafe fn run(self) {
        let tile = self.0;
        // SAFETY: `enter` runs on a CPU that has `V`; the tile's pointers are valid for `R` rows and `C` vectors.
        unsafe {
            let sums = start::<V, R, C>(tile);
            let sums = accumulate::<V, D, R, C>(sums, tile.input, tile.k, tile.k, tile.weights);
            finish::<V, R, C>(sums, tile);
        }
    }
}

/// Lanes of vector `c` that hold one of the tile's `columns`.
#[inline(always)]
pub(crate) fn lanes<V: Vector, const C: usize>(columns: usize, c: usize) -> usize {
    // Only the last vector can be partial; saying so keeps the test out of the others.
    if c + 1 == C { columns - c * V::LANES } else { V::LANES }
}

/// Accumulators that hold the bias, less what the weights' zero points take.
#[inline(always)]
unsafe fn start<V: Vector, const R: usize, const C: usize>(tile: &Tile<'_>) -> [[V::I32; C]; R] {
    // SAFETY: the caller's promise: bias and zero points have `columns` elements, `C` vectors' worth, and there are sums of `R` rows.
    unsafe {
        let mut bias = [V::splat_i32(0); C];
        for c in 0..C {
            bias[c] = V::load_i32(tile.bias.add(c * V::LANES), lanes::<V, C>(tile.columns, c));
        }
        let mut sums = [bias; R];
        if let Some(ZeroPoints { rows, columns }) = tile.zero_points {
            for c in 0..C {
                let zero_points = V::load_i32(columns.add(c * V::LANES), lanes::<V, C>(tile.columns, c));
                for r in 0..R {
                    let share = V::mul_i32(V::splat_i32(rows.add(r).read()), zero_points);
                    sums[r][c] = V::sub_i32(sums[r][c], share);
                }
            }
        }
        sums
    }
}

/// Adds the products of `k` inputs of each of `R` rows, `stride` bytes apart, with a panel of `C` vectors.
#[inline(always)]
unsafe fn accumulate<V: Vector, D: Dot<V>, const R: usize, const C: usize>(
    mut sums: [[V::I32; C]; R],
    input: *const u8,
    stride: usize,
    k: usize,
    panel: *const i8,
) -> [[V::I32; C]; R] {
    let step = C * V::LANES * GROUP;
    let groups = k / GROUP;
    // SAFETY: the caller's promise: `R` rows of `k` inputs and `k` inputs, rounded up to whole groups, of `C` vectors of weights.
    unsafe {
        for group in 0..groups {
            let mut weights = [D::weights(panel.add(group * step)); C];
            for c in 1..C {
                weights[c] = D::weights(panel.add(group * step + c * V::LANES * GROUP));
            }
            for r in 0..R {
                let bytes = input.add(r * stride + group * GROUP).cast::<[u8; GROUP]>().read();
                let inputs = D::inputs(bytes);
                for c in 0..C {
                    sums[r][c] = D::dot(sums[r][c], inputs, weights[c]);
                }
            }
        }
        let rest = k % GROUP;
        if rest > 0 {
            for r in 0..R {
                let last = input.add(r * stride + groups * GROUP);
                // Byte by byte: a copy of variable length would be a call with every accumulator spilled around it.
                let byte = |i: usize| if i < rest { last.add(i).read() } else { 0 };
                let bytes = [byte(0), byte(1), byte(2), 0];
                let inputs = D::inputs(bytes);
                for c in 0..C {
                    let weights = D::weights(panel.add(groups * step + c * V::LANES * GROUP));
                    sums[r][c] = D::dot(sums[r][c], inputs, weights);
                }
            }
        }
    }
    sums
}

/// Writes the accumulators in the form the sink asks for.
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const C: usize>(sums: [[V::I32; C]; R], tile: &Tile<'_>) {
    let at = |r: usize, c: usize| tile.offset + r * tile.stride + c * V::LANES;
    // SAFETY: the caller's promise: output, multipliers and scales are valid for the tile's rows and columns.
    unsafe {
        match *tile.sink {
            Sink::I32(out) => {
                for c in 0..C {
                    let count = lanes::<V, C>(tile.columns, c);
                    for r in 0..R {
                        V::store_i32(out.add(at(r, c)), sums[r][c], count);
                    }
                }
            }
            Sink::U8 { out, multipliers, levels } => {
                let levels = VectorLevels::<V>::new(levels);
                for c in 0..C {
                    let count = lanes::<V, C>(tile.columns, c);
                    let multiplier = V::load_f32(multipliers.add(tile.channel + c * V::LANES), count);
                    for r in 0..R {
                        let product = V::mul_f32(V::to_f32(sums[r][c]), multiplier);
                        V::store_low_bytes(out.add(at(r, c)), levels.saturate(product), count);
                    }
                }
            }
            Sink::F32 { out, scales, min, max } => {
                let (min, max) = (V::splat_f32(min), V::splat_f32(max));
                for c in 0..C {
                    let count = lanes::<V, C>(tile.columns, c);
                    let scale = V::load_f32(scales.add(tile.channel + c * V::LANES), count);
                    for r in 0..R {
                        let value = V::mul_f32(V::to_f32(sums[r][c]), scale);
                        let value = V::at_most(max, V::at_least(min, value));
                        V::store_f32(out.add(at(r, c)), value, count);
                    }
                }
            }
        }
    }
}

/// [`Levels`] in every lane.
pub(crate) struct VectorLevels<V: Vector> {
    low: V::F32,
    high: V::F32,
    zero_point: V::I32,
}

impl<V: Vector> VectorLevels<V> {
    /// # Safety
    ///
    /// The CPU has `V`'s instruction set.
    #[inline(always)]
    pub(crate) unsafe fn new(levels: Levels) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                low: V::splat_f32(levels.low),
                high: V::splat_f32(levels.high),
                zero_point: V::splat_i32(levels.zero_point),
            }
        }
    }

    /// [`Levels::saturate`] of every lane.
    ///
    /// # Safety
    ///
    /// The CPU has `V`'s instruction set.
    #[inline(always)]
    pub(crate) unsafe fn saturate(&self, x: V::F32) -> V::I32 {
        // SAFETY: the caller's promise; the bounds keep `to_i32` within its range.
        unsafe {
            let x = V::at_most(self.high, V::at_least(self.low, V::nan_to_zero(x)));
            V::add_i32(V::to_i32(x), self.zero_point)
        }
    }
}

//! Convolutions as matrix products over what the window sees.
//!
//! Of each sample the pixels under the window become a matrix `[depth * taps, positions]` (im2col; Chellapilla et al. 2006). It lives only as
//! long as the products with it, sample by sample. Threads share samples, or for the gradient of the weights their columns, and no sum.

use std::ops::Range;

use kernels::{Epilogue, Kernel, Matrix, MatrixMut, PackedF32};
use onnx_model::graph::node;
use rayon::prelude::*;

use crate::error::Result;
use crate::export::GraphWriter;
use crate::layers::window::Window;
use crate::op::{Backward, Forward, Op, Parameter};
use crate::sums::sum;

/// Tasks for each thread, so that one that starts late leaves work to the others.
const TASKS: usize = 2;

#[derive(Debug)]
pub(super) struct Conv2dOp {
    kernel: &'static dyn Kernel,
    groups: usize,
    /// Channels of a group.
    depth: usize,
    /// Filters of a group.
    filters: usize,
    window: Window,
    /// What a product without a bias adds: -0.0 for each position.
    no_bias: Vec<f32>,
    /// One for each task.
    rooms: Vec<Room>,
}

/// Where a task works.
#[derive(Debug)]
struct Room {
    packed: PackedF32,
    columns: Vec<f32>,
}

impl Conv2dOp {
    pub(super) fn new(channels: usize, filters: usize, groups: usize, window: Window) -> Self {
        Self {
            kernel: kernels::best(),
            groups,
            depth: channels / groups,
            filters: filters / groups,
            no_bias: vec![-0.0; window.positions()],
            window,
            rooms: Vec::new(),
        }
    }

    /// Rows of the matrix of a group.
    fn k(&self) -> usize {
        self.depth * self.window.taps()
    }

    /// Values of one group of a sample, of the input and of the answer.
    fn group_sizes(&self) -> (usize, usize) {
        (self.depth * self.window.area(), self.filters * self.window.positions())
    }

    /// How many of `count` independent pieces of work a task gets; makes the rooms.
    fn share(&mut self, count: usize) -> usize {
        let tasks = rayon::current_num_threads() * TASKS;
        let kernel = self.kernel;
        self.rooms.resize_with(tasks.max(self.rooms.len()), || Room {
            packed: kernel.pack_f32(Matrix::new(&[], 0, 0)),
            columns: Vec::new(),
        });
        count.div_ceil(tasks)
    }
}

/// Writes row `k` of the matrix of a group's `planes`.
fn write_row(window: &Window, planes: &[f32], k: usize, row: &mut [f32]) {
    let plane = &planes[k / window.taps() * window.area()..][..window.area()];
    let stride = window.horizontal.stride;
    row.fill(0.0);
    window.covered(k % window.taps(), |positions, pixel| {
        let (row, plane) = (&mut row[positions], &plane[pixel..]);
        match stride {
            1 => row.copy_from_slice(&plane[..row.len()]),
            _ => row.iter_mut().zip(plane.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
        }
    });
}

/// Adds row `k` of a matrix to the pixels of a group's `planes` that [`write_row`] reads.
fn add_row(window: &Window, row: &[f32], k: usize, planes: &mut [f32]) {
    let plane = &mut planes[k / window.taps() * window.area()..][..window.area()];
    let stride = window.horizontal.stride;
    window.covered(k % window.taps(), |positions, pixel| {
        let (row, plane) = (&row[positions], &mut plane[pixel..]);
        match stride {
            1 => plane.iter_mut().zip(row).for_each(|(to, &from)| *to += from),
            _ => plane.iter_mut().step_by(stride).zip(row).for_each(|(to, &from)| *to += from),
        }
    });
}

impl Op for Conv2dOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let share = self.share(pass.rows * self.groups);
        let (k, filters, positions) = (self.k(), self.filters, self.window.positions());
        let (group_in, group_out) = self.group_sizes();
        let Self { kernel, groups, window, rooms, .. } = self;
        let weights = pass.parameters[0].values.as_slice();
        let bias = pass.parameters.get(1).map(|bias| bias.values.as_slice());
        let tasks = pass.inputs[0].par_chunks(share * group_in).zip(pass.output.par_chunks_mut(share * group_out));
        tasks.zip(rooms).enumerate().for_each(|(task, ((inputs, outputs), room))| {
            let pieces = inputs.chunks_exact(group_in).zip(outputs.chunks_exact_mut(group_out));
            for (piece, (planes, output)) in pieces.enumerate() {
                let group = (task * share + piece) % *groups;
                for (filter, output) in output.chunks_exact_mut(positions).enumerate() {
                    output.fill(bias.map_or(0.0, |bias| bias[group * filters + filter]));
                }
                let mut row = |i: usize, row: &mut [f32]| write_row(window, planes, i, row);
                kernel.repack_rows_f32((k, positions), &mut row, &mut room.packed);
                let weights = Matrix::new(&weights[group * filters * k..][..filters * k], filters, k);
                kernel.matmul_add_f32(weights, &room.packed, MatrixMut::new(output, filters, positions));
            }
        });
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        if let [by_weights, rest @ ..] = pass.by_parameters {
            if !by_weights.is_empty() {
                self.weights_backward(pass.inputs[0], pass.by_output, by_weights);
            }
            if let [by_bias] = rest
                && !by_bias.is_empty()
            {
                self.bias_backward(pass.by_output, by_bias);
            }
        }
        if let Some(by_input) = &mut pass.by_inputs[0] {
            self.input_backward(&pass.parameters[0].values, pass.by_output, by_input);
        }
    }

    fn export(&self, graph: &mut GraphWriter, name: &str, inputs: &[&str], parameters: &[Parameter]) -> Result<String> {
        let operands = [&[inputs[0]], &graph.parameters(parameters)?[..]].concat();
        let dilations = [&self.window.vertical, &self.window.horizontal].map(|axis| axis.dilation as i64);
        let conv = self.window.describe(node("Conv", name, &operands, &[]));
        graph.push(conv.with_ints("dilations", &dilations).with_int("group", self.groups as i64))
    }
}

impl Conv2dOp {
    /// Each weight's sum runs over the positions of one sample after another.
    fn weights_backward(&mut self, input: &[f32], by_output: &[f32], by_weights: &mut [f32]) {
        let (k, filters, positions) = (self.k(), self.filters, self.window.positions());
        let (group_in, group_out) = self.group_sizes();
        let parts = parts(self.groups, k, self.share(self.groups * k));
        let share = self.share(parts.len());
        let Self { kernel, groups, window, rooms, .. } = self;
        let sums = parts.par_chunks(share).zip(rooms).map(|(parts, room)| {
            let of_part = |(group, columns): &(usize, Range<usize>)| {
                let count = columns.len();
                let mut sums = vec![0.0; filters * count];
                room.columns.resize(count * positions, 0.0);
                let samples = input.chunks_exact(group_in).zip(by_output.chunks_exact(group_out));
                for (planes, by_output) in samples.skip(*group).step_by(*groups) {
                    for (i, row) in columns.clone().zip(room.columns.chunks_exact_mut(positions)) {
                        write_row(window, planes, i, row);
                    }
                    kernel.repack_f32(Matrix::new(&room.columns, count, positions).transposed(), &mut room.packed);
                    let by_output = Matrix::new(by_output, filters, positions);
                    kernel.matmul_add_f32(by_output, &room.packed, MatrixMut::new(&mut sums, filters, count));
                }
                sums
            };
            parts.iter().map(of_part).collect::<Vec<_>>()
        });
        let sums: Vec<Vec<f32>> = sums.flatten_iter().collect();
        for ((group, columns), sums) in parts.iter().zip(sums) {
            let weights = by_weights[group * filters * k..][..filters * k].chunks_exact_mut(k);
            for (weights, sums) in weights.zip(sums.chunks_exact(columns.len())) {
                weights[columns.clone()].copy_from_slice(sums);
            }
        }
    }

    fn bias_backward(&self, by_output: &[f32], by_bias: &mut [f32]) {
        let (filters, positions) = (by_bias.len(), self.window.positions());
        by_bias.par_iter_mut().enumerate().for_each(|(filter, by_bias)| {
            let planes = by_output.chunks_exact(positions).skip(filter).step_by(filters);
            *by_bias = planes.map(|plane| sum(positions, |i| f64::from(plane[i]))).sum::<f64>() as f32;
        });
    }

    fn input_backward(&mut self, weights: &[f32], by_output: &[f32], by_input: &mut [f32]) {
        let (group_in, group_out) = self.group_sizes();
        let share = self.share(by_output.len() / group_out);
        let (k, filters, positions) = (self.k(), self.filters, self.window.positions());
        let Self { kernel, groups, window, rooms, no_bias, .. } = self;
        let tasks = by_input.par_chunks_mut(share * group_in).zip(by_output.par_chunks(share * group_out));
        tasks.zip(rooms).enumerate().for_each(|(task, ((by_inputs, by_outputs), room))| {
            room.columns.resize(k * positions, 0.0);
            let pieces = by_inputs.chunks_exact_mut(group_in).zip(by_outputs.chunks_exact(group_out));
            for (piece, (by_planes, by_output)) in pieces.enumerate() {
                let group = (task * share + piece) % *groups;
                kernel.repack_f32(Matrix::new(by_output, filters, positions), &mut room.packed);
                let weights = Matrix::new(&weights[group * filters * k..][..filters * k], filters, k);
                let epilogue = Epilogue { bias: no_bias, min: f32::NEG_INFINITY, max: f32::INFINITY };
                let columns = MatrixMut::new(&mut room.columns, k, positions);
                kernel.matmul_f32(weights.transposed(), &room.packed, epilogue, columns);
                by_planes.fill(0.0);
                for (i, row) in room.columns.chunks_exact(positions).enumerate() {
                    add_row(window, row, i, by_planes);
                }
            }
        });
    }
}

/// The columns `0..k` of each group cut into ranges of up to `most`.
fn parts(groups: usize, k: usize, most: usize) -> Vec<(usize, Range<usize>)> {
    let ranges = |group| (0..k).step_by(most).map(move |start| (group, start..k.min(start + most)));
    (0..groups).flat_map(ranges).collect()
}

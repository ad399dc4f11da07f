//! Layers whose output channels are shared among threads against the same on one, on every kernel.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like tests")]

use super::{Helpers, Pieces, Target, run};
use crate::compile::dense::{Dense, DenseOutput};
use core::cell::RefCell;
use kernels::Weights;

fn dense(kernel: &dyn kernels::Kernel, k: usize, n: usize, output: DenseOutput) -> Dense {
    let values: Vec<i8> = (0..k * n).map(|i| (i * 7919 % 255) as u8 as i8).collect();
    // Zero points in some of the layers: pieces must find theirs.
    let zero_points: Vec<i8> = (0..n).map(|channel| (channel * 31 % 251) as u8 as i8).collect();
    let weights =
        Weights { zero_points: if n.is_multiple_of(2) { &zero_points } else { &[] }, ..Weights::new(&values, k, n) };
    let bias = (0..n as i32).map(|channel| channel * 37 - 900).collect();
    Dense { weights: kernel.pack_weights(&weights), bias, output, reach: (0, 0), pair_sums_proven: 0 }
}

#[test]
fn pieces_make_the_whole() {
    let k = 21;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    // One store for all: what an earlier layer left in it must not show.
    let helpers = Helpers { pool: &pool, pieces: &RefCell::new(Pieces::default()) };
    for kernel in kernels::available() {
        for (rows, n) in [(1, 1), (1, 63), (1, 64), (1, 321), (2, 130), (5, 64), (3, 321), (7, 1000), (4, 17)] {
            let input: Vec<u8> = (0..rows * k).map(|i| (i * 97 % 256) as u8).collect();
            let factors: Vec<f32> = (0..n).map(|channel| 0.001 * (channel % 13 + 1) as f32).collect();
            let to_u8 = DenseOutput::U8 { multipliers: factors.clone(), zero_point: 90, min: 3, max: 250 };
            let to_u8 = dense(kernel, k, n, to_u8);
            let to_f32 = DenseOutput::F32 { scales: factors, min: -40.0, max: f32::INFINITY };
            let to_f32 = dense(kernel, k, n, to_f32);
            let (mut whole_u8, mut whole_f32) = (vec![0; rows * n], vec![0.0; rows * n]);
            run(&to_u8, kernel, &input, rows, 0..n, Target::U8(&mut whole_u8));
            run(&to_f32, kernel, &input, rows, 0..n, Target::F32(&mut whole_f32));
            assert!(n == 1 || whole_u8.iter().any(|&level| level != whole_u8[0]));
            for threads in 1..=6 {
                let (mut found_u8, mut found_f32) = (vec![0; rows * n], vec![0.0; rows * n]);
                helpers.run(&to_u8, kernel, &input, rows, Target::U8(&mut found_u8), threads);
                helpers.run(&to_f32, kernel, &input, rows, Target::F32(&mut found_f32), threads);
                assert_eq!(found_u8, whole_u8, "{} [{rows}, {n}] on {threads}", kernel.isa());
                assert_eq!(found_f32, whole_f32, "{} [{rows}, {n}] on {threads}", kernel.isa());
            }
        }
    }
}

//! Pieces of a row against the whole row, on every kernel.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like tests")]

use super::{Target, run, run_shared, threads_worth};
use crate::compile::dense::{Dense, DenseOutput};

fn dense(kernel: &dyn kernels::Kernel, k: usize, n: usize, output: DenseOutput) -> Dense {
    let weights: Vec<i8> = (0..k * n).map(|i| (i * 7919 % 255) as u8 as i8).collect();
    let bias = (0..n as i32).map(|channel| channel * 37 - 900).collect();
    Dense { weights: kernel.pack(&weights, k, n), bias, output, reach: (0, 0), pair_sums_proven: 0 }
}

#[test]
fn pieces_make_the_whole_row() {
    let k = 21;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let input: Vec<u8> = (0..k).map(|i| (i * 97 % 256) as u8).collect();
    for kernel in kernels::available() {
        for n in [1, 16, 63, 64, 130, 321] {
            let factors: Vec<f32> = (0..n).map(|channel| 0.001 * (channel % 13 + 1) as f32).collect();
            let to_u8 = DenseOutput::U8 { multipliers: factors.clone(), zero_point: 90, min: 3, max: 250 };
            let to_u8 = dense(kernel, k, n, to_u8);
            let to_f32 = DenseOutput::F32 { scales: factors, min: -40.0, max: f32::INFINITY };
            let to_f32 = dense(kernel, k, n, to_f32);
            let (mut whole_u8, mut whole_f32) = (vec![0; n], vec![0.0; n]);
            run(&to_u8, kernel, &input, 1, 0..n, Target::U8(&mut whole_u8));
            run(&to_f32, kernel, &input, 1, 0..n, Target::F32(&mut whole_f32));
            assert!(n == 1 || whole_u8.iter().any(|&level| level != whole_u8[0]));
            for parts in 1..=6 {
                let (mut found_u8, mut found_f32) = (vec![0; n], vec![0.0; n]);
                run_shared(&to_u8, kernel, &input, Target::U8(&mut found_u8), &pool, parts);
                run_shared(&to_f32, kernel, &input, Target::F32(&mut found_f32), &pool, parts);
                assert_eq!(found_u8, whole_u8, "{} {n} channels in {parts}", kernel.isa());
                assert_eq!(found_f32, whole_f32, "{} {n} channels in {parts}", kernel.isa());
            }
        }
    }
}

#[test]
fn small_layers_stay_on_one_thread() {
    assert_eq!(threads_worth(1024, 1024, 8), 1);
    assert_eq!(threads_worth(4096, 4096, 1), 1);
    assert_eq!(threads_worth(4096, 4096, 8), 2);
    assert_eq!(threads_worth(9216, 4096, 2), 2);
    assert_eq!(threads_worth(usize::MAX, 2, 0), 1);
}

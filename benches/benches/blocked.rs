//! Dense layers with integer weights and float activations beside the same layers in f32; one element is one weight used once.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Bits, Blocked, Epilogue, Matrix, MatrixMut, best};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs that share a scale.
const BLOCK: usize = 32;

fn blocked(criterion: &mut Criterion) {
    let kernel = best();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (k, n) in [(1024, 1024), (4096, 4096)] {
        let values: Vec<i8> = (0..k * n).map(|_| rng.random_range(-7..=7)).collect();
        let scales: Vec<f32> = (0..k / BLOCK * n).map(|_| rng.random_range(0.001..0.01)).collect();
        let weights = |bits| Blocked { values: &values, scales: &scales, zero_points: &[], block: BLOCK, bits, k, n };
        let [four, eight] = [Bits::Four, Bits::Eight].map(|bits| kernel.pack_blocked(&weights(bits)));
        let floats: Vec<f32> = values.iter().map(|&value| f32::from(value)).collect();
        let float = kernel.pack_f32(Matrix::new(&floats, k, n));
        let bias = vec![0.5; n];
        let epilogue = Epilogue { bias: &bias, min: 0.0, max: f32::INFINITY };
        let mut group = criterion.benchmark_group(format!("blocked/{k}x{n}"));
        for rows in [1, 8, 64] {
            let input: Vec<f32> = (0..rows * k).map(|_| rng.random_range(0.0..1.0)).collect();
            let input = Matrix::new(&input, rows, k);
            let mut out = vec![0.0; rows * n];
            group.throughput(Throughput::Elements((rows * k * n) as u64));
            group.bench_function(BenchmarkId::new("f32", rows), |bencher| {
                bencher.iter(|| {
                    let out = MatrixMut::new(black_box(&mut out), rows, n);
                    kernel.matmul_f32(black_box(input), &float, epilogue, out);
                });
            });
            for (name, packed) in [("8 bits", &eight), ("4 bits", &four)] {
                group.bench_function(BenchmarkId::new(name, rows), |bencher| {
                    bencher.iter(|| {
                        let out = MatrixMut::new(black_box(&mut out), rows, n);
                        kernel.matmul_blocked(black_box(input), packed, epilogue, out);
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, blocked);
criterion_main!(benches);

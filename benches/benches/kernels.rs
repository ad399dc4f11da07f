//! Kernels of every instruction set this machine has: matrix products in int8 and f32, input quantization, table lookup.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::{Epilogue, Isa, Matrix, MatrixMut, Output, Requantize, available};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: [usize; 5] = [1, 8, 32, 64, 256];
const SHAPES: [(usize, usize); 3] = [(784, 512), (784, 256), (1024, 1024)];

/// u8 to u8 layers with bias and requantization; one element is one multiply-accumulate.
fn matmul(criterion: &mut Criterion) {
    for (k, n) in SHAPES {
        matmul_of(criterion, &format!("matmul/{k}x{n}"), k, n, 127);
    }
    // Weights whose pair sums are proven to fit 16 bits.
    matmul_of(criterion, "matmul_within_64/1024x1024", 1024, 1024, 64);
}

fn matmul_of(criterion: &mut Criterion, name: &str, k: usize, n: usize, largest: i8) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut group = criterion.benchmark_group(name);
    let weights: Vec<i8> = (0..k * n).map(|_| rng.random_range(-largest..=largest)).collect();
    let bias: Vec<i32> = (0..n).map(|_| rng.random_range(-10_000..=10_000)).collect();
    let multipliers = vec![1.0 / (k as f32 * 64.0); n];
    for rows in ROWS {
        let input: Vec<u8> = (0..rows * k).map(|_| rng.random()).collect();
        let mut out = vec![0; rows * n];
        group.throughput(Throughput::Elements((rows * k * n) as u64));
        for kernel in available() {
            let packed = kernel.pack(&weights, k, n);
            group.bench_function(BenchmarkId::new(kernel.isa().name(), rows), |bencher| {
                bencher.iter(|| {
                    let requantize = Requantize { multipliers: &multipliers, zero_point: 128, min: 128, max: 255 };
                    let output = Output::U8 { out: black_box(&mut out), requantize };
                    kernel.matmul(black_box(&input), rows, &packed, &bias, output);
                });
            });
        }
    }
    group.finish();
}

/// f32 layers with bias and ReLU; one element is one multiply-accumulate. Without the scalar kernel, which takes a hundred times as long.
fn matmul_f32(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (k, n) in SHAPES {
        let mut group = criterion.benchmark_group(format!("matmul_f32/{k}x{n}"));
        let weights: Vec<f32> = (0..k * n).map(|_| rng.random_range(-0.1..0.1)).collect();
        let bias: Vec<f32> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
        for rows in ROWS {
            let input: Vec<f32> = (0..rows * k).map(|_| rng.random_range(0.0..1.0)).collect();
            let mut out = vec![0.0; rows * n];
            group.throughput(Throughput::Elements((rows * k * n) as u64));
            for kernel in available().filter(|kernel| kernel.isa() != Isa::Scalar) {
                let packed = kernel.pack_f32(Matrix::new(&weights, k, n));
                let epilogue = Epilogue { bias: &bias, min: 0.0, max: f32::INFINITY };
                group.bench_function(BenchmarkId::new(kernel.isa().name(), rows), |bencher| {
                    bencher.iter(|| {
                        let input = Matrix::new(black_box(&input), rows, k);
                        kernel.matmul_f32(input, &packed, epilogue, MatrixMut::new(black_box(&mut out), rows, n));
                    });
                });
            }
        }
        group.finish();
    }
}

/// A batch of 256 images of 28 x 28 pixels; one element is one pixel.
fn elementwise(criterion: &mut Criterion) {
    const LEN: usize = 256 * 784;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let input: Vec<f32> = (0..LEN).map(|_| rng.random_range(-0.1..1.1)).collect();
    let levels: Vec<u8> = (0..LEN).map(|_| rng.random()).collect();
    let table: [u8; 256] = rng.random();
    let mut out = vec![0; LEN];
    for (name, scale) in [("quantize_u8/any_scale", 1.0 / 255.0), ("quantize_u8/power_of_two_scale", 1.0 / 256.0)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(LEN as u64));
        for kernel in available() {
            group.bench_function(kernel.isa().name(), |bencher| {
                bencher.iter(|| kernel.quantize_u8(black_box(&input), scale, 3, black_box(&mut out)));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(LEN as u64));
    for kernel in available() {
        group.bench_function(kernel.isa().name(), |bencher| {
            bencher.iter(|| kernel.lookup(&table, black_box(&levels), black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, matmul, matmul_f32, elementwise);
criterion_main!(benches);

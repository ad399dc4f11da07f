//! Calibration: samples through the float model with every tensor observed, and what observing a value costs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibrator, FloatModel, Observer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../calibration-data/fashion-mnist");

/// A whole calibration of the shipped 784-512-256-10 network, compilation included; one element is one sample.
fn calibration(criterion: &mut Criterion) {
    let model = FloatModel::open(format!("{FASHION}/mlp.onnx")).expect("the shipped model is valid");
    let samples = Dataset::open(FASHION, &OpenOptions::new(Part::Calibration)).expect("the shipped data is valid");
    let samples = model.adapt(samples).expect("the shipped data fits the shipped model");
    let mut group = criterion.benchmark_group("calibrate/784-512-256-10");
    group.throughput(Throughput::Elements(samples.len() as u64));
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| {
                let calibrator = Calibrator::with_threads(&model, Some(threads)).expect("rten runs the shipped model");
                calibrator.run(samples.batches(64)).expect("the shipped samples can be observed")
            });
        });
    }
    group.finish();
}

/// [`Observer::observe`] on what layers make; one element is one value.
fn observe(criterion: &mut Criterion) {
    const LEN: usize = 1 << 20;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let spread: Vec<f32> = (0..LEN).map(|_| rng.random_range(-8.0..8.0)).collect();
    let after_relu: Vec<f32> = spread.iter().map(|value| value.max(0.0)).collect();
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(LEN as u64));
    for (name, values) in [("spread", spread), ("after_relu", after_relu), ("all_equal", vec![1.5; LEN])] {
        group.bench_function(name, |bencher| {
            let mut observer = Observer::new();
            bencher.iter(|| observer.observe(black_box(&values)));
        });
    }
    group.finish();
}

criterion_group!(benches, calibration, observe);
criterion_main!(benches);

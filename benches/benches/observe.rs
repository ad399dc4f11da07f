//! What observing a value costs: histogram, minimum and maximum of a tensor, and statistics of its channels.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dlquantizer::{ChannelObserver, Observer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values of a call: the outputs of a dense layer with 512 features for a batch of 256.
const LEN: usize = 1 << 17;

/// Positive and negative values, as before an activation.
fn spread() -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..LEN).map(|_| rng.random_range(-8.0..8.0)).collect()
}

fn after_relu() -> Vec<f32> {
    spread().into_iter().map(|value| value.max(0.0)).collect()
}

/// Four fifths background, as a picture after normalization.
fn picture() -> Vec<f32> {
    spread().into_iter().map(|value| if value < 4.8 { -0.42 } else { value }).collect()
}

/// [`Observer::observe`] on what layers make; one element is one value.
fn tensors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe");
    group.throughput(Throughput::Elements(LEN as u64));
    let cases =
        [("spread", spread()), ("after_relu", after_relu()), ("picture", picture()), ("all_equal", vec![1.5; LEN])];
    for (name, values) in cases {
        group.bench_function(name, |bencher| {
            let mut observer = Observer::new();
            bencher.iter(|| observer.observe(black_box(&values)));
        });
    }
    group.finish();
}

/// [`ChannelObserver::observe`] alone, and after [`Observer::observe`] on the same values.
fn channels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("observe_channels");
    for (name, values) in [("spread", spread()), ("after_relu", after_relu())] {
        for (shape, channels, inner) in
            [("dense_512", 512, 1), ("dense_10", 10, 1), ("conv_32x26x26", 32, 676), ("conv_64x7x7", 64, 49)]
        {
            let values = &values[..LEN / (channels * inner) * channels * inner];
            group.throughput(Throughput::Elements(values.len() as u64));
            group.bench_function(format!("{name}/{shape}"), |bencher| {
                let mut observer = ChannelObserver::new();
                bencher.iter(|| observer.observe(black_box(values), channels, inner));
            });
            group.bench_function(format!("{name}/{shape}/with_tensor"), |bencher| {
                let mut observers = (Observer::new(), ChannelObserver::new());
                bencher.iter(|| {
                    observers.0.observe(black_box(values));
                    observers.1.observe(black_box(values), channels, inner)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, tensors, channels);
criterion_main!(benches);

//! The shipped 784-512-256-10 network in int8 and in float, on one thread; `quantize bench --against` times both interleaved.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibrator, FloatModel, Recipe};
use int8_inference::{Session, SessionOptions};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../calibration-data/fashion-mnist");
const CLASSES: usize = 10;

/// One element is one sample.
fn run(criterion: &mut Criterion) {
    let model = FloatModel::open(format!("{FASHION}/mlp.onnx")).expect("the shipped model is valid");
    let samples = Dataset::open(FASHION, &OpenOptions::new(Part::Calibration)).expect("the shipped data is valid");
    let samples = model.adapt(samples).expect("the shipped data fits the shipped model");
    let calibrator = Calibrator::new(&model).expect("the shipped model runs");
    let calibration = calibrator.run(samples.batches(64)).expect("the shipped samples can be observed");
    let int8 = Recipe::default().emit(&model, &calibration).expect("dense layers can be quantized");
    let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    // The float side without the normalization that preparation folds away, as the int8 side runs without it.
    let sessions = [("float", model.prepared()), ("int8", int8.model())]
        .map(|(name, model)| (name, Session::new(model, &options).expect("emitted and prepared models run")));
    let x = samples.inputs()[0].samples.as_slice().expect("data sets are in row-major order");
    let width = x.len() / samples.len();
    for batch in [1, 32, 256] {
        let mut group = criterion.benchmark_group(format!("session/784-512-256-10/{batch}"));
        group.throughput(Throughput::Elements(batch as u64));
        let mut y = vec![0.0; batch * CLASSES];
        for (name, session) in &sessions {
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                let x = &x[..batch * width];
                bencher.iter(|| session.run_into(black_box(x), black_box(&mut y), batch).expect("shapes fit"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, run);
criterion_main!(benches);

//! Calibration: samples through the float model with every tensor observed, and what reading the ranges of all tensors off it costs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataset::{Dataset, OpenOptions, Part};
use dlquantizer::{Calibration, Calibrator, FloatModel, QuantType, RangeMethod, Scheme, TensorKind};
use int8_inference::{Session, SessionOptions};
use onnx_model::graph::node;
use onnx_model::proto::GraphProto;
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../calibration-data/fashion-mnist");

/// The shipped network.
fn mlp() -> FloatModel {
    FloatModel::open(format!("{FASHION}/mlp.onnx")).expect("the shipped model is valid")
}

/// Two convolutions of 3x3, each with a pool behind it, and two dense layers, all with ReLU but the last; weights drawn from a fixed seed.
fn cnn() -> FloatModel {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut graph = GraphProto { name: Some("cnn".to_owned()), ..GraphProto::default() };
    let mut layer = |name: &str, shape: &[usize]| {
        let fan_in: usize = shape[1..].iter().product();
        let bound = (6.0 / fan_in as f32).sqrt();
        let weights = (0..shape[0] * fan_in).map(|_| rng.random_range(-bound..bound)).collect();
        let constants =
            [(format!("{name}.w"), shape, weights), (format!("{name}.b"), &shape[..1], vec![0.0; shape[0]])];
        let constants =
            constants.map(|(name, shape, values)| Tensor::f32(&name, shape, values).expect("shapes fit").to_proto());
        graph.initializer.extend(constants);
    };
    for (name, shape) in
        [("conv1", &[32, 1, 3, 3][..]), ("conv2", &[64, 32, 3, 3]), ("fc1", &[128, 64 * 7 * 7]), ("fc2", &[10, 128])]
    {
        layer(name, shape);
    }
    let conv = |name: &str, x: &str, y: &str| {
        let inputs = [x, &format!("{name}.w"), &format!("{name}.b")];
        node("Conv", name, &inputs, &[y]).with_ints("kernel_shape", &[3, 3]).with_ints("pads", &[1; 4])
    };
    let pool = |name: &str, x: &str, y: &str| {
        node("MaxPool", name, &[x], &[y]).with_ints("kernel_shape", &[2, 2]).with_ints("strides", &[2, 2])
    };
    graph.node = vec![
        conv("conv1", "x", "a"),
        node("Relu", "relu1", &["a"], &["b"]),
        pool("pool1", "b", "c"),
        conv("conv2", "c", "d"),
        node("Relu", "relu2", &["d"], &["e"]),
        pool("pool2", "e", "f"),
        node("Flatten", "flatten", &["f"], &["g"]),
        node("Gemm", "fc1", &["g", "fc1.w", "fc1.b"], &["h"]).with_int("transB", 1),
        node("Relu", "relu3", &["h"], &["i"]),
        node("Gemm", "fc2", &["i", "fc2.w", "fc2.b"], &["y"]).with_int("transB", 1),
    ];
    let value = |name: &str, sample: &[usize]| {
        let dims = sample.iter().map(|&size| Dim::Fixed(size));
        let shape = Some([Dim::Symbolic("N".to_owned())].into_iter().chain(dims).collect());
        (&ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape }).into()
    };
    graph.input = vec![value("x", &[1, 28, 28])];
    graph.output = vec![value("y", &[10])];
    FloatModel::new(Model::new(graph, 21)).expect("the model is valid")
}

/// The shipped samples, `times` over, in the shape that the model takes.
fn samples(model: &FloatModel, times: usize) -> Dataset {
    let samples = Dataset::open(FASHION, &OpenOptions::new(Part::Calibration)).expect("the shipped data is valid");
    let indices: Vec<usize> = (0..times * samples.len()).map(|index| index % samples.len()).collect();
    let samples = samples.select(&indices).expect("there are such samples");
    model.adapt(samples).expect("the shipped data fits the model")
}

/// The float model alone on all samples, in batches as the calibrator runs them.
fn forward(session: &Session, input: &str, samples: &Dataset) {
    for batch in samples.batches(64) {
        let views = batch.inputs_for(&[input]).expect("the model has one input");
        let given: Vec<_> = [input].into_iter().zip(views).collect();
        session.observe(&given, &mut |observed| _ = black_box(observed)).expect("the model runs");
    }
}

fn calibrated(model: &FloatModel, samples: &Dataset, threads: usize) -> Calibration {
    let calibrator = Calibrator::with_threads(model, Some(threads)).expect("the model runs");
    calibrator.run(samples.batches(64)).expect("the shipped samples can be observed")
}

/// A whole calibration, compilation included, and the float model alone on one thread; one element is one sample.
fn calibration(criterion: &mut Criterion) {
    for (name, model, times) in [("mlp", mlp(), 10), ("cnn", cnn(), 1)] {
        let samples = samples(&model, times);
        let mut group = criterion.benchmark_group(format!("calibrate/{name}"));
        group.throughput(Throughput::Elements(samples.len() as u64)).sample_size(10);
        let options = SessionOptions { threads: Some(1), ..SessionOptions::default() };
        let session = Session::new(model.prepared(), &options).expect("the model runs");
        let input = model.prepared().inputs().remove(0).name;
        group.bench_function("forward alone", |bencher| bencher.iter(|| forward(&session, &input, &samples)));
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
                bencher.iter(|| calibrated(&model, &samples, threads));
            });
        }
        group.finish();
    }
}

/// The stored calibration read, and scale and zero point of all its activations by each method.
fn ranges(criterion: &mut Criterion) {
    for (name, model) in [("mlp", mlp()), ("cnn", cnn())] {
        let stored = calibrated(&model, &samples(&model, 1), 2).to_bytes();
        let read = || Calibration::from_bytes(black_box(&stored), name).expect("what was written is read");
        let calibration = read();
        let mut group = criterion.benchmark_group(format!("ranges/{name}"));
        group.sample_size(10).bench_function("read the file", |bencher| bencher.iter(read));
        for method in RangeMethod::ALL {
            let name = format!("{method:?}");
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let tensors = black_box(&calibration).tensors().iter();
                    let activations = tensors.filter(|tensor| tensor.kind == TensorKind::Activation);
                    for tensor in activations {
                        black_box(method.quant_params(&tensor.statistics, QuantType::U8, Scheme::Asymmetric));
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, calibration, ranges);
criterion_main!(benches);

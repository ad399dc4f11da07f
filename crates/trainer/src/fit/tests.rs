use dataset::{Dataset, Input, Labels};
use ndarray::{Array2, ArrayD, array};

use super::*;
use crate::activation::Activation;
use crate::error::Place;
use crate::layers::{Dense, Layer, dense, embedding, flatten};
use crate::loss::Loss;
use crate::normalize::Normalize;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::stopping::{EarlyStopping, Keep, Monitor};

fn data(samples: Array2<f32>, labels: &[u32]) -> Dataset {
    let input = Input { name: "x".into(), samples: samples.into_dyn() };
    Dataset::new(vec![input], Some(Labels::new(labels.to_vec()))).unwrap()
}

fn xor() -> Dataset {
    data(array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], &[0, 1, 1, 0])
}

/// Three clouds around the corners of a triangle, the classes in turn.
pub(super) fn clouds(samples: usize) -> Dataset {
    let centre = [(0.0, 40.0), (-35.0, -20.0), (35.0, -20.0_f32)];
    let points = Array2::from_shape_fn((samples, 2), |(i, axis)| {
        let noise = ((i * 37 + axis * 11) % 17) as f32 - 8.0;
        let (x, y) = centre[i % 3];
        noise + if axis == 0 { x } else { y }
    });
    data(points, &(0..samples as u32).map(|i| i % 3).collect::<Vec<_>>())
}

pub(super) fn config(optimizer: Optimizer) -> TrainConfig {
    TrainConfig {
        seed: 1,
        epochs: 20,
        batch_size: 8,
        normalize: Normalize::Global,
        validation: None,
        schedule: Schedule::Constant,
        monitor: Monitor::Loss,
        keep: Keep::Last,
        early_stopping: None,
        augment: None,
        optimizer,
        loss: None,
        target: None,
        normalize_target: false,
        layers: vec![Layer::new("hidden", dense(16).activation(Activation::Relu)), Layer::new("out", Dense::default())],
        outputs: Vec::new(),
    }
}

fn fit(config: &TrainConfig, dataset: &Dataset) -> Result<Trained> {
    Trainer::new(config.clone())?.fit(dataset, |_| ())
}

fn refusal(config: &TrainConfig, dataset: &Dataset) -> String {
    fit(config, dataset).unwrap_err().to_string()
}

#[test]
fn xor_is_learnt_by_every_optimizer_and_schedule() {
    for optimizer in [Optimizer::sgd(0.1, 0.0), Optimizer::sgd(0.05, 0.9), Optimizer::adam(0.02)] {
        for schedule in [Schedule::Constant, Schedule::Cosine] {
            let config = TrainConfig { epochs: 600, schedule: schedule.clone(), ..config(optimizer) };
            let score = fit(&config, &xor()).unwrap().score(&xor()).unwrap();
            assert_eq!(score.accuracy, Some(100.0), "{optimizer:?} {schedule:?}");
            assert!(score.loss < 0.1, "{optimizer:?} {schedule:?}: {}", score.loss);
        }
    }
}

#[test]
fn separable_clouds_are_learnt_under_every_normalization() {
    for normalize in [Normalize::None, Normalize::Global, Normalize::Feature] {
        let config = TrainConfig { normalize, ..config(Optimizer::adam(0.01)) };
        let trained = fit(&config, &clouds(150)).unwrap();
        assert_eq!(trained.accuracy(&clouds(60)).unwrap(), Some(100.0), "{normalize:?}");
    }
}

#[test]
fn the_seed_decides_every_bit() {
    let trained = |seed| {
        let config = TrainConfig { seed, validation: Some(0.2), ..config(Optimizer::adam(0.01)) };
        fit(&config, &clouds(50)).unwrap()
    };
    assert_eq!(trained(5), trained(5));
    assert_ne!(trained(5), trained(6));
}

#[test]
fn every_epoch_has_its_own_order_of_the_same_samples() {
    // At this rate nothing is learnt, so a loss tells which samples were in the batch.
    let config = TrainConfig { epochs: 3, ..config(Optimizer::sgd(1e-30, 0.0)) };
    let mut losses = Vec::new();
    Trainer::new(config).unwrap().fit(&clouds(40), |progress| losses.push(progress.training.loss)).unwrap();
    let [first, second, third] = [0, 1, 2].map(|epoch| &losses[epoch * 5..][..5]);
    assert!(first[0] != second[0] && second[0] != third[0] && third[0] != first[0]);
    for whole in [second[4], third[4]] {
        assert!((whole - first[4]).abs() < 1e-6 * first[4]);
    }
}

#[test]
fn every_batch_is_reported_and_validation_after_the_last_of_an_epoch() {
    let config = TrainConfig {
        epochs: 3,
        validation: Some(0.25),
        schedule: Schedule::Cosine,
        ..config(Optimizer::sgd(0.1, 0.0))
    };
    let mut seen = Vec::new();
    // 40 samples, 10 of them for validation: 30 make four batches of 8, 8, 8 and 6.
    Trainer::new(config).unwrap().fit(&clouds(40), |progress| seen.push(progress.clone())).unwrap();
    assert_eq!(seen.len(), 3 * 4);
    for (index, progress) in seen.iter().enumerate() {
        assert_eq!((progress.epoch, progress.batch), (index / 4 + 1, index % 4 + 1));
        assert_eq!((progress.epochs, progress.batches), (3, 4));
        assert_eq!(progress.validation.is_some(), progress.epoch_done());
        assert_eq!(progress.learning_rate, 0.1 * Rates::new(Schedule::Cosine, 12, 4).factor(index as u64));
    }
    let first = seen[3].training;
    let last = seen[11].training;
    assert!(last.loss < first.loss && last.accuracy >= first.accuracy);
    let thirtieths = last.accuracy.unwrap() * 0.3;
    // Thirtieths of the training part, tenths of the validation part.
    assert!((thirtieths - thirtieths.round()).abs() < 1e-9);
    let validation = seen[11].validation.unwrap().accuracy.unwrap();
    assert!((validation * 0.1 - (validation * 0.1).round()).abs() < 1e-9);
}

#[test]
fn the_validation_part_is_not_trained_on() {
    // Were the far sample part of the training, it would move the mean.
    let config = TrainConfig { validation: Some(0.1), ..config(Optimizer::adam(0.01)) };
    let (training, validation) = split(&config, 20).unwrap();
    let mut all: Vec<usize> = training.iter().chain(&validation).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    assert_eq!(validation.len(), 2);

    let mut samples = Array2::from_shape_fn((20, 1), |(i, _)| (i % 2) as f32);
    samples[[validation[0], 0]] = 1e6;
    let labels: Vec<u32> = (0..20).map(|i| i % 2).collect();
    let trained = fit(&config, &data(samples, &labels)).unwrap();
    assert!(trained.inputs[0].normalization.as_ref().unwrap().mean[0] < 1.0);
}

#[test]
fn images_are_flattened_by_a_layer() {
    let flat = clouds(30);
    let image = Input {
        name: "image".into(),
        samples: ArrayD::from_shape_vec(vec![30, 2, 1], flat.inputs()[0].samples.iter().copied().collect()).unwrap(),
    };
    let labels = Labels::new(flat.labels().unwrap().to_vec());
    let images = Dataset::new(vec![image], Some(labels)).unwrap();
    let mut config = config(Optimizer::adam(0.01));
    let message = refusal(&config, &images);
    assert!(message.contains("[2, 3]") && message.contains("flatten"), "{message}");

    let from_rows = fit(&config, &flat).unwrap();
    config.layers.insert(0, Layer::new("flat", flatten()));
    let from_images = fit(&config, &images).unwrap();
    assert_eq!(from_images.parameters, from_rows.parameters);

    let message = from_images.accuracy(&flat).unwrap_err().to_string();
    assert!(message.contains("shape [2]") && message.contains("[2, 1]"), "{message}");
}

#[test]
fn predictions_need_no_labels_and_do_not_depend_on_the_batch() {
    let trained = fit(&config(Optimizer::adam(0.01)), &clouds(60)).unwrap();
    let many = clouds(700);
    let unlabelled = Dataset::new(many.inputs().to_vec(), None).unwrap();
    let [logits] = &trained.predict(&unlabelled).unwrap()[..] else { panic!("one output") };
    assert_eq!(logits.shape(), [700, 3]);
    assert_eq!(
        logits.slice(ndarray::s![..60, ..]),
        trained.predict(&clouds(60)).unwrap()[0].slice(ndarray::s![.., ..])
    );
}

#[test]
fn a_diverging_training_stops_and_names_the_layer() {
    let config = TrainConfig { normalize: Normalize::None, ..config(Optimizer::sgd(1e30, 0.9)) };
    let Err(Error::Diverged { epoch, culprit, .. }) = fit(&config, &clouds(30)) else {
        panic!("a rate of 1e30 must diverge");
    };
    assert_eq!(epoch, 1);
    // Each layer's weights are about 1e30 now; only their product leaves the range of f32.
    assert_eq!((culprit.layer.as_str(), culprit.place), ("out", Place::Output));
}

#[test]
fn what_only_the_last_step_spoils_is_found_too() {
    let config = TrainConfig {
        epochs: 1,
        batch_size: 30,
        normalize: Normalize::None,
        ..config(Optimizer::sgd(f64::from(f32::MAX), 0.0))
    };
    let message = refusal(&config, &clouds(30));
    assert!(message.contains("`hidden`") && message.contains("learning_rate"), "{message}");
}

#[test]
fn unusable_data_is_refused_with_its_place() {
    let config = config(Optimizer::adam(0.01));
    let narrow = TrainConfig { layers: vec![Layer::new("only", dense(2))], ..config.clone() };
    let message = refusal(&narrow, &clouds(30));
    assert!(message.contains("sample 2 has label 2") && message.contains("`only` has 2 units"), "{message}");

    let mut samples = array![[0.0, 1.0], [f32::NAN, 1.0], [0.0, 0.0], [f32::INFINITY, f32::NAN]];
    let message = refusal(&config, &data(samples.clone(), &[0, 1, 0, 1]));
    assert!(message.contains("2 of 4 samples") && message.contains("sample 1"), "{message}");

    let trained = fit(&config, &clouds(30)).unwrap();
    let message = trained.accuracy(&data(samples.clone(), &[0, 1, 0, 1])).unwrap_err().to_string();
    assert!(message.contains("2 of 4 samples"), "{message}");

    samples.fill(1.0);
    let input = |name: &str| Input { name: name.into(), samples: samples.clone().into_dyn() };
    let unlabelled = Dataset::new(vec![input("x")], None).unwrap();
    assert!(refusal(&config, &unlabelled).contains("no labels"));

    let labels = Some(Labels::new(vec![0, 1, 0, 1]));
    let two = Dataset::new(vec![input("a"), input("b")], labels).unwrap();
    assert!(refusal(&config, &two).contains("2 inputs (a, b)"));

    for validation in [0.01, 0.99] {
        let config = TrainConfig { validation: Some(validation), ..config.clone() };
        assert!(refusal(&config, &xor()).contains("of 4 samples"));
    }

    let monstrous = data(samples.clone(), &[0, 1, 0, u32::MAX]);
    assert!(refusal(&config, &monstrous).contains("layer `out`"));
}

#[test]
fn an_unchecked_configuration_is_refused() {
    let config = TrainConfig { layers: Vec::new(), ..config(Optimizer::adam(0.01)) };
    assert!(matches!(Trainer::new(config), Err(Error::NoLayers)));
}

/// Three clouds with wrong labels among them, which are learnt by heart after what is general.
fn mislabelled() -> Dataset {
    let all = clouds(60);
    let label = |i: usize| (if i.is_multiple_of(4) { i + i / 4 } else { i }) as u32 % 3;
    Dataset::new(all.inputs().to_vec(), Some(Labels::new((0..60).map(label).collect()))).unwrap()
}

/// A training that goes too far.
fn overfitting() -> TrainConfig {
    TrainConfig { epochs: 12, validation: Some(0.3), ..config(Optimizer::adam(0.03)) }
}

/// The validation losses of all epochs, which of them were called the best, and the loss of what was kept on the validation part.
fn course(config: TrainConfig, data: &Dataset) -> (Vec<f64>, Vec<usize>, Trained) {
    let (mut losses, mut best) = (Vec::new(), Vec::new());
    let trained = Trainer::new(config).unwrap().fit(data, |progress| {
        losses.extend(progress.validation.map(|score| score.loss));
        best.extend(progress.best.then_some(progress.epoch));
    });
    (losses, best, trained.unwrap())
}

#[test]
fn the_best_epoch_is_kept_where_it_is_wanted() {
    let data = mislabelled();
    let (losses, best, last) = course(overfitting(), &data);
    let lowest = (0..12).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).unwrap();
    assert!(lowest < 11, "the last epoch would prove nothing: {losses:?}");
    assert_eq!(best.last(), Some(&(lowest + 1)));
    let (_, _, kept) = course(TrainConfig { keep: Keep::Best, ..overfitting() }, &data);
    // The order of the samples does not depend on how many epochs there are.
    let (_, _, until_best) = course(TrainConfig { epochs: lowest + 1, ..overfitting() }, &data);
    assert_eq!(kept, until_best);
    assert_ne!(kept, last);
}

#[test]
fn training_stops_early_where_the_score_gets_no_better() {
    let data = mislabelled();
    let early_stopping = Some(EarlyStopping { patience: 2, min_delta: 0.0 });
    let (all, ..) = course(TrainConfig { epochs: 40, ..overfitting() }, &data);
    let (seen, best, _) = course(TrainConfig { epochs: 40, early_stopping, ..overfitting() }, &data);
    assert!(seen.len() < 40, "{all:?}");
    assert_eq!(seen, all[..seen.len()]);
    assert_eq!(seen.len(), best.last().unwrap() + 2);
    // By accuracy instead, which is whole soon.
    let config = TrainConfig { monitor: Monitor::Accuracy, early_stopping, ..config(Optimizer::adam(0.05)) };
    let (mut epochs, mut accuracies) = (0, Vec::new());
    Trainer::new(config)
        .unwrap()
        .fit(&data, |progress| {
            epochs = progress.epoch;
            accuracies.extend(progress.epoch_done().then_some(progress.training.accuracy.unwrap()));
        })
        .unwrap();
    let highest = (0..accuracies.len()).rev().max_by(|&a, &b| accuracies[a].total_cmp(&accuracies[b])).unwrap();
    assert_eq!(epochs, highest + 3, "{accuracies:?}");
}

#[test]
fn every_layer_has_a_gradient_after_every_epoch() {
    let mut seen = Vec::new();
    Trainer::new(config(Optimizer::adam(0.01)))
        .unwrap()
        .fit(&clouds(40), |progress| {
            assert_eq!(progress.gradients.is_empty(), !progress.epoch_done());
            seen.extend(progress.gradients.iter().map(|gradient| (gradient.layer.clone(), gradient.norm)));
        })
        .unwrap();
    assert_eq!(seen.len(), 40);
    assert!(seen.iter().all(|(_, norm)| *norm > 0.0 && norm.is_finite()));
    assert_eq!((seen[0].0.as_str(), seen[1].0.as_str()), ("hidden", "out"));
}

#[test]
fn values_far_from_zero_are_learnt_in_their_units() {
    let x = Array2::from_shape_fn((64, 1), |(i, _)| i as f32 / 8.0 - 4.0);
    let y = x.mapv(|x| 5000.0 + 40.0 * x);
    let input = |name: &str, samples: &Array2<f32>| Input { name: name.into(), samples: samples.clone().into_dyn() };
    let line = Dataset::new(vec![input("x", &x), input("price", &y)], None).unwrap();
    for (loss, columns) in [(Loss::MeanSquaredError, 1), (Loss::gaussian_nll(), 2)] {
        let config = TrainConfig {
            epochs: 60,
            loss: Some(loss),
            target: Some("price".into()),
            normalize_target: true,
            layers: vec![Layer::new("out", Dense::default())],
            ..config(Optimizer::adam(0.05))
        };
        let trained = fit(&config, &line).unwrap();
        let score = trained.score(&line).unwrap();
        assert!(score.absolute_error.unwrap() < 2.0 && score.r_squared.unwrap() > 0.99, "{score:?}");
        let answers = &trained.predict(&line).unwrap()[0];
        assert_eq!(answers.shape(), [64, columns]);
        assert!((answers[[0, 0]] - y[[0, 0]]).abs() < 10.0);
        // A variance in the square of the unit, small beside that of the target.
        assert!(columns == 1 || (answers[[0, 1]] > 0.0 && answers[[0, 1]] < 100.0), "{answers}");
    }
    let labels = TrainConfig { normalize_target: true, ..config(Optimizer::adam(0.05)) };
    assert!(Trainer::new(labels).unwrap_err().to_string().contains("normalize_target"));
}

#[test]
fn numbers_of_entries_are_not_normalized() {
    let words = Array2::from_shape_fn((40, 3), |(i, step)| ((i * 7 + step * 3) % 5) as f32);
    let labels: Vec<u32> = words.rows().into_iter().map(|row| u32::from(row[2] > 1.0)).collect();
    let layers =
        vec![Layer::new("words", embedding(5, 4)), Layer::new("flat", flatten()), Layer::new("out", Dense::default())];
    let config = TrainConfig { layers, ..config(Optimizer::adam(0.05)) };
    let trained = fit(&config, &data(words.clone(), &labels)).unwrap();
    assert_eq!(trained.inputs[0].normalization, None);
    assert_eq!(trained.accuracy(&data(words.clone(), &labels)).unwrap(), Some(100.0));

    for value in [5.0, -1.0, 0.5] {
        let mut words = words.clone();
        words[[3, 1]] = value;
        let message = refusal(&config, &data(words, &labels));
        assert!(message.contains("sample 3") && message.contains("`words` has 5 entries"), "{message}");
    }
}

#[test]
fn xor_is_learnt_by_evolution_alone_whatever_the_number_of_threads() {
    let config = TrainConfig { epochs: 200, batch_size: 4, ..config(Optimizer::evolution(0.5)) };
    let learn = |threads| {
        let mut rates = Vec::new();
        let trainer = Trainer::new(config.clone()).unwrap().threads(threads);
        let trained = trainer.fit(&xor(), |progress| rates.push(progress.learning_rate)).unwrap();
        assert_eq!(rates[0], 0.5);
        assert!(rates.windows(2).all(|pair| pair[0] != pair[1]));
        trained
    };
    let trained = learn(1);
    let score = trained.score(&xor()).unwrap();
    assert_eq!(score.accuracy, Some(100.0));
    assert!(score.loss < 0.05, "{}", score.loss);
    assert_eq!(learn(3), trained);
}

#[test]
fn evolution_goes_on_from_a_checkpoint_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("evolution.checkpoint");
    let config = |epochs| TrainConfig { epochs, ..config(Optimizer::evolution(0.5)) };
    Trainer::new(config(3)).unwrap().checkpoint(&path).fit(&clouds(40), |_| ()).unwrap();
    let resumed = Trainer::new(config(6)).unwrap().resume(&path).fit(&clouds(40), |_| ()).unwrap();
    assert_eq!(resumed, fit(&config(6), &clouds(40)).unwrap());
}

#[test]
fn evolution_refuses_a_schedule() {
    let config = TrainConfig { schedule: Schedule::Cosine, ..config(Optimizer::evolution(0.5)) };
    assert!(refusal(&config, &xor()).contains("`schedule`"));
}

#[test]
fn half_of_the_rate_at_which_the_loss_diverges_can_be_trained_with() {
    // Coordinates up to 50 allow small steps only.
    let config = TrainConfig { epochs: 20, normalize: Normalize::None, ..config(Optimizer::sgd(1.0, 0.0)) };
    let curve = Trainer::new(config.clone()).unwrap().find_rate(&mislabelled(), 200).unwrap();
    let rate = curve.proposal().unwrap();
    assert!((1e-3..1.0).contains(&rate), "{rate}");
    let config = TrainConfig { optimizer: Optimizer::sgd(rate, 0.0), ..config };
    let score = fit(&config, &mislabelled()).unwrap().score(&mislabelled()).unwrap();
    assert!(score.loss < 0.5 * curve.points[0].loss, "{}", score.loss);

    let evolution = TrainConfig { optimizer: Optimizer::evolution(0.1), ..config };
    let message = Trainer::new(evolution).unwrap().find_rate(&xor(), 100).unwrap_err().to_string();
    assert!(message.contains("evolution"), "{message}");
}

/// Shapes large enough that every kind of layer shares its work among threads.
#[test]
fn a_network_of_every_costly_kind_of_layer_is_the_same_bytes_for_any_number_of_threads() {
    let text = r#"
        seed = 3
        epochs = 2
        batch_size = 24
        validation = 0.2
        schedule = "cosine"
        [augment]
        shift = 1
        flip = "horizontal"
        [optimizer]
        kind = "adam"
        learning_rate = 0.003
        clip = { global_norm = 1 }
        [[layer]]
        kind = "conv2d"
        name = "conv"
        filters = 16
        kernel = 3
        padding = "same"
        bias = false
        [[layer]]
        kind = "batch-norm"
        name = "norm"
        activation = "relu"
        [[layer]]
        kind = "conv2d"
        name = "depthwise"
        filters = 16
        kernel = 3
        padding = "same"
        groups = 16
        [[layer]]
        kind = "add"
        name = "residual"
        inputs = ["norm", "depthwise"]
        activation = "gelu"
        [[layer]]
        kind = "max-pool"
        name = "max"
        kernel = 2
        [[layer]]
        kind = "avg-pool"
        name = "mean"
        kernel = 2
        stride = 1
        [[layer]]
        kind = "dropout"
        name = "noise"
        rate = 0.25
        [[layer]]
        kind = "reshape"
        name = "sequence"
        shape = [16, 49]
        [[layer]]
        kind = "lstm"
        name = "lstm"
        units = 64
        returns = "all"
        [[layer]]
        kind = "layer-norm"
        name = "layer norm"
        [[layer]]
        kind = "gru"
        name = "gru"
        units = 48
        [[layer]]
        kind = "dense"
        name = "wide"
        units = 600
        activation = "selu"
        [[layer]]
        kind = "alpha-dropout"
        name = "alpha noise"
        rate = 0.1
        [[layer]]
        kind = "batch-norm"
        name = "norm of rows"
        [[layer]]
        kind = "dense"
        name = "out"
    "#;
    let config = TrainConfig::from_toml(text).unwrap();
    let images = ArrayD::from_shape_fn(vec![100, 1, 16, 16], |at| ((at[0] * 31 + at[2] * 7 + at[3] * 3) % 29) as f32);
    let labels = Labels::new((0..100).map(|at| at * 7 % 5).collect());
    let data = Dataset::new(vec![Input { name: "x".into(), samples: images }], Some(labels)).unwrap();
    let learn = |threads| {
        let mut losses = Vec::new();
        let trainer = Trainer::new(config.clone()).unwrap().threads(threads);
        let trained = trainer
            .fit(&data, |p| losses.push((p.training.loss.to_bits(), p.validation.map(|s| s.loss.to_bits()))))
            .unwrap();
        (trained.to_model().unwrap().to_bytes(), losses)
    };
    let one = learn(1);
    for threads in [2, 3] {
        assert!(learn(threads) == one, "{threads} threads");
    }
}

#[test]
fn scoring_needs_no_more_room_than_training() {
    let config = TrainConfig {
        epochs: 1,
        batch_size: 1,
        validation: Some(0.93),
        layers: vec![Layer::new("hidden", dense(1 << 22)), Layer::new("out", Dense::default())],
        ..config(Optimizer::sgd(1e-6, 0.0))
    };
    let found = fit(&config, &clouds(140));
    assert!(found.is_ok(), "{}", found.unwrap_err());
}

#[test]
fn an_infinite_validation_loss_can_be_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c");
    let mut points = Array2::from_elem((40, 1), 1.0_f32);
    let base = TrainConfig {
        epochs: 2,
        batch_size: 40,
        normalize: Normalize::None,
        validation: Some(0.25),
        loss: Some(Loss::MeanSquaredError),
        target: Some("y".into()),
        layers: vec![Layer::new("out", dense(1).init(crate::Initializer::Constant { value: 10.0 }))],
        ..config(Optimizer::sgd(1e-3, 0.0))
    };
    let (_, validation) = super::split(&base, 40).unwrap();
    points[[validation[0], 0]] = 3e38;
    let y = Array2::from_elem((40, 1), 1.0_f32);
    let data = Dataset::new(
        vec![Input { name: "x".into(), samples: points.into_dyn() }, Input { name: "y".into(), samples: y.into_dyn() }],
        None,
    )
    .unwrap();
    let trainer = Trainer::new(base).unwrap();
    trainer.clone().checkpoint(&path).fit(&data, |_| ()).unwrap();
    let again = trainer.resume(&path).fit(&data, |_| ());
    assert!(again.is_ok(), "{}", again.unwrap_err());
}

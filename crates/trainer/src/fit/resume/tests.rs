use std::ops::ControlFlow;

use super::super::tests::{clouds, config};
use super::*;
use crate::Trainer;
use crate::augment::{Augment, Flip};
use crate::config::TrainConfig;
use crate::layers::{Layer, dense, flatten};
use crate::normalize::Normalize;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;
use crate::stopping::Keep;
use dataset::{Dataset, Input, Labels};

fn bytes(trained: &Trained) -> Vec<u8> {
    trained.to_model().unwrap().to_bytes()
}

fn five_epochs(optimizer: Optimizer) -> TrainConfig {
    TrainConfig { epochs: 5, validation: Some(0.25), keep: Keep::Best, ..config(optimizer) }
}

/// Trains until the batch of which `stops` is true, writing checkpoints.
fn stopped(trainer: &Trainer, data: &Dataset, stops: impl Fn(usize, usize) -> bool + Sync) -> Trained {
    let answer = |stop| if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    trainer.fit(data, |progress| answer(stops(progress.epoch, progress.batch))).unwrap()
}

#[test]
fn a_training_stopped_anywhere_goes_on_to_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c");
    let data = clouds(50);
    let optimizers =
        [Optimizer::sgd(0.1, 0.0), Optimizer::nesterov(0.05, 0.9), Optimizer::adam(0.02), Optimizer::nadam(0.02)];
    // Reduced in the third epoch at the earliest, as that many have to pass without a new best of such a size.
    let plateau = Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: 0.9, minimum: 0.0 };
    for (optimizer, schedule) in
        optimizers.into_iter().zip([Schedule::Cosine, plateau.clone(), plateau, Schedule::Constant])
    {
        let trainer = Trainer::new(TrainConfig { schedule, ..five_epochs(optimizer) }).unwrap();
        let unbroken = trainer.fit(&data, |_| ()).unwrap();
        // 38 samples are 5 batches of up to 8.
        for at in 1..5 {
            for batch in [2, 5] {
                stopped(&trainer.clone().checkpoint(&path), &data, |e, b| (e, b) == (at + 1, batch));
                let mut first = None;
                let resumed = trainer.clone().resume(&path).threads(2).fit(&data, |progress| {
                    first.get_or_insert((progress.epoch, progress.batch, progress.step));
                });
                let epochs = if batch == 5 { at + 1 } else { at };
                if epochs < 5 {
                    assert_eq!(first, Some((epochs + 1, 1, 5 * epochs as u64 + 1)), "{optimizer:?}");
                }
                assert_eq!(bytes(&resumed.unwrap()), bytes(&unbroken), "{optimizer:?} stopped in epoch {}", at + 1);
            }
        }
    }
}

#[test]
fn a_training_that_is_resumed_after_each_epoch_keeps_the_best_of_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c");
    let data = clouds(50);
    let unbroken = Trainer::new(five_epochs(Optimizer::sgd(0.5, 0.9))).unwrap().fit(&data, |_| ()).unwrap();
    let mut resumed = None;
    for epochs in 1..=5 {
        let config = TrainConfig { epochs, ..five_epochs(Optimizer::sgd(0.5, 0.9)) };
        let trainer = Trainer::new(config).unwrap().checkpoint(&path);
        let trainer = if epochs == 1 { trainer } else { trainer.resume(&path) };
        resumed = Some(trainer.fit(&data, |_| ()).unwrap());
    }
    assert_eq!(bytes(&resumed.unwrap()), bytes(&unbroken));
    let trainer = Trainer::new(five_epochs(Optimizer::sgd(0.5, 0.9))).unwrap().resume(&path);
    assert_eq!(bytes(&trainer.best_so_far(&data).unwrap()), bytes(&unbroken));
}

#[test]
fn augmented_images_are_the_same_after_a_resumption() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c");
    let samples = ndarray::ArrayD::from_shape_fn(vec![40, 1, 4, 5], |i| ((i[0] * 7 + i[2] * 3 + i[3]) % 11) as f32);
    let input = Input { name: "x".into(), samples };
    let data = Dataset::new(vec![input], Some(Labels::new((0..40).map(|i| i % 3).collect()))).unwrap();
    let augmented = |augment| TrainConfig {
        augment,
        epochs: 3,
        layers: vec![Layer::new("flatten", flatten()), Layer::new("out", dense(3))],
        ..config(Optimizer::adam(0.02))
    };
    let augment = Augment { shift: 1, flip: Some(Flip::Horizontal), fill: 0.0 };
    let trainer = Trainer::new(augmented(Some(augment))).unwrap();
    let unbroken = trainer.fit(&data, |_| ()).unwrap();
    let plain = Trainer::new(augmented(None)).unwrap().fit(&data, |_| ()).unwrap();
    assert_ne!(bytes(&plain), bytes(&unbroken));
    stopped(&trainer.clone().checkpoint(&path), &data, |epoch, _| epoch == 2);
    assert_eq!(bytes(&trainer.clone().resume(&path).fit(&data, |_| ()).unwrap()), bytes(&unbroken));
    let message = Trainer::new(TrainConfig { augment: Some(augment), ..config(Optimizer::adam(0.02)) })
        .unwrap()
        .fit(&clouds(20), |_| ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("augment") && message.contains("[2]"), "{message}");
}

#[test]
fn a_checkpoint_of_another_training_is_refused_by_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.safetensors");
    let data = clouds(50);
    let base = five_epochs(Optimizer::adam(0.02));
    Trainer::new(base.clone()).unwrap().checkpoint(&path).fit(&data, |_| ()).unwrap();
    let refusal = |config: TrainConfig, data: &Dataset| {
        Trainer::new(config).unwrap().resume(&path).fit(data, |_| ()).unwrap_err().to_string()
    };
    let wider = vec![Layer::new("hidden", dense(17)), Layer::new("out", dense(3))];
    let cases = [
        (TrainConfig { seed: 2, ..base.clone() }, "`seed` to 1, this one to 2"),
        (TrainConfig { layers: wider, ..base.clone() }, "`layer.hidden.activation`"),
        (TrainConfig { batch_size: 9, ..base.clone() }, "`batch_size` to 8, this one to 9"),
        (TrainConfig { validation: None, ..base.clone() }, "`validation` to 0.25, this one to nothing"),
        (TrainConfig { optimizer: Optimizer::adam(0.03), ..base.clone() }, "`optimizer.learning_rate` to 0.02"),
    ];
    for (config, expected) in cases {
        let message = refusal(config, &data);
        assert!(message.contains("c.safetensors is the checkpoint of another training"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert!(refusal(base.clone(), &clouds(51)).contains("other samples"));

    // A file that was changed on purpose, digest and all.
    let whole = Checkpoint::load(&path).unwrap();
    let tampered = |change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = whole.clone();
        change(&mut checkpoint);
        checkpoint.save(&path).unwrap();
        refusal(TrainConfig { epochs: 9, ..base.clone() }, &data)
    };
    assert!(tampered(&|c| c.parameters[0].name = "fc9.bias".to_owned()).contains("`fc9.bias`"));
    assert!(tampered(&|c| drop(c.parameters.remove(1))).contains("lacks the parameter"));
    let weight = |c: &Checkpoint| c.parameters.iter().position(|tensor| tensor.name == "hidden.weight").unwrap();
    assert!(
        tampered(&|c| {
            let weight = weight(c);
            c.parameters[weight].shape.reverse();
        })
        .contains("has the shape")
    );
    assert!(tampered(&|c| c.states[0].1.truncate(7)).contains("bytes"));
    assert!(tampered(&|c| c.states[1].1.truncate(7)).contains("cut off"));
    assert!(tampered(&|c| c.states[0].0 = "x".to_owned()).contains("`x`"));
    let endless = |c: &mut Checkpoint| {
        c.head.epoch = u64::MAX;
        c.head.best = Some((0.0, u64::MAX));
    };
    assert!(tampered(&endless).contains("it is of epoch 18446744073709551615"));
    assert!(tampered(&|c| c.head.config = "=".to_owned()).contains("another training"));
    assert!(tampered(&|c| c.head.best = Some((0.0, 2))).contains("lacks the parameter"));
}

#[test]
fn a_network_trained_further_goes_on_only_from_a_checkpoint_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.safetensors");
    let data = clouds(50);
    let start = |normalize| {
        Trainer::new(TrainConfig { normalize, ..five_epochs(Optimizer::adam(0.02)) })
            .unwrap()
            .fit(&data, |_| ())
            .unwrap()
    };
    let further = |start| {
        let config = TrainConfig { layers: Vec::new(), ..five_epochs(Optimizer::adam(0.01)) };
        Trainer::from_trained(config, start).unwrap()
    };
    let trainer = further(start(Normalize::Global));
    let unbroken = trainer.fit(&data, |_| ()).unwrap();
    stopped(&trainer.clone().checkpoint(&path), &data, |epoch, _| epoch == 3);
    assert_eq!(bytes(&trainer.resume(&path).fit(&data, |_| ()).unwrap()), bytes(&unbroken));
    let message = further(start(Normalize::Feature)).resume(&path).fit(&data, |_| ()).unwrap_err().to_string();
    assert!(message.contains("started from another network"), "{message}");
}

#[test]
fn samples_are_told_apart_by_every_bit() {
    let digest_of = |data: &Dataset| {
        let outputs = config(Optimizer::adam(0.02)).heads();
        digest(&Samples::labelled(data, &outputs).unwrap())
    };
    let input = |name: &str, samples: Vec<f32>, shape: &[usize]| {
        let samples = ndarray::ArrayD::from_shape_vec(shape, samples).unwrap();
        Dataset::new(vec![Input { name: name.into(), samples }], Some(Labels::new(vec![0, 1]))).unwrap()
    };
    let all = [
        input("x", vec![0.0, 1.0], &[2, 1]),
        input("y", vec![0.0, 1.0], &[2, 1]),
        input("x", vec![-0.0, 1.0], &[2, 1]),
        input("x", vec![0.0, 1.0], &[2]),
        clouds(2),
    ]
    .map(|data| digest_of(&data));
    for (index, digest) in all.iter().enumerate() {
        assert!(!all[..index].contains(digest));
    }
    assert_eq!(digest_of(&clouds(50_000)), digest_of(&clouds(50_000)));
}

//! The same bytes, whatever the order of the samples and however the work was divided or interrupted.

use dataset::{Dataset, OpenOptions, Part, Shard};
use dlquantizer::{Calibration, Calibrator, Checkpoint, FloatModel};
use onnx_model::Dim;
use onnx_model::graph::node;
use proptest::prelude::*;

use crate::common::{Net, Random, data, open, refused, three_layers};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/fashion-mnist");
const SAMPLES: usize = 150;

/// How the samples come.
#[derive(Debug, Clone)]
struct Way {
    order: Vec<usize>,
    /// Sizes of the batches, again from the first when they are used up.
    batches: Vec<usize>,
    threads: usize,
    /// The shard of each sample in its new order.
    shards: Vec<usize>,
    /// After how many samples of a shard its calibrator is given up and another one goes on.
    interrupted: Option<usize>,
}

fn ways() -> impl Strategy<Value = Way> {
    let order = Just((0..SAMPLES).collect::<Vec<_>>()).prop_shuffle();
    let batches = prop::collection::vec(1..100_usize, 1..4);
    let shards = (1..4_usize).prop_flat_map(|count| prop::collection::vec(0..count, SAMPLES));
    (order, batches, 1..4_usize, shards, prop::option::of(0..SAMPLES))
        .prop_map(|(order, batches, threads, shards, interrupted)| Way { order, batches, threads, shards, interrupted })
}

/// Feeds samples in batches of these sizes.
fn feed(calibrator: &mut Calibrator<'_>, samples: &Dataset, batches: &[usize]) {
    let mut sizes = batches.iter().cycle();
    let mut start = 0;
    while start < samples.len() {
        let end = samples.len().min(start + sizes.next().unwrap());
        let part = samples.select(&(start..end).collect::<Vec<_>>()).unwrap();
        part.batches(part.len()).for_each(|batch| calibrator.observe(&batch).unwrap());
        start = end;
    }
}

impl Way {
    fn calibrate(&self, model: &FloatModel, samples: &Dataset) -> Calibration {
        let mut shards: Vec<Vec<usize>> = vec![Vec::new(); self.shards.iter().max().unwrap() + 1];
        for (&sample, &shard) in self.order.iter().zip(&self.shards) {
            shards[shard].push(sample);
        }
        // A shard without samples is refused, and there is none where `Shard` divides more samples than shards.
        shards.retain(|samples| !samples.is_empty());
        let count = shards.len();
        let parts = shards.iter().enumerate().map(|(index, shard)| {
            let shard_samples = samples.select(shard).unwrap();
            let calibrator = self.shard(model, &shard_samples);
            calibrator.finish_shard(Shard::new(index + 1, count).unwrap()).unwrap()
        });
        parts.reduce(|all, part| part.merge(&all).unwrap()).unwrap()
    }

    fn shard<'m>(&self, model: &'m FloatModel, samples: &Dataset) -> Calibrator<'m> {
        let new = || Calibrator::with_threads(model, Some(self.threads)).unwrap();
        let Some(cut) = self.interrupted.filter(|&cut| 0 < cut && cut < samples.len()) else {
            let mut calibrator = new();
            feed(&mut calibrator, samples, &self.batches);
            return calibrator;
        };
        let all: Vec<usize> = (0..samples.len()).collect();
        let (before, after) = all.split_at(cut);
        let mut first = new();
        feed(&mut first, &samples.select(before).unwrap(), &self.batches);
        let bytes = first.checkpoint("run".to_owned(), [cut as u64, 0]).unwrap().to_bytes();
        let mut second = new().resume(Checkpoint::from_bytes(&bytes, "checkpoint").unwrap()).unwrap();
        assert_eq!(second.samples(), cut as u64);
        feed(&mut second, &samples.select(after).unwrap(), &self.batches);
        second
    }
}

/// The whole in one go.
fn plain(model: &FloatModel, samples: &Dataset) -> Vec<u8> {
    Calibrator::with_threads(model, Some(1)).unwrap().run(samples.batches(samples.len())).unwrap().to_bytes()
}

/// `x [1, 6, 6] -> conv + relu -> maxpool -> dense`, and a mean over channels on the side.
fn convolutional() -> Net {
    let mut net = Net::new(&[1, 6, 6]);
    net.random("conv.weight", &[3, 1, 3, 3]);
    net.random("conv.bias", &[3]);
    net.op("Conv", &["x", "conv.weight", "conv.bias"], "conv");
    net.op("Relu", &["conv"], "relu");
    net.node(
        node("MaxPool", "pool", &["relu"], &["pool"]).with_ints("kernel_shape", &[2, 2]).with_ints("strides", &[2, 2]),
    );
    net.op("Flatten", &["pool"], "flat");
    net.dense("flat", "y", 12, 4);
    net
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn of_a_real_network(way in ways()) {
        let model = FloatModel::open(format!("{FASHION}/mlp.onnx")).unwrap();
        let samples = Dataset::open(FASHION, &OpenOptions::new(Part::Calibration)).unwrap().take(SAMPLES).unwrap();
        let samples = model.adapt(samples).unwrap();
        prop_assert!(way.calibrate(&model, &samples).to_bytes() == plain(&model, &samples));
    }

    #[test]
    fn of_a_convolutional_network(way in ways()) {
        let model = open(&convolutional(), &["y"]);
        let samples = data(&Random::new(3).array(&[SAMPLES, 1, 6, 6]));
        prop_assert!(way.calibrate(&model, &samples).to_bytes() == plain(&model, &samples));
    }

    #[test]
    fn of_a_network_of_a_fixed_batch(way in ways()) {
        let mut net = three_layers(3, [6, 9, 5, 3]);
        net.graph.input.clear();
        net.input("x", Dim::Fixed(4), &[6]);
        let model = open(&net, &["y"]);
        let samples = data(&Random::new(3).array(&[SAMPLES, 6]));
        prop_assert!(way.calibrate(&model, &samples).to_bytes() == plain(&model, &samples));
    }
}

/// A checkpoint of a small network.
fn checkpoint(model: &FloatModel) -> Checkpoint {
    let mut calibrator = Calibrator::with_threads(model, Some(1)).unwrap();
    feed(&mut calibrator, &data(&Random::new(4).array(&[300, 2])), &[100]);
    calibrator.checkpoint("the run".to_owned(), [300, 2]).unwrap()
}

#[test]
fn a_checkpoint_that_is_cut_anywhere_is_refused() {
    let model = open(&three_layers(3, [2, 3, 2, 2]), &["y"]);
    let checkpoint = checkpoint(&model);
    let bytes = checkpoint.to_bytes();
    assert_eq!(Checkpoint::from_bytes(&bytes, "c").unwrap(), checkpoint);
    for length in 0..bytes.len() - 1 {
        let message = refused(Checkpoint::from_bytes(&bytes[..length], "c.checkpoint"));
        assert!(message.starts_with("c.checkpoint: not a valid checkpoint: "), "{length}: {message}");
    }
    // The last byte is the line feed, without which the checkpoint is whole.
    assert_eq!(Checkpoint::from_bytes(&bytes[..bytes.len() - 1], "c").unwrap(), checkpoint);
}

proptest! {
    #[test]
    fn a_damaged_checkpoint_is_refused_or_consistent(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let model = open(&three_layers(3, [2, 3, 2, 2]), &["y"]);
        let mut bytes = checkpoint(&model).to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes, "c")
            && let Ok(calibrator) = Calibrator::with_threads(&model, Some(1)).unwrap().resume(checkpoint)
        {
            // What was believed is a state that calibrations can be in.
            let _ = calibrator.finish();
        }
    }
}

#[test]
fn a_resumed_run_stops_where_the_unbroken_one_does() {
    let model = open(&three_layers(3, [2, 3, 2, 2]), &["y"]);
    let samples = data(&Random::new(4).array(&[5000, 2]));
    let all: Vec<usize> = (0..samples.len()).collect();
    let new = || Calibrator::with_threads(&model, Some(1)).unwrap().until_stable(0.03);
    let mut unbroken = new();
    feed(&mut unbroken, &samples, &[100]);
    let stop = unbroken.samples();
    assert!(unbroken.is_stable() && (512..5000).contains(&stop), "{stop}");
    let expected = unbroken.finish().unwrap().to_bytes();
    for cut in [10, 300, stop as usize - 1] {
        let (before, after) = all.split_at(cut);
        let mut first = new();
        feed(&mut first, &samples.select(before).unwrap(), &[7]);
        let mut second = new().resume(first.checkpoint(String::new(), [0, 0]).unwrap()).unwrap();
        feed(&mut second, &samples.select(after).unwrap(), &[64]);
        assert_eq!(second.samples(), stop, "cut at {cut}");
        assert!(second.finish().unwrap().to_bytes() == expected, "cut at {cut}");
    }
}

#[test]
fn a_checkpoint_goes_on_in_its_own_run_only() {
    let model = open(&three_layers(3, [2, 3, 2, 2]), &["y"]);
    let whole = checkpoint(&model);
    assert_eq!((whole.samples(), whole.position()), (300, [300, 2]));
    whole.check_run("the run").unwrap();
    let message = refused(whole.check_run("another"));
    assert!(message.contains("the run") && message.contains("another"), "{message}");
    let other = open(&three_layers(4, [2, 3, 2, 2]), &["y"]);
    let message = refused(Calibrator::new(&other).unwrap().resume(whole.clone()));
    assert!(message.contains("another model"), "{message}");
    let text = String::from_utf8(whole.to_bytes()).unwrap();
    for (from, to, expected) in [
        ("\"format_version\":2", "\"format_version\":3", "version"),
        ("\"tool_version\":\"", "\"tool_version\":\"0.0.", "version 0.0."),
        ("\"samples\":256", "\"samples\":257", "not those of its samples"),
    ] {
        assert!(text.contains(from));
        let changed = Checkpoint::from_bytes(text.replacen(from, to, 1).as_bytes(), "c").unwrap();
        let message = refused(Calibrator::new(&model).unwrap().resume(changed));
        assert!(message.contains(expected), "{message}");
    }
}

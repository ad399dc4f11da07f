use dataset::Shard;
use proptest::prelude::*;

use super::*;
use crate::sketch::sample_hash;

const MODEL: &str = "aa00";

/// The record of a tensor with one channel; each value of an activation is of a sample of its own.
fn record(name: &str, kind: TensorKind, values: &[f32]) -> TensorRecord {
    let half = |half| values.iter().copied().filter(|&value| hash(value) & 1 == half).collect::<Vec<_>>();
    TensorRecord {
        name: name.to_owned(),
        layer: "fc1".to_owned(),
        network_layer: "fc1 + bn1".to_owned(),
        kind,
        statistics: TensorStatistics::of(values),
        halves: (kind == TensorKind::Activation).then(|| [0, 1].map(|odd| TensorStatistics::of(&half(odd)))),
        channels: Some(ChannelStatistics::of(values, 1, 1).unwrap()),
        texture: None,
    }
}

fn hash(value: f32) -> u64 {
    sample_hash([[value].as_slice()].into_iter())
}

/// A weight, a bias, and an activation of which `activations` were observed on `samples` samples.
fn calibration(samples: u64, activations: &[f32]) -> Calibration {
    shard(None, samples, activations)
}

fn shard(shards: Option<Coverage>, samples: u64, activations: &[f32]) -> Calibration {
    let mut sketch = Sketch::default();
    activations.iter().for_each(|&value| sketch.insert(hash(value)));
    let tensors = vec![
        record("w", TensorKind::Weight, &[0.5, -0.25]),
        record("b", TensorKind::Bias, &[0.125]),
        record("y", TensorKind::Activation, activations),
    ];
    Calibration::new(MODEL.to_owned(), samples, shards, sketch, tensors).unwrap()
}

fn read(bytes: &[u8]) -> Result<Calibration, String> {
    Calibration::from_bytes(bytes, "c.json").map_err(|error| error.to_string())
}

/// The text of a calibration with one piece replaced.
fn edited(from: &str, to: &str) -> String {
    let text = String::from_utf8(calibration(3, &[1.0, 2.0]).to_bytes()).unwrap();
    assert!(text.contains(from), "{text} lacks {from}");
    text.replacen(from, to, 1)
}

fn activations() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![-10.0..10.0_f32, Just(f32::NAN), Just(0.0)], 0..50).prop_map(|mut values| {
        values.push(1.0);
        values
    })
}

proptest! {
    #[test]
    fn the_file_gives_the_calibration_back(samples in 1..1000_u64, values in activations()) {
        let calibration = calibration(samples, &values);
        let read = read(&calibration.to_bytes()).unwrap();
        prop_assert_eq!(&read, &calibration);
        prop_assert_eq!(read.to_bytes(), calibration.to_bytes());
        prop_assert_eq!(read.digest(), calibration.digest());
    }

    #[test]
    fn merging_parts_in_any_order_is_the_whole(a in activations(), b in activations(), c in activations()) {
        let whole = calibration(6, &[a.clone(), b.clone(), c.clone()].concat());
        let [a, b, c] = [calibration(1, &a), calibration(2, &b), calibration(3, &c)];
        let left = a.clone().merge(&b).unwrap().merge(&c).unwrap();
        let right = c.merge(&b.merge(&a).unwrap()).unwrap();
        prop_assert_eq!(left.to_bytes(), whole.to_bytes());
        prop_assert_eq!(right.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn all_shards_in_any_order_are_the_whole(
        parts in prop::collection::vec(activations(), 2..6),
        order in any::<prop::sample::Index>(),
    ) {
        let whole = calibration(parts.len() as u64, &parts.concat());
        let count = parts.len();
        let shards: Vec<Calibration> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| shard(Coverage::shard(Shard::new(index + 1, count).unwrap()), 1, part))
            .collect();
        let start = order.index(count);
        let merged = (1..count).map(|step| &shards[(start + step) % count]).try_fold(shards[start].clone(), |all, next| {
            prop_assert!(all.shards().is_some());
            Ok(all.merge(next).unwrap())
        })?;
        prop_assert_eq!(merged.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn changed_bytes_are_refused_or_consistent(
        values in activations(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = calibration(3, &values).to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match read(&bytes) {
            Ok(calibration) => prop_assert_eq!(read(&calibration.to_bytes()), Ok(calibration)),
            Err(message) => prop_assert!(message.starts_with("c.json: "), "{}", message),
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).is_err());
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = calibration(3, &[1.0, f32::NAN, -2.0]).to_bytes();
    // The last byte is the newline, without which the JSON is whole.
    for end in 0..bytes.len() - 1 {
        assert!(read(&bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn damaged_files_name_the_place_or_the_tensor() {
    for (text, expected) in [
        (
            String::new(),
            "c.json: not a valid calibration: EOF while parsing a value at line 1 column 0; run `quantize calibrate` again",
        ),
        (edited("\"samples\"", "\"surprise\":1,\"samples\""), "unknown field `surprise`"),
        (edited("\"kind\":\"bias\",", ""), "missing field `kind`"),
        (edited("\"kind\":\"bias\"", "\"kind\":\"Bias\""), "unknown variant `Bias`"),
        (edited("\"samples\":3", "\"samples\":0"), "the calibration saw no samples"),
        (edited("\"samples\":3", "\"samples\":-3"), "line 1 column"),
        (edited("\"name\":\"b\"", "\"name\":\"w\""), "tensor \"w\" twice"),
        (edited("\"max\":2.0", "\"max\":3.0"), "tensor \"y\": min and max are not in the first and last bin"),
        (
            edited("[16256,1,0]", "[16256,1,0],[16256,1,0]"),
            "tensor \"y\": histogram bin 0x3f80 is repeated or out of order",
        ),
        (edited("\"kind\":\"activation\"", "\"kind\":\"bias\""), "an activation has the statistics of two halves"),
        (edited("\"kind\":\"weight\"", "\"kind\":\"activation\""), "an activation has the statistics of two halves"),
        (edited("\"sketch\":[\"", "\"sketch\":[\"z"), "is not the hash of a sample"),
        (edited("\"samples\":3", "\"samples\":3,\"shards\":{\"of\":2,\"seen\":[3]}"), "shards [3] of 2"),
        (edited("}\n", "}}\n"), "trailing characters at line 1"),
    ] {
        let message = read(text.as_bytes()).unwrap_err();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

#[test]
fn another_version_is_told_even_with_unknown_fields() {
    for text in [
        edited("\"format_version\":2", "\"format_version\":1"),
        edited("\"format_version\":2", "\"format_version\":1,\"new\":[]"),
    ] {
        assert!(matches!(
            Calibration::from_bytes(text.as_bytes(), "c.json"),
            Err(Error::CalibrationVersion { found: 1, expected: 2, .. })
        ));
    }
}

#[test]
fn a_calibration_needs_samples_finite_values_and_distinct_names() {
    let new = |samples, tensors| Calibration::new(MODEL.to_owned(), samples, None, Sketch::default(), tensors);
    let fine = record("x", TensorKind::Activation, &[1.0]);
    assert!(matches!(new(0, vec![fine.clone()]), Err(Error::NoSamples)));
    assert!(matches!(new(1, vec![fine.clone(), fine.clone()]), Err(Error::DuplicateTensor(name)) if name == "x"));
    let poisoned = record("y", TensorKind::Activation, &[f32::NAN, f32::INFINITY, f32::NAN]);
    assert_eq!(
        new(1, vec![fine, poisoned]).unwrap_err().to_string(),
        "tensor \"y\": none of its 3 values is finite (2 NaN, 1 infinite), so it has no range; \
         check the calibration data and the weights"
    );
    assert!(matches!(new(1, vec![record("z", TensorKind::Weight, &[])]), Err(Error::NothingFinite { count: 0, .. })));
}

#[test]
fn what_does_not_belong_together_is_not_merged() {
    let ours = calibration(1, &[1.0]);
    let merge = |theirs: &Calibration| ours.clone().merge(theirs).map_err(|error| error.to_string());
    let changed = |change: fn(&mut Calibration)| {
        let mut theirs = ours.clone();
        change(&mut theirs);
        merge(&theirs).unwrap_err()
    };
    assert!(changed(|theirs| theirs.model_digest = "bb".to_owned()).contains("another model"));
    assert!(changed(|theirs| theirs.tool_version = "0.0.0".to_owned()).contains("version 0.0.0"));
    assert!(changed(|theirs| theirs.samples = u64::MAX).contains("more than 2^64 samples"));
    for message in [
        changed(|theirs| drop(theirs.tensors.pop())),
        changed(|theirs| theirs.tensors.swap(0, 1)),
        changed(|theirs| theirs.tensors[2].layer = "other".to_owned()),
        changed(|theirs| theirs.tensors[0].statistics = TensorStatistics::of(&[0.75])),
    ] {
        assert!(message.contains("not of the same tensors"), "{message}");
    }
    assert!(changed(|_| ()).contains("the same 1 samples"));
    let half = |index| shard(Coverage::shard(Shard::new(index, 2).unwrap()), 1, &[1.0]);
    let message = half(1).merge(&half(1)).unwrap_err().to_string();
    assert!(message.contains("both have seen shard 1 of 2"), "{message}");
    let message = half(1).merge(&ours).unwrap_err().to_string();
    assert!(message.contains("shard 1 of 2") && message.contains("whole"), "{message}");
    let merged = merge(&calibration(1, &[2.0])).unwrap();
    assert_eq!(merged.samples(), 2);
    assert_eq!(merged.tensor("w"), ours.tensor("w"), "a weight is no more often there for being calibrated twice");
    assert_eq!(merged.tensor("y").unwrap().statistics.count(), 2);
}

#[test]
fn the_model_is_checked_by_digest() {
    let calibration = calibration(1, &[1.0]);
    calibration.check_model(MODEL).unwrap();
    let message = calibration.check_model("bb11").unwrap_err().to_string();
    assert!(message.contains("BLAKE3 aa00, this one is bb11"), "{message}");
}

#[test]
fn files_are_written_whole_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.json");
    let calibration = calibration(2, &[1.0, -1.0]);
    calibration.save(&path).unwrap();
    assert_eq!(Calibration::load(&path).unwrap(), calibration);
    assert_eq!(std::fs::read(&path).unwrap(), calibration.to_bytes());

    let missing = directory.path().join("missing").join("c.json");
    for error in [calibration.save(&missing).unwrap_err(), Calibration::load(&missing).unwrap_err()] {
        assert!(error.to_string().contains(&missing.display().to_string()), "{error}");
    }
}

#[test]
fn tensors_are_found_by_name_in_the_order_given() {
    let calibration = calibration(1, &[4.0]);
    assert_eq!(calibration.tensors().iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), ["w", "b", "y"]);
    assert_eq!(calibration.tensor("y").unwrap().statistics.max(), Some(4.0));
    assert_eq!(calibration.tensor("z"), None);
    assert_eq!(calibration.tool_version(), env!("CARGO_PKG_VERSION"));
}

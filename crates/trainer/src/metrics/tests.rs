use std::fs;
use std::path::Path;

use super::*;
use crate::error::Error;

fn record(epoch: u64, scalars: &[(&str, f64)]) -> Record {
    let scalars = scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Record { epoch, step: 10 * epoch, seconds: 0.5 * epoch as f64, scalars }
}

fn event_files(directory: &Path) -> Vec<Vec<tensorboard::tests::Values>> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_events = |path: &&std::path::PathBuf| path.to_str().unwrap().contains("tfevents");
    paths.iter().filter(is_events).map(|path| tensorboard::tests::read(&fs::read(path).unwrap())).collect()
}

#[test]
fn all_files_hold_every_record_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let mut log = MetricsLog::create(directory.path()).unwrap();
    let records = [
        record(1, &[("loss", 0.5), ("rate, \"final\"", 1e-9)]),
        record(2, &[("loss", 0.25), ("rate, \"final\"", 0.1)]),
    ];
    for (index, record) in records.iter().enumerate() {
        log.append(record.clone()).unwrap();
        // Before the log is dropped: a killed process leaves no less.
        let read = read_metrics(path("metrics.jsonl")).unwrap();
        assert_eq!(read, MetricsFile { records: records[..=index].to_vec(), cut_off: false });
        assert_eq!(event_files(directory.path())[0].len(), index + 1);
    }
    assert_eq!(
        fs::read_to_string(path("metrics.csv")).unwrap(),
        "epoch,step,seconds,loss,\"rate, \"\"final\"\"\"\n1,10,0.5,0.5,0.000000001\n2,20,1,0.25,0.1\n"
    );
    assert_eq!(
        event_files(directory.path())[0][1],
        (20, vec![("loss".to_owned(), 0.25), ("rate, \"final\"".to_owned(), 0.1)])
    );
    assert_eq!(log.records(), records);
}

#[test]
fn a_name_that_comes_later_gets_a_column_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = MetricsLog::create(directory.path()).unwrap();
    log.append(record(1, &[("a", 1.0)])).unwrap();
    log.append(record(2, &[("b", f64::NAN), ("a", f64::INFINITY)])).unwrap();
    log.append(record(3, &[("b", 3.0)])).unwrap();
    let table = fs::read_to_string(directory.path().join("metrics.csv")).unwrap();
    assert_eq!(table, "epoch,step,seconds,a,b\n1,10,0.5,1,\n2,20,1,,\n3,30,1.5,,3\n");
    let lines = fs::read_to_string(directory.path().join("metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().nth(1).unwrap(), r#"{"epoch":2,"step":20,"seconds":1.0,"b":null,"a":null}"#);
    let read = read_metrics(directory.path().join("metrics.jsonl")).unwrap();
    assert!(read.records[1].scalar("b").unwrap().is_nan());
}

#[test]
fn a_resumed_log_forgets_what_comes_after_the_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = MetricsLog::create(directory.path()).unwrap();
    for epoch in 1..=3 {
        log.append(record(epoch, &[("loss", epoch as f64)])).unwrap();
    }
    drop(log);
    let mut log = MetricsLog::resume(directory.path(), 2).unwrap();
    log.append(record(3, &[("loss", -3.0)])).unwrap();
    let read = read_metrics(directory.path().join("metrics.jsonl")).unwrap();
    let losses: Vec<_> = read.records.iter().map(|record| (record.epoch, record.scalar("loss").unwrap())).collect();
    assert_eq!(losses, [(1, 1.0), (2, 2.0), (3, -3.0)]);
    let table = fs::read_to_string(directory.path().join("metrics.csv")).unwrap();
    assert_eq!(table, "epoch,step,seconds,loss\n1,10,0.5,1\n2,20,1,2\n3,30,1.5,-3\n");
    // The second file voids step 30 of the first one before it tells its own.
    assert_eq!(event_files(directory.path())[1], [(21, vec![]), (30, vec![("loss".to_owned(), -3.0)])]);

    // A power cut may have taken the last records, but not the checkpoint.
    assert_eq!(MetricsLog::resume(directory.path(), 4).unwrap().records().len(), 3);
    // From the start: whatever is there is void.
    assert_eq!(MetricsLog::resume(directory.path(), 0).unwrap().records(), []);
}

#[test]
fn files_that_are_there_already_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("metrics.jsonl"), "precious").unwrap();
    let error = MetricsLog::create(directory.path()).unwrap_err();
    assert!(matches!(error, Error::WriteRun { .. }), "{error}");
    assert_eq!(fs::read_to_string(directory.path().join("metrics.jsonl")).unwrap(), "precious");
}

#[test]
fn files_that_hold_no_metrics_are_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.jsonl");
    let good = "{\"epoch\":1,\"step\":2,\"seconds\":0.5,\"loss\":1}\n";
    for (text, reason) in [
        (String::new(), "empty"),
        (good[..20].to_owned(), "cut off within its first line"),
        ("{}\n".to_owned(), "line 1"),
        ("[1,2]\n".to_owned(), "line 1"),
        ("{\"epoch\":-1,\"step\":2,\"seconds\":0.5}\n".to_owned(), "line 1"),
        (good.replace("\"loss\":1", "\"loss\":\"low\""), "line 1"),
        (format!("{good}{good}"), "line 2 is of epoch 1, after a line of epoch 1"),
        (format!("{good}\n"), "line 2"),
    ] {
        fs::write(&path, text).unwrap();
        let error = read_metrics(&path).unwrap_err().to_string();
        assert!(error.contains("m.jsonl") && error.contains(reason), "{error}");
    }
    fs::write(&path, format!("{good}{}", &good[..30])).unwrap();
    let read = read_metrics(&path).unwrap();
    assert!(read.cut_off);
    assert_eq!(read.records.len(), 1);
    assert!(read_metrics(directory.path().join("none")).unwrap_err().to_string().contains("none"));
}

proptest::proptest! {
    #[test]
    fn damaged_metrics_never_panic(bytes: Vec<u8>, at in 0_usize..60, bit in 0..8_u32) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.jsonl");
        let mut good = b"{\"epoch\":1,\"step\":2,\"seconds\":0.5,\"loss\":1e300}\n{\"epoch\":2,\"step\":4}\n".to_vec();
        good[at] ^= 1 << bit;
        for bytes in [bytes, good] {
            fs::write(&path, bytes).unwrap();
            if let Ok(read) = read_metrics(&path) {
                assert!(!read.records.is_empty());
            }
        }
    }
}

//! Records as JSON lines: one object per line, each complete in itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Record;
use crate::error::{Error, Result};

/// Far more than the records of any training; keeps a wrong path from being read into memory.
const MAX_BYTES: u64 = 256 << 20;

/// The records of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsFile {
    /// At least one, each of a later epoch than the one before.
    pub records: Vec<Record>,
    /// Whether the file ends within a line, as when the process was killed while writing it. That line is left out.
    pub cut_off: bool,
}

/// The line of a record.
pub(super) fn line(record: &Record) -> String {
    // Numbers and text always have a JSON form.
    serde_json::to_string(record).unwrap_or_default() + "\n"
}

/// Reads the `metrics.jsonl` of a run.
///
/// # Errors
///
/// If the file cannot be read, is larger than 256 MiB, holds no complete record, or has a line that is no record of a later epoch.
pub fn read_metrics(path: impl AsRef<Path>) -> Result<MetricsFile> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|cause| Error::ReadRun { path: path.to_owned(), cause })?;
    let bad = |reason| Error::BadRun { path: path.to_owned(), reason };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad(format!("it is larger than {MAX_BYTES} bytes")));
    }
    parse(&bytes).map_err(bad)
}

fn parse(bytes: &[u8]) -> Result<MetricsFile, String> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let (lines, rest) = bytes.split_at(whole);
    let mut records: Vec<Record> = Vec::new();
    for (number, line) in (1..).zip(lines.split_inclusive(|&byte| byte == b'\n')) {
        let record: Record =
            serde_json::from_slice(line).map_err(|error| format!("line {number} is no record of metrics: {error}"))?;
        if let Some(last) = records.last()
            && record.epoch <= last.epoch
        {
            let (epoch, last) = (record.epoch, last.epoch);
            return Err(format!("line {number} is of epoch {epoch}, after a line of epoch {last}"));
        }
        records.push(record);
    }
    match (records.is_empty(), bytes.is_empty()) {
        (true, true) => Err("it is empty: no epoch was completed".to_owned()),
        (true, false) => Err("it is cut off within its first line".to_owned()),
        (false, _) => Ok(MetricsFile { records, cut_off: !rest.is_empty() }),
    }
}

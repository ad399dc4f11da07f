//! The metrics of a run in three forms, each complete after every record.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::csv_table::Columns;
use super::{Record, json_lines, read_metrics, tensorboard};
use crate::error::{Error, Result};

/// Writes records to `metrics.jsonl`, `metrics.csv` and an event file for TensorBoard, all in one directory.
///
/// Every record is handed to the operating system before [`Self::append`] returns, so a process that is killed leaves files that
/// can be read up to its last record.
#[derive(Debug)]
pub struct MetricsLog {
    records: Vec<Record>,
    columns: Columns,
    json_lines: Target,
    csv: Target,
    events: Target,
}

impl MetricsLog {
    /// The name of the file of JSON lines.
    pub const JSON_LINES: &'static str = "metrics.jsonl";
    /// The name of the table.
    pub const CSV: &'static str = "metrics.csv";

    /// Starts the files in an existing directory without metrics.
    ///
    /// # Errors
    ///
    /// If a file cannot be created, or there is one already.
    pub fn create(directory: &Path) -> Result<Self> {
        let mut log = Self {
            records: Vec::new(),
            columns: Columns::default(),
            json_lines: Target::create(directory.join(Self::JSON_LINES))?,
            csv: Target::create(directory.join(Self::CSV))?,
            events: events_file(directory)?,
        };
        log.events.append(&tensorboard::file_version(now()))?;
        Ok(log)
    }

    /// Goes on with the files of a run that was stopped, after the epoch `epochs`; what they have of later ones is removed.
    ///
    /// The records of the table are made anew from those in JSON; TensorBoard gets another event file, which voids the later part of
    /// the earlier ones.
    ///
    /// # Errors
    ///
    /// Those of [`read_metrics`], except that the file may be missing; or if a file cannot be written.
    pub fn resume(directory: &Path, epochs: u64) -> Result<Self> {
        let path = directory.join(Self::JSON_LINES);
        let mut records = match epochs > 0 && path.exists() {
            true => read_metrics(&path)?.records,
            false => Vec::new(),
        };
        records.retain(|record| record.epoch <= epochs);
        let mut columns = Columns::default();
        for record in &records {
            columns.widen(record);
        }
        let lines: String = records.iter().map(json_lines::line).collect();
        let mut log = Self {
            json_lines: Target::replace(path, lines.as_bytes())?,
            csv: Target::replace(directory.join(Self::CSV), table(&columns, &records).as_bytes())?,
            events: events_file(directory)?,
            columns,
            records,
        };
        let step = log.records.last().map_or(0, |record| record.step);
        log.events.append(&tensorboard::file_version(now()))?;
        log.events.append(&tensorboard::resumption(now(), step.saturating_add(1)))?;
        Ok(log)
    }

    /// Adds a record to all files.
    ///
    /// # Errors
    ///
    /// If a file cannot be written, as on a full disk.
    pub fn append(&mut self, record: Record) -> Result<()> {
        self.json_lines.append(json_lines::line(&record).as_bytes())?;
        let wider = self.columns.widen(&record);
        let row = self.columns.row(&record);
        let events = tensorboard::scalars(now(), &record);
        self.records.push(record);
        if wider || self.records.len() == 1 {
            self.csv = Target::replace(self.csv.path.clone(), table(&self.columns, &self.records).as_bytes())?;
        } else {
            self.csv.append(row.as_bytes())?;
        }
        self.events.append(&events)
    }

    /// All records so far, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

fn table(columns: &Columns, records: &[Record]) -> String {
    columns.header() + &records.iter().map(|record| columns.row(record)).collect::<String>()
}

/// A file that grows.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    fn create(path: PathBuf) -> Result<Self> {
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(cause) => Err(Error::WriteRun { path, cause }),
        }
    }

    /// Replaces the file by `bytes`, as a whole or not at all, to go on behind them.
    fn replace(path: PathBuf, bytes: &[u8]) -> Result<Self> {
        onnx_model::write_atomic(&path, bytes)?;
        match OpenOptions::new().append(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(cause) => Err(Error::WriteRun { path, cause }),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|cause| Error::WriteRun { path: self.path.clone(), cause })
    }
}

/// A new event file. Its name sorts after those of earlier files of the run, which is the order TensorBoard reads them in.
fn events_file(directory: &Path) -> Result<Target> {
    let seconds = now() as u64;
    for attempt in 0..1000 {
        match Target::create(directory.join(format!("events.out.tfevents.{seconds:010}.quantize.{attempt:03}"))) {
            Err(Error::WriteRun { cause, .. }) if cause.kind() == ErrorKind::AlreadyExists => {}
            result => return result,
        }
    }
    let path = directory.join(format!("events.out.tfevents.{seconds:010}.quantize.999"));
    Err(Error::WriteRun { path, cause: ErrorKind::AlreadyExists.into() })
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

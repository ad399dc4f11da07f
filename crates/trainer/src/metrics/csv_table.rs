//! Records as a table: a column per name, a row per record.

use super::{EPOCH, Record, SECONDS, STEP};

/// The columns of a table, left to right.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// Adds a column for each new name of the record; `true` if there was one.
    pub(super) fn widen(&mut self, record: &Record) -> bool {
        let before = self.0.len();
        for (name, _) in &record.scalars {
            if !self.0.contains(name) {
                self.0.push(name.clone());
            }
        }
        self.0.len() > before
    }

    /// The first line of the table.
    pub(super) fn header(&self) -> String {
        line([EPOCH, STEP, SECONDS].into_iter().chain(self.0.iter().map(String::as_str)))
    }

    /// The line of a record. The cell of a name it lacks, and of a number that is not finite, is empty.
    pub(super) fn row(&self, record: &Record) -> String {
        let number = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
        let fixed = [record.epoch.to_string(), record.step.to_string(), number(record.seconds)];
        let scalars = self.0.iter().map(|name| record.scalar(name).map(number).unwrap_or_default());
        line(fixed.into_iter().chain(scalars))
    }
}

fn line<F: AsRef<[u8]>>(fields: impl IntoIterator<Item = F>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Nothing fails that is written to memory, and of text only text is made.
    let bytes = writer.write_record(fields).ok().and_then(|()| writer.into_inner().ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

//! Tables of numbers in CSV with a header row: one sample per line, one feature per column.

use std::collections::BTreeSet;

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use crate::element::MAX_ELEMENTS;
use crate::open::LabelSource;
use crate::{Dataset, Input, Labels, Problem};

/// A table before its labels are turned into class numbers.
pub(crate) struct Table<'a> {
    text: Text<'a>,
    header: StringRecord,
    features: Array2<f32>,
    labels: Option<LabelColumn>,
}

/// The texts of the label column and where they stand.
struct LabelColumn {
    position: usize,
    cells: Vec<String>,
    starts: Vec<u64>,
}

/// The bytes of a CSV file.
#[derive(Clone, Copy)]
struct Text<'a>(&'a [u8]);

impl<'a> Table<'a> {
    /// Reads a whole table. The last column holds the labels unless `label_source` says otherwise.
    pub(crate) fn read(text: &'a [u8], label_source: &LabelSource) -> Result<Self, Problem> {
        let text = Text(text);
        let mut reader = text.reader();
        let header = reader.headers().map_err(|error| text.problem(error))?.clone();
        let label_position = label_position(&header, label_source)?;
        let width = header.len() - usize::from(label_position.is_some());
        if width == 0 {
            return Err(Problem::Samples(format!(
                "the header row `{}` names no column of features; columns are separated by commas, \
                 and the last one holds the labels unless another is named or the data are said to have none",
                header.iter().collect::<Vec<_>>().join(",")
            )));
        }
        let mut features = Vec::new();
        let mut labels = label_position.map(|position| LabelColumn { position, cells: Vec::new(), starts: Vec::new() });
        let mut rows = 0;
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| text.problem(error))? {
            let start = record.position().map_or(0, Position::byte);
            let place = |column: usize| format!("line {}, column `{}`", text.line(start), &header[column]);
            for (i, cell) in record.iter().enumerate() {
                let labels = labels.as_mut().filter(|labels| labels.position == i);
                let Some(labels) = labels else {
                    features.push(number(cell, || place(i))?);
                    continue;
                };
                if cell.is_empty() {
                    let place = place(i);
                    let text = format!("{place}: the label is missing; fill it in or remove the line");
                    return Err(Problem::Labels(text));
                }
                labels.cells.push(cell.to_owned());
                labels.starts.push(start);
            }
            rows += 1;
            if features.len() as u64 > MAX_ELEMENTS {
                return Err(Problem::TooLarge(format!(
                    "line {} takes the table above {MAX_ELEMENTS} values; save fewer samples",
                    text.line(start)
                )));
            }
        }
        let features = Array2::from_shape_vec((rows, width), features)
            .map_err(|error| Problem::Malformed(format!("rows of unequal length: {error}")))?;
        Ok(Self { text, header, features, labels })
    }

    /// The different texts of the label column.
    pub(crate) fn label_texts(&self) -> BTreeSet<String> {
        let cells = self.labels.iter().flat_map(|labels| &labels.cells);
        cells.cloned().collect()
    }

    /// The different texts of the label column of another table, if that table has the same columns.
    pub(crate) fn label_texts_of(&self, other: &[u8]) -> Result<BTreeSet<String>, Problem> {
        let text = Text(other);
        let mut texts = BTreeSet::new();
        let mut reader = text.reader();
        if let Some(LabelColumn { position, .. }) = self.labels
            && *reader.headers().map_err(|error| text.problem(error))? == self.header
        {
            for record in reader.records() {
                let record = record.map_err(|error| text.problem(error))?;
                texts.extend(record.get(position).map(str::to_owned));
            }
        }
        Ok(texts)
    }

    /// The data set of this table.
    ///
    /// `label_texts` are those of all parts of the data set. If all of them are numbers, they are the class numbers;
    /// otherwise a class is numbered by its place in their order.
    pub(crate) fn into_dataset(self, label_texts: BTreeSet<String>) -> Result<Dataset, Problem> {
        let numeric = label_texts.iter().all(|text| text.parse::<f64>().is_ok());
        let labels = self.labels.map(|LabelColumn { position, cells, starts }| {
            if !numeric {
                return Labels::from_names(&cells, label_texts.into_iter().collect());
            }
            let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
            Labels::from_numbers(&numbers, |i| {
                format!("line {}, column `{}`: the label", self.text.line(starts[i]), &self.header[position])
            })
        });
        let input = Input { name: "x".into(), samples: self.features.into_dyn() };
        Dataset::checked(vec![input], labels.transpose()?)
    }
}

impl<'a> Text<'a> {
    fn reader(self) -> csv::Reader<&'a [u8]> {
        ReaderBuilder::new().trim(Trim::All).from_reader(self.0)
    }

    /// The line, counted from 1, of the record that is read from byte `start` on.
    ///
    /// The reader's own count differs: a record begins for it before the rest of the last line's end and before empty
    /// lines.
    fn line(self, start: u64) -> usize {
        let start = self.0.len().min(start as usize);
        let skipped = self.0[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let ends_a_line = |i: &usize| match self.0[*i] {
            b'\r' => self.0.get(i + 1) != Some(&b'\n'),
            byte => byte == b'\n',
        };
        1 + (0..start + skipped).filter(ends_a_line).count()
    }

    fn problem(self, error: csv::Error) -> Problem {
        let line = self.line(error.position().map_or(0, Position::byte));
        match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Problem::Malformed(format!(
                "line {line}: {len} columns, but the header row has {expected_len}; every line needs a value \
                 for each column"
            )),
            csv::ErrorKind::Utf8 { err, .. } => {
                Problem::Malformed(format!("line {line}: {err}; save the table as UTF-8"))
            }
            _ => Problem::Malformed(format!("not a table in CSV: {error}")),
        }
    }
}

/// The column that holds the labels, if there is one.
fn label_position(header: &StringRecord, label_source: &LabelSource) -> Result<Option<usize>, Problem> {
    if header.is_empty() {
        return Err(Problem::Samples("the file is empty; it needs a header row and samples".into()));
    }
    // Tables without names for their columns are often saved with the numbers 0, 1, 2, ... as names.
    let counted = header.iter().enumerate().all(|(i, name)| name == i.to_string());
    if !counted && header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(Problem::Malformed(
            "line 1 holds numbers only; put a header row with the names of the columns above it".into(),
        ));
    }
    match label_source {
        LabelSource::None => Ok(None),
        LabelSource::Usual => Ok(Some(header.len() - 1)),
        LabelSource::Named(wanted) => {
            let mut found = header.iter().enumerate().filter(|(_, name)| name == wanted);
            match (found.next(), found.next()) {
                (Some((position, _)), None) => Ok(Some(position)),
                (Some(_), Some(_)) => Err(Problem::Labels(format!(
                    "two columns are named `{wanted}`; the labels need a name of their own"
                ))),
                (None, _) => Err(Problem::Labels(format!(
                    "there is no column `{wanted}` for the labels; the columns are `{}`",
                    header.iter().collect::<Vec<_>>().join("`, `")
                ))),
            }
        }
    }
}

fn number(cell: &str, place: impl FnOnce() -> String) -> Result<f32, Problem> {
    cell.parse().map_err(|_| {
        Problem::Malformed(format!(
            "{}: `{cell}` is not a number; write a number (or nan), or remove the column if it is no feature",
            place()
        ))
    })
}

#[cfg(test)]
mod tests;

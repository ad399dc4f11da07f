//! Tables of numbers in CSV with a header row: one sample per line, one feature per column.

use std::collections::BTreeSet;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord, Trim};
use ndarray::Array2;

use crate::element::MAX_ELEMENTS;
use crate::open::LabelSource;
use crate::{Dataset, Input, Labels, Problem};

/// A table before its labels are turned into class numbers.
pub(crate) struct Table {
    header: StringRecord,
    features: Array2<f32>,
    labels: Option<LabelColumn>,
}

/// The texts of the label column and where they stand.
struct LabelColumn {
    position: usize,
    cells: Vec<String>,
    lines: Vec<u64>,
}

impl Table {
    /// Reads a whole table. The last column holds the labels unless `label_source` says otherwise.
    pub(crate) fn read(reader: impl Read, label_source: &LabelSource) -> Result<Self, Problem> {
        let mut reader = csv_reader(reader);
        let header = reader.headers().map_err(csv_problem)?.clone();
        let label_position = label_position(&header, label_source)?;
        let width = header.len() - usize::from(label_position.is_some());
        if width == 0 {
            return Err(Problem::Samples(format!(
                "the header row `{}` names no column of features; columns are separated by commas, and the last one holds the \
                 labels unless another is named or the data are said to have none",
                header.iter().collect::<Vec<_>>().join(",")
            )));
        }
        let mut features = Vec::new();
        let mut labels = label_position.map(|position| LabelColumn { position, cells: Vec::new(), lines: Vec::new() });
        let mut rows = 0;
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(csv_problem)? {
            let line = record.position().map_or(0, csv::Position::line);
            for (i, cell) in record.iter().enumerate() {
                if Some(i) != label_position {
                    features.push(number(cell, line, &header[i])?);
                } else if let Some(labels) = &mut labels {
                    labels.push(cell, line, &header[i])?;
                }
            }
            rows += 1;
            if features.len() as u64 > MAX_ELEMENTS {
                return Err(Problem::TooLarge(format!(
                    "line {line} takes the table above {MAX_ELEMENTS} values; save fewer samples"
                )));
            }
        }
        let features = Array2::from_shape_vec((rows, width), features)
            .map_err(|error| Problem::Malformed(format!("rows of unequal length: {error}")))?;
        Ok(Self { header, features, labels })
    }

    /// The different texts of the label column.
    pub(crate) fn label_texts(&self) -> BTreeSet<String> {
        let cells = self.labels.iter().flat_map(|labels| &labels.cells);
        cells.cloned().collect()
    }

    /// The different texts of the label column of another table, if that table has the same columns.
    pub(crate) fn label_texts_of(&self, other: impl Read) -> Result<BTreeSet<String>, Problem> {
        let mut texts = BTreeSet::new();
        let mut reader = csv_reader(other);
        if let Some(LabelColumn { position, .. }) = self.labels
            && *reader.headers().map_err(csv_problem)? == self.header
        {
            for record in reader.records() {
                let record = record.map_err(csv_problem)?;
                texts.extend(record.get(position).map(str::to_owned));
            }
        }
        Ok(texts)
    }

    /// The data set of this table.
    ///
    /// `label_texts` are those of all parts of the data set. If all of them are numbers, they are the class numbers; otherwise a
    /// class is numbered by its place in their order.
    pub(crate) fn into_dataset(self, label_texts: BTreeSet<String>) -> Result<Dataset, Problem> {
        let numeric = label_texts.iter().all(|text| text.parse::<f64>().is_ok());
        let labels = self.labels.map(|LabelColumn { position, cells, lines }| {
            if !numeric {
                return Labels::from_names(&cells, label_texts.into_iter().collect());
            }
            let numbers: Vec<f64> = cells.iter().filter_map(|cell| cell.parse().ok()).collect();
            Labels::from_numbers(&numbers, |i| {
                format!("line {}, column `{}`: the label", lines[i], &self.header[position])
            })
        });
        let input = Input { name: "x".into(), samples: self.features.into_dyn() };
        Dataset::checked(vec![input], labels.transpose()?)
    }
}

impl LabelColumn {
    fn push(&mut self, cell: &str, line: u64, column: &str) -> Result<(), Problem> {
        if cell.is_empty() {
            return Err(Problem::Labels(format!(
                "line {line}, column `{column}`: the label is missing; fill it in or remove the line"
            )));
        }
        self.cells.push(cell.to_owned());
        self.lines.push(line);
        Ok(())
    }
}

fn csv_reader<R: Read>(reader: R) -> csv::Reader<R> {
    ReaderBuilder::new().trim(Trim::All).from_reader(reader)
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

fn number(cell: &str, line: u64, column: &str) -> Result<f32, Problem> {
    cell.parse().map_err(|_| {
        Problem::Malformed(format!(
            "line {line}, column `{column}`: `{cell}` is not a number; write a number (or nan), or remove the column if it is \
             no feature"
        ))
    })
}

fn csv_problem(error: csv::Error) -> Problem {
    let text = error.to_string();
    let line = |position: Option<csv::Position>| position.map_or(1, |position| position.line());
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Problem::Io(error),
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Problem::Malformed(format!(
            "line {}: {len} columns, but the header row has {expected_len}; every line needs a value for each column",
            line(pos)
        )),
        csv::ErrorKind::Utf8 { pos, err } => {
            Problem::Malformed(format!("line {}: {err}; save the table as UTF-8", line(pos)))
        }
        _ => Problem::Malformed(format!("not a table in CSV: {text}")),
    }
}

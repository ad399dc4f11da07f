//! Tables of numbers in CSV with a header row: one sample per line, one feature per column.

use std::io::{Read, Seek};

use csv::StringRecord;
use ndarray::Array2;

use crate::class_names::{ClassNames, class_of};
use crate::csv_rows::Rows;
use crate::labels::Classes;
use crate::numbers::{MAX_ELEMENTS, check_memory};
use crate::options::LabelSource;
use crate::stream::Source;
use crate::{Dataset, Error, Input, Labels, Problem, Shard};

/// A table whose label column has been read once, to know the classes before the first sample.
pub(crate) struct Scanned<R> {
    rows: Rows<R>,
    labels: Option<LabelScan>,
}

/// What the label column holds.
struct LabelScan {
    position: usize,
    rows: usize,
    names: ClassNames,
    /// The first number that is no class: where its row begins, and what is wrong with it.
    fault: Option<(u64, Problem)>,
}

impl<R: Read + Seek + Send> Scanned<R> {
    /// Reads the label column, which is the last one unless `label_source` says otherwise.
    pub(crate) fn new(file: R, label_source: &LabelSource) -> Result<Self, Problem> {
        let mut rows = Rows::new(file)?;
        let position = label_position(rows.header(), label_source)?;
        if rows.header().len() == usize::from(position.is_some()) {
            return Err(Problem::Samples(format!(
                "the header row `{}` names no column of features; columns are separated by commas, \
                 and the last one holds the labels unless another is named or the data are said to have none",
                rows.header().iter().collect::<Vec<_>>().join(",")
            )));
        }
        let Some(position) = position else {
            return Ok(Self { rows, labels: None });
        };
        let labels = LabelScan::new(&mut rows, position)?;
        Ok(Self { rows: rows.rewind()?, labels: Some(labels) })
    }

    /// Reads the label column of another part of the data set, if that table has the same columns, so that both number
    /// their classes alike.
    pub(crate) fn add_classes_of(&mut self, other: R) -> Result<(), Problem> {
        let Some(labels) = &mut self.labels else {
            return Ok(());
        };
        let mut other = Rows::new(other)?;
        if other.header() == self.rows.header() {
            while let Some(row) = other.next()? {
                if let Some(text) = row.get(labels.position).map(str::trim).filter(|text| !text.is_empty()) {
                    labels.names.add_of_other_part(text);
                }
            }
        }
        Ok(())
    }

    /// The samples of this table, of the file named `file` in error texts.
    pub(crate) fn into_source(mut self, file: &str) -> Result<Table<R>, Problem> {
        let mut len = None;
        let labels = match self.labels {
            None => None,
            Some(LabelScan { position, rows, names, fault }) => {
                if let (false, Some((start, problem))) = (names.has_names(), fault) {
                    return Err(self.rows.at(start, position, problem));
                }
                len = Some(rows);
                Some((position, names.into_classes(&self.rows.header()[position])?))
            }
        };
        let width = self.rows.header().len() - usize::from(labels.is_some());
        let table = Table { file: file.to_owned(), rows: self.rows, width, labels, len, passed: 0 };
        if len == Some(0) {
            return Err(table.no_rows());
        }
        Ok(table)
    }
}

impl LabelScan {
    fn new<R: Read + Seek>(rows: &mut Rows<R>, position: usize) -> Result<Self, Problem> {
        let mut scan = Self { position, rows: 0, names: ClassNames::default(), fault: None };
        while let Some(row) = rows.next()? {
            let text = row.get(position).unwrap_or_default().trim();
            if text.is_empty() {
                let problem = Problem::Labels("the label is missing; fill it in or remove the line".into());
                return Err(rows.at(rows.start(), position, problem));
            }
            scan.rows += 1;
            let added = scan.names.add(text);
            if let (Err(problem), None) = (added, &scan.fault) {
                scan.fault = Some((rows.start(), problem));
            }
        }
        Ok(scan)
    }
}

/// The samples of a table.
pub(crate) struct Table<R> {
    file: String,
    rows: Rows<R>,
    /// The number of features.
    width: usize,
    /// The position of the label column, and the classes in it.
    labels: Option<(usize, Classes)>,
    len: Option<usize>,
    /// The rows read so far.
    passed: usize,
}

impl<R: Read + Seek + Send> Table<R> {
    fn next_piece(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Problem> {
        let (mut features, mut ids) = (Vec::new(), Vec::new());
        if let Some(len) = self.len {
            let n = n.min(shard.owned(self.passed..len));
            check_memory(n, self.width as u64)?;
            features.reserve_exact(n * self.width);
            ids.reserve_exact(n);
        }
        let mut taken = 0;
        while taken < n {
            let Some(row) = self.rows.next()? else {
                self.len = Some(self.passed);
                break;
            };
            self.passed += 1;
            if !shard.owns(self.passed - 1) {
                continue;
            }
            if let Err((column, problem)) = read_row(row, self.labels.as_ref(), &mut features, &mut ids) {
                return Err(self.rows.at(self.rows.start(), column, problem));
            }
            taken += 1;
            if features.len() as u64 > MAX_ELEMENTS {
                let problem = format!("the table goes above {MAX_ELEMENTS} values here; take fewer samples");
                return Err(self.rows.at(self.rows.start(), 0, Problem::TooLarge(problem)));
            }
        }
        if self.passed == 0 {
            return Err(self.no_rows());
        }
        if taken == 0 {
            return Ok(None);
        }
        let samples = Array2::from_shape_vec((taken, self.width), features)
            .map_err(|error| Problem::Malformed(format!("rows of unequal length: {error}")))?;
        let labels = self.labels.as_ref().map(|(_, classes)| Labels::in_classes(ids, classes)).transpose()?;
        Dataset::checked(vec![Input { name: "x".into(), samples: samples.into_dyn() }], labels).map(Some)
    }

    fn no_rows(&self) -> Problem {
        let shape = [0, self.width];
        Problem::Samples(format!("array `x` of shape {shape:?} is empty; at least one sample is needed"))
    }
}

impl<R: Read + Seek + Send> Source for Table<R> {
    fn name(&self) -> &str {
        &self.file
    }

    fn next(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Error> {
        self.next_piece(n, shard).map_err(|problem| problem.in_named(&self.file))
    }

    fn pass(&mut self, n: usize, _skipped: usize) -> Result<(), Error> {
        for _ in 0..n {
            if self.rows.next().map_err(|problem| problem.in_named(&self.file))?.is_none() {
                break;
            }
            self.passed += 1;
        }
        Ok(())
    }

    fn passed(&self) -> usize {
        self.passed
    }

    fn len(&self) -> Option<usize> {
        self.len
    }

    fn classes(&self) -> Option<&Classes> {
        Some(&self.labels.as_ref()?.1)
    }
}

/// Appends the features of a row, and its label if there is one; an error comes with its column.
fn read_row(
    row: &StringRecord,
    labels: Option<&(usize, Classes)>,
    features: &mut Vec<f32>,
    ids: &mut Vec<u32>,
) -> Result<(), (usize, Problem)> {
    for (i, cell) in row.iter().map(str::trim).enumerate() {
        match labels {
            Some((position, classes)) if *position == i => {
                ids.push(class_of(cell, classes).map_err(|problem| (i, problem))?);
            }
            _ => features.push(cell.parse().map_err(|_| (i, not_a_number(cell)))?),
        }
    }
    Ok(())
}

fn not_a_number(cell: &str) -> Problem {
    Problem::Malformed(format!(
        "`{cell}` is not a number; write a number (or nan), or remove the column if it is no feature"
    ))
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

#[cfg(test)]
mod tests;

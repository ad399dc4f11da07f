//! Tables in Parquet files: numbers as columns of features, lists of numbers as arrays of their own.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::Array2;
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::class_names::{ClassNames, class, class_of};
use crate::labels::Classes;
use crate::numbers::check_memory;
use crate::options::LabelSource;
use crate::parquet_column::{Column, Content, damaged, problem};
use crate::stream::Source;
use crate::{Dataset, Error, Input, Labels, Problem, Shard};

/// A file whose label column has been read once, to know the classes before the first sample.
pub(crate) struct Scanned {
    file: SerializedFileReader<File>,
    columns: Vec<Column>,
    labels: Option<LabelScan>,
}

/// What the label column holds.
struct LabelScan {
    column: Column,
    names: ClassNames,
    /// What is wrong with the first number that is no class.
    fault: Option<Problem>,
}

impl Scanned {
    /// Reads the label column, which is the last one (unless that holds lists) if `label_source` does not say otherwise.
    pub(crate) fn new(file: File, label_source: &LabelSource) -> Result<Self, Problem> {
        guarded(|| {
            let file = SerializedFileReader::new(file).map_err(problem)?;
            let mut columns = columns(&file);
            let labels = match label_position(&columns, label_source)? {
                None => None,
                Some(position) => {
                    let column = columns.remove(position);
                    let mut labels = LabelScan { column, names: ClassNames::default(), fault: None };
                    labels.add(&file)?;
                    Some(labels)
                }
            };
            match columns.iter().find(|column| !column.is_numeric()) {
                Some(column) => Err(column.not_numeric()),
                None => Ok(Self { file, columns, labels }),
            }
        })
    }

    /// Reads the label column of another part of the data set, so that both number their classes alike.
    pub(crate) fn add_classes_of(&mut self, other: File) -> Result<(), Problem> {
        let Some(labels) = &mut self.labels else {
            return Ok(());
        };
        guarded(|| {
            let other = SerializedFileReader::new(other).map_err(problem)?;
            let same = columns(&other).into_iter().find(|column| column.name == labels.column.name);
            if same.is_some_and(|column| column.index == labels.column.index && column.content == labels.column.content)
            {
                labels.read(&other, |names, label| {
                    if let Label::Text(text) = label {
                        names.add_of_other_part(&text);
                    }
                })?;
            }
            Ok(())
        })
    }

    /// The samples of this file, which `name` stands for in error texts.
    pub(crate) fn into_source(self, name: &str) -> Result<Table, Problem> {
        let labels = self.labels.map(|LabelScan { column, names, fault }| match fault {
            Some(problem) if !names.has_names() => Err(problem.at(&format!("column `{}`", column.name))),
            _ => Ok((names.into_classes(&column.name)?, column)),
        });
        let labels = labels.transpose()?;
        let len = self.file.metadata().row_groups().iter().try_fold(0usize, |len, group| {
            len.checked_add(rows(group.num_rows())?).ok_or_else(|| damaged("it claims more rows than can be counted"))
        })?;
        if len == 0 || self.columns.is_empty() {
            return Err(Problem::Samples("the table has no row, or no column of features".into()));
        }
        let columns = self.columns.into_iter().map(|column| (column, None)).collect();
        let name = name.to_owned();
        let readers = Vec::new();
        Ok(Table { name, file: self.file, columns, labels, len, passed: 0, group: 0, readers, left_in_group: 0 })
    }
}

impl LabelScan {
    fn add(&mut self, file: &SerializedFileReader<File>) -> Result<(), Problem> {
        let mut fault = None;
        self.read(file, |names, label| {
            let added = match label {
                Label::Text(text) => names.add(&text),
                Label::Number(number) => names.add_number(number),
            };
            if let (Err(problem), None) = (added, &fault) {
                fault = Some(problem);
            }
        })?;
        self.fault = fault;
        Ok(())
    }

    /// Reads the label column of a file.
    fn read(
        &mut self,
        file: &SerializedFileReader<File>,
        mut add: impl FnMut(&mut ClassNames, Label),
    ) -> Result<(), Problem> {
        for (i, group) in file.metadata().row_groups().iter().enumerate() {
            let mut reader =
                file.get_row_group(i).and_then(|group| group.get_column_reader(self.column.index)).map_err(problem)?;
            let mut left = rows(group.num_rows())?;
            while left > 0 {
                let piece = left.min(PIECE);
                labels(&self.column, &mut reader, piece)?.into_iter().for_each(|label| add(&mut self.names, label));
                left -= piece;
            }
        }
        Ok(())
    }
}

/// A label as it is stored.
enum Label {
    Text(String),
    Number(f64),
}

impl Label {
    fn class(&self, classes: &Classes) -> Result<u32, Problem> {
        match self {
            Self::Text(text) => class_of(text, classes),
            Self::Number(number) => class(*number),
        }
    }
}

/// The labels in the next `rows` rows of a column.
fn labels(column: &Column, reader: &mut ColumnReader, rows: usize) -> Result<Vec<Label>, Problem> {
    if column.content == Content::Texts {
        return Ok(column.texts(reader, rows)?.into_iter().map(Label::Text).collect());
    }
    let (numbers, _) = column.numbers(reader, rows)?;
    Ok(numbers.into_iter().map(Label::Number).collect())
}

/// How many rows are read of one column before the next.
const PIECE: usize = 1024;

/// The samples of a table.
pub(crate) struct Table {
    name: String,
    file: SerializedFileReader<File>,
    /// The columns of features, and the length of the lists in them once it is known.
    columns: Vec<(Column, Option<usize>)>,
    labels: Option<(Classes, Column)>,
    len: usize,
    passed: usize,
    /// The row group to read after the one that is open.
    group: usize,
    /// The columns of the open row group, the labels last.
    readers: Vec<ColumnReader>,
    left_in_group: usize,
}

/// Which of the next rows are kept: every `step`th after `before` others.
#[derive(Clone, Copy)]
struct Wanted {
    rows: usize,
    before: usize,
    step: usize,
}

impl Table {
    fn next_piece(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Problem> {
        let n = n.min(shard.owned(self.passed..self.len));
        if n == 0 {
            self.pass_rows(self.len - self.passed)?;
            return Ok(None);
        }
        // The numbers of a sample side by side, and the lists of each column on their own.
        let mut x = Vec::new();
        let mut lists = vec![Vec::new(); self.columns.len()];
        let mut ids = Vec::new();
        let mut count = 0;
        while count < n {
            let before = shard.lead(self.passed);
            if before >= PIECE.min(self.left_in_group) {
                self.pass_rows(before)?;
                while self.left_in_group == 0 {
                    self.open_group()?;
                }
                continue;
            }
            let span = before.saturating_add((n - count - 1).saturating_mul(shard.count())).saturating_add(1);
            let rows = span.min(PIECE).min(self.left_in_group);
            let wanted = Wanted { rows, before, step: shard.count() };
            self.read_rows(wanted, &mut x, &mut lists, &mut ids)?;
            self.left_in_group -= rows;
            self.passed += rows;
            count += (rows - before).div_ceil(shard.count());
            let values = x.len() + lists.iter().map(Vec::len).sum::<usize>();
            check_memory(n, (values / count) as u64)?;
        }
        let mut inputs = Vec::new();
        let mut add = |name: &str, values: Vec<f32>, width: usize| {
            let samples = Array2::from_shape_vec((n, width), values);
            let samples = samples.map_err(|error| damaged(&format!("column `{name}`: {error}")))?;
            inputs.push(Input { name: name.into(), samples: samples.into_dyn() });
            Ok(())
        };
        if !x.is_empty() {
            let width = x.len() / n;
            add("x", x, width)?;
        }
        for ((column, length), values) in self.columns.iter().zip(lists) {
            if let (true, Some(length)) = (column.is_list, length) {
                add(&column.name, values, *length)?;
            }
        }
        let labels = self.labels.as_ref().map(|(classes, _)| Labels::in_classes(ids, classes)).transpose()?;
        Dataset::checked(inputs, labels).map(Some)
    }

    fn open_group(&mut self) -> Result<(), Problem> {
        if self.group >= self.file.num_row_groups() {
            return Err(damaged("it has fewer rows than it says"));
        }
        let group = self.file.get_row_group(self.group).map_err(problem)?;
        let columns = self.columns.iter().map(|(column, _)| column).chain(self.labels.iter().map(|(_, column)| column));
        let readers = columns.map(|column| group.get_column_reader(column.index));
        self.readers = readers.collect::<Result<_, _>>().map_err(problem)?;
        self.left_in_group = rows(group.metadata().num_rows())?;
        self.group += 1;
        Ok(())
    }

    /// Passes over rows, at most to the end of the file; row groups that are among them are not opened.
    fn pass_rows(&mut self, mut n: usize) -> Result<(), Problem> {
        while n > 0 {
            if self.left_in_group == 0 {
                let Some(group) = self.file.metadata().row_groups().get(self.group) else {
                    break;
                };
                let rows = rows(group.num_rows())?;
                if rows <= n {
                    self.group += 1;
                    self.passed += rows;
                    n -= rows;
                    continue;
                }
                self.open_group()?;
            }
            let rows = n.min(self.left_in_group);
            let columns =
                self.columns.iter().map(|(column, _)| column).chain(self.labels.iter().map(|(_, column)| column));
            for (column, reader) in columns.zip(&mut self.readers) {
                column.pass(reader, rows)?;
            }
            self.left_in_group -= rows;
            self.passed += rows;
            n -= rows;
        }
        Ok(())
    }

    /// Appends the wanted ones of the next rows of the open group.
    fn read_rows(
        &mut self,
        wanted: Wanted,
        x: &mut Vec<f32>,
        lists: &mut [Vec<f32>],
        ids: &mut Vec<u32>,
    ) -> Result<(), Problem> {
        let width = self.columns.iter().filter(|(column, _)| !column.is_list).count();
        let Wanted { rows, before, step } = wanted;
        let start = x.len();
        x.resize(start + (rows - before).div_ceil(step) * width, 0.0);
        let mut place = 0;
        for (((column, known), reader), list) in self.columns.iter_mut().zip(&mut self.readers).zip(lists) {
            let (values, length) = column.numbers::<f32>(reader, rows)?;
            if !column.is_list {
                for (row, value) in
                    x[start..].chunks_exact_mut(width).zip(values.into_iter().skip(before).step_by(step))
                {
                    row[place] = value;
                }
                place += 1;
                continue;
            }
            if *known.get_or_insert(length) != length {
                return Err(column.uneven());
            }
            list.extend(values.chunks_exact(length.max(1)).skip(before).step_by(step).flatten());
        }
        if let (Some((classes, column)), Some(reader)) = (&self.labels, self.readers.last_mut()) {
            for label in labels(column, reader, rows)?.into_iter().skip(before).step_by(step) {
                ids.push(label.class(classes)?);
            }
        }
        Ok(())
    }
}

impl Source for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn next(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Error> {
        guarded(|| self.next_piece(n, shard)).map_err(|problem| problem.in_named(&self.name))
    }

    fn pass(&mut self, n: usize, _skipped: usize) -> Result<(), Error> {
        guarded(|| self.pass_rows(n)).map_err(|problem| problem.in_named(&self.name))
    }

    fn passed(&self) -> usize {
        self.passed
    }

    fn len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn classes(&self) -> Option<&Classes> {
        self.labels.as_ref().map(|(classes, _)| classes)
    }
}

fn columns(file: &SerializedFileReader<File>) -> Vec<Column> {
    let schema = file.metadata().file_metadata().schema_descr();
    schema.columns().iter().enumerate().map(|(i, descriptor)| Column::new(i, descriptor)).collect()
}

fn label_position(columns: &[Column], label_source: &LabelSource) -> Result<Option<usize>, Problem> {
    match label_source {
        LabelSource::None => Ok(None),
        LabelSource::Usual => Ok(columns.iter().rposition(|_| true).filter(|&last| !columns[last].is_list)),
        LabelSource::Named(wanted) => {
            let found = columns.iter().position(|column| column.name == *wanted && !column.is_list);
            let names = || columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join("`, `");
            found.map(Some).ok_or_else(|| {
                Problem::Labels(format!("there is no column `{wanted}` for the labels; the columns are `{}`", names()))
            })
        }
    }
}

/// A number of rows, which files store with a sign.
fn rows(count: i64) -> Result<usize, Problem> {
    usize::try_from(count).map_err(|_| damaged("a number of rows is negative"))
}

/// Turns a panic in the library, which damaged files can cause, into an error. What was read is not used after that.
fn guarded<T>(read: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("its parts contradict each other")))
}

#[cfg(test)]
mod tests;

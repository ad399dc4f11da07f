//! Class numbers read piece by piece, checked and counted before the first of them is used.

use crate::labels::{Classes, class_number};
use crate::numbers::{Numbers, Rows};
use crate::{Labels, Problem};

/// Class numbers as an array of a file holds them.
pub(crate) struct LabelReader {
    numbers: Numbers,
    len: u64,
    classes: Classes,
    name: Option<String>,
    passed: u64,
}

/// How many labels are read at a time to count the classes.
const PIECE: u64 = 1 << 16;

impl LabelReader {
    /// Reads the labels that `open` opens (with their number) once to count the classes, and opens them again.
    /// `name` is for error texts.
    pub(crate) fn new(
        name: Option<String>,
        open: impl Fn() -> Result<(Numbers, u64), Problem>,
    ) -> Result<Self, Problem> {
        let (numbers, len) = open()?;
        let mut reader = Self { numbers, len, classes: Classes::default(), name, passed: 0 };
        while reader.passed < reader.len {
            let ids = reader.next_ids(Rows::all(PIECE.min(reader.len - reader.passed) as usize))?;
            reader.classes.include(&ids);
        }
        (reader.numbers, reader.len) = open()?;
        reader.passed = 0;
        Ok(reader)
    }

    /// The number of labels.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The labels of these samples, of which there must be so many left.
    pub(crate) fn next(&mut self, rows: Rows) -> Result<Labels, Problem> {
        let ids = self.next_ids(rows)?;
        Labels::in_classes(ids, &self.classes)
    }

    fn next_ids(&mut self, rows: Rows) -> Result<Vec<u32>, Problem> {
        let numbers = self.numbers.next::<f64>(rows, 1)?;
        let places = (self.passed + rows.before as u64..).step_by(1 + rows.between);
        let ids = numbers.iter().zip(places).map(|(&number, i)| {
            class_number(number, || {
                let of = self.name.iter().map(|name| format!(" of `{name}`")).collect::<String>();
                format!("label {i} (counted from 0){of}")
            })
        });
        let ids = ids.collect::<Result<_, _>>()?;
        self.passed += rows.span() as u64;
        Ok(ids)
    }
}

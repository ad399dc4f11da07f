//! The classes in a column of labels, which are numbers or names.

use std::collections::BTreeSet;

use crate::Problem;
use crate::labels::{Classes, class_number};

/// The most bytes that the names of the classes may take. A column with more is no label, and memory must not grow with
/// the number of samples.
const MAX_BYTES: usize = 1 << 24;

/// The different texts in a column of labels.
#[derive(Debug, Default)]
pub(crate) struct ClassNames {
    texts: BTreeSet<String>,
    bytes: usize,
    /// Whether one of them is no number.
    has_names: bool,
    /// The classes, if all of them are numbers.
    numbered: Classes,
}

impl ClassNames {
    /// Adds a label. The error is one only if all labels turn out to be numbers: that this one is no class.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), Problem> {
        self.add_of_other_part(text);
        if let Ok(number) = text.parse() {
            self.add_number(number)?;
        }
        Ok(())
    }

    /// Adds a label that is stored as a number.
    pub(crate) fn add_number(&mut self, number: f64) -> Result<(), Problem> {
        self.numbered.include(&[class(number)?]);
        Ok(())
    }

    /// Adds a label of another part of the data set, which may bring names but does not raise the number of classes
    /// that have none.
    pub(crate) fn add_of_other_part(&mut self, text: &str) {
        self.has_names |= text.parse::<f64>().is_err();
        if self.bytes <= MAX_BYTES && !self.texts.contains(text) {
            self.bytes += size_of::<String>() + text.len();
            self.texts.insert(text.to_owned());
        }
    }

    /// Whether one of the labels is no number, which makes names of all.
    pub(crate) fn has_names(&self) -> bool {
        self.has_names
    }

    /// The classes, numbered by the order of their names if they have names. `column` is the name of the column.
    pub(crate) fn into_classes(self, column: &str) -> Result<Classes, Problem> {
        if !self.has_names {
            return Ok(self.numbered);
        }
        if self.bytes > MAX_BYTES {
            return Err(Problem::Labels(format!(
                "column `{column}` has too many different names for a label, {} and more; name the column of the \
                 labels, or say that there are none",
                self.texts.len()
            )));
        }
        Ok(Classes::named(self.texts.into_iter().collect()))
    }
}

/// The number of the class that a label names, or is.
pub(crate) fn class_of(text: &str, classes: &Classes) -> Result<u32, Problem> {
    classes.id(text).unwrap_or_else(|| {
        let number = text.parse().map_err(|_| Problem::Labels(format!("the label `{text}` is not a number")));
        class(number?)
    })
}

/// The class that a label's number means.
pub(crate) fn class(number: f64) -> Result<u32, Problem> {
    class_number(number, || "the label".into())
}

//! The names of classes, collected from a column of labels.

use std::collections::BTreeSet;

use csv::StringRecord;

use crate::Problem;
use crate::labels::Classes;

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
}

impl ClassNames {
    pub(crate) fn insert(&mut self, text: &str) {
        self.has_names |= text.parse::<f64>().is_err();
        if self.bytes <= MAX_BYTES && !self.texts.contains(text) {
            self.bytes += size_of::<String>() + text.len();
            self.texts.insert(text.to_owned());
        }
    }

    /// The classes, numbered by the order of their names; `None` if all names are numbers, which are the class numbers
    /// then. `header` and `position` tell the name of the column.
    pub(crate) fn into_classes(self, header: &StringRecord, position: usize) -> Result<Option<Classes>, Problem> {
        if !self.has_names {
            return Ok(None);
        }
        if self.bytes > MAX_BYTES {
            return Err(Problem::Labels(format!(
                "column `{}` has too many different names for a label, {} and more; name the column of the labels, or \
                 say that there are none",
                header.get(position).unwrap_or_default(),
                self.texts.len()
            )));
        }
        Ok(Some(Classes::named(self.texts.into_iter().collect())))
    }
}

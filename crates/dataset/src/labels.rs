use std::sync::Arc;

use crate::Problem;

/// Class numbers of the samples, counted from 0, and how many classes there are.
///
/// The number of classes is that of the whole file and kept when samples are selected, so a part that happens to lack
/// the last class still has it counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    ids: Vec<u32>,
    classes: Classes,
}

/// The classes that labels are taken from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    count: usize,
    names: Option<Arc<[String]>>,
}

impl Classes {
    /// Classes with names, which must be sorted and are numbered in that order.
    pub(crate) fn named(names: Vec<String>) -> Self {
        Self { count: names.len(), names: Some(names.into()) }
    }

    /// Counts up to the largest of these class numbers, if that is more than there were.
    pub(crate) fn include(&mut self, ids: &[u32]) {
        let count = ids.iter().max().map_or(0, |&largest| (largest as usize).saturating_add(1));
        self.count = self.count.max(count);
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The number of the class `name`; `None` if the classes have no names.
    pub(crate) fn id(&self, name: &str) -> Option<Result<u32, Problem>> {
        let names = self.names.as_ref()?;
        let found = names.binary_search_by(|other| other.as_str().cmp(name)).ok();
        Some(
            found
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| Problem::Labels(format!("`{name}` is not among the {} classes", names.len()))),
        )
    }

    pub(crate) fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }
}

impl Labels {
    /// Labels that are class numbers already; there are as many classes as the largest number plus one.
    pub fn new(ids: Vec<u32>) -> Self {
        let mut classes = Classes::default();
        classes.include(&ids);
        Self { ids, classes }
    }

    /// Labels that are numbers of these classes.
    pub(crate) fn in_classes(ids: Vec<u32>, classes: &Classes) -> Result<Self, Problem> {
        if let Some(id) = ids.iter().find(|&&id| id as usize >= classes.count) {
            return Err(Problem::Labels(format!(
                "the label {id} is not among the {} classes counted before; the file changed while it was read",
                classes.count
            )));
        }
        Ok(Self { ids, classes: classes.clone() })
    }

    /// The class number of each sample.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.classes.count
    }

    /// The names of the classes by number, when the file had names instead of numbers.
    pub fn class_names(&self) -> Option<&[String]> {
        self.classes.names()
    }

    /// The labels at `indices`, which must be in range.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        Self { ids: indices.iter().map(|&i| self.ids[i]).collect(), classes: self.classes.clone() }
    }
}

/// The class that `number` means: a whole number in `0..2^32`. `place` tells where it came from.
pub(crate) fn class_number(number: f64, place: impl FnOnce() -> String) -> Result<u32, Problem> {
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(number as u32);
    }
    Err(Problem::Labels(format!(
        "{} is {number}; a label is a class number: whole, not negative and below 2^32",
        place()
    )))
}

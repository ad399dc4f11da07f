use crate::Problem;

/// Class numbers of the samples, counted from 0, and how many classes there are.
///
/// The number of classes is kept when samples are selected, so a part that happens to lack the last class still has it
/// counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    ids: Vec<u32>,
    class_count: usize,
    class_names: Option<Vec<String>>,
}

impl Labels {
    /// Labels that are class numbers already; there are as many classes as the largest number plus one.
    pub fn new(ids: Vec<u32>) -> Self {
        let class_count = ids.iter().max().map_or(0, |&largest| (largest as usize).saturating_add(1));
        Self { ids, class_count, class_names: None }
    }

    /// Labels given as numbers, each of which must be a whole number in `0..2^32`. `place` tells where number `i` came
    /// from.
    pub(crate) fn from_numbers(numbers: &[f64], place: impl Fn(usize) -> String) -> Result<Self, Problem> {
        let ids = numbers.iter().enumerate().map(|(i, &number)| {
            if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
                return Ok(number as u32);
            }
            Err(Problem::Labels(format!(
                "{} is {number}; a label is a class number: whole, not negative and below 2^32",
                place(i)
            )))
        });
        Ok(Self::new(ids.collect::<Result<_, _>>()?))
    }

    /// Labels given as class names: class `i` is the `i`-th of `class_names`, which are sorted and hold every name.
    pub(crate) fn from_names(names: &[String], class_names: Vec<String>) -> Result<Self, Problem> {
        let ids = names.iter().map(|name| {
            let found = class_names.binary_search(name).ok();
            found
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| Problem::Labels(format!("`{name}` is not among the {} classes", class_names.len())))
        });
        Ok(Self { ids: ids.collect::<Result<_, _>>()?, class_count: class_names.len(), class_names: Some(class_names) })
    }

    /// The class number of each sample.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.class_count
    }

    /// The names of the classes by number, when the file had names instead of numbers.
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// The labels at `indices`, which must be in range.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        Self {
            ids: indices.iter().map(|&i| self.ids[i]).collect(),
            class_count: self.class_count,
            class_names: self.class_names.clone(),
        }
    }
}

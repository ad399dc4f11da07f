//! What the network's answers are compared with.

/// The targets of some rows of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Targets<'a> {
    /// One class per row.
    Classes(&'a [u32]),
    /// `[rows, columns]`, row-major.
    Values(&'a [f32]),
}

impl Targets<'_> {
    /// The target at `row` and `column` of `columns`: a class counts as itself in a single column and as one-hot in several.
    #[inline]
    pub(crate) fn value(&self, row: usize, column: usize, columns: usize) -> f64 {
        match self {
            Self::Values(values) => f64::from(values[row * columns + column]),
            Self::Classes(classes) if columns == 1 => f64::from(classes[row]),
            Self::Classes(classes) => f64::from(u8::from(classes[row] as usize == column)),
        }
    }

    /// The class of a row; a value stands for the class of its number.
    #[inline]
    pub(crate) fn class(&self, row: usize) -> usize {
        match self {
            Self::Classes(classes) => classes[row] as usize,
            Self::Values(values) => values[row] as usize,
        }
    }

    /// How many rows there are of `columns` each.
    pub(super) fn rows(&self, columns: usize) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.len() / columns.max(1),
        }
    }
}

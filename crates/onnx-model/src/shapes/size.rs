//! One dimension.

use core::fmt;

use crate::proto::{Dimension, DimensionValue};

/// A dimension of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size<'g> {
    /// Known size.
    Fixed(usize),
    /// Size known only when the model runs; equal names are equal sizes.
    Named(&'g str),
    /// Nothing is known.
    Unknown,
}

impl Size<'_> {
    /// The size if it is known.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(size) => Some(size),
            Self::Named(_) | Self::Unknown => None,
        }
    }

    /// Of two statements about one dimension the one that says more; the first if neither does.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fixed(_), _) | (_, Self::Unknown) => self,
            (Self::Named(_), Self::Named(_)) => self,
            (Self::Unknown, _) | (Self::Named(_), Self::Fixed(_)) => other,
        }
    }

    /// The size after `change`, unknown if the size is or if there is none.
    pub(super) fn map(self, change: impl FnOnce(usize) -> Option<usize>) -> Self {
        self.fixed().and_then(change).map_or(Self::Unknown, Self::Fixed)
    }
}

impl fmt::Display for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Named(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl<'g> From<&'g Dimension> for Size<'g> {
    fn from(proto: &'g Dimension) -> Self {
        match &proto.value {
            // Some exporters write -1 for an unknown size.
            Some(DimensionValue::DimValue(size)) => usize::try_from(*size).map_or(Self::Unknown, Self::Fixed),
            Some(DimensionValue::DimParam(name)) if !name.is_empty() => Self::Named(name),
            _ => Self::Unknown,
        }
    }
}

/// Product of sizes; a name times nothing but ones stays the name.
pub(super) fn product<'g>(sizes: &[Size<'g>]) -> Size<'g> {
    let (mut named, mut factor) = (None, 1_usize);
    for &size in sizes {
        match size {
            Size::Fixed(size) => match factor.checked_mul(size) {
                Some(product) => factor = product,
                None => return Size::Unknown,
            },
            Size::Named(_) if named.is_none() => named = Some(size),
            Size::Named(_) | Size::Unknown => return Size::Unknown,
        }
    }
    match named {
        None => Size::Fixed(factor),
        Some(named) if factor == 1 => named,
        Some(_) => Size::Unknown,
    }
}

/// What the sizes of `whole` leave for one dimension beside those of `part`: equal names cancel, then the known sizes divide.
pub(super) fn quotient<'g>(whole: &[Size<'g>], part: &[Size<'g>]) -> Size<'g> {
    let names = |sizes: &[Size<'g>]| sizes.iter().copied().filter(|size| size.fixed().is_none()).collect();
    let (mut left, unknown): (alloc::vec::Vec<Size>, alloc::vec::Vec<Size>) = (names(whole), names(part));
    for size in unknown {
        match left.iter().position(|&other| other == size && size != Size::Unknown) {
            Some(position) => drop(left.remove(position)),
            None => return Size::Unknown,
        }
    }
    let fixed = |sizes: &[Size]| sizes.iter().filter_map(|size| size.fixed()).try_fold(1_usize, usize::checked_mul);
    let (Some(whole), Some(part)) = (fixed(whole), fixed(part)) else { return Size::Unknown };
    match left.as_slice() {
        [] if part > 0 && whole % part == 0 => Size::Fixed(whole / part),
        [one] if whole == part && part > 0 => *one,
        _ => Size::Unknown,
    }
}

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::{Error, Problem};

/// A share of the samples of a data set: those at positions `index - 1`, `index - 1 + count`, and so on, counted from 0
/// in the order of the file.
///
/// The shards `1/count` to `count/count` hold every sample once. A shard is empty if there are fewer samples than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All samples, `1/1`.
    pub const ALL: Self = Self { index: 1, count: 1 };

    /// The shard `index`, counted from 1, of `count`.
    ///
    /// # Errors
    ///
    /// When `index` is not from 1 to `count`.
    pub fn new(index: usize, count: usize) -> Result<Self, Error> {
        if (1..=count).contains(&index) {
            return Ok(Self { index, count });
        }
        Err(Problem::Request(format!(
            "there is no shard {index}/{count}; shards are counted from 1, so those of {count} are 1/{count} to \
             {count}/{count}"
        ))
        .into())
    }

    /// Which one it is, counted from 1.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many shards there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// How many samples lie between `position` and the next one of this shard.
    pub(crate) fn lead(self, position: usize) -> usize {
        let (wanted, here) = (self.index - 1, position % self.count);
        if wanted >= here { wanted - here } else { self.count - here + wanted }
    }

    /// Whether the sample at `position` is one of this shard.
    pub(crate) fn owns(self, position: usize) -> bool {
        self.lead(position) == 0
    }

    /// How many of the samples at these positions are of this shard.
    pub(crate) fn owned(self, positions: Range<usize>) -> usize {
        positions.len().saturating_sub(self.lead(positions.start)).div_ceil(self.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Reads `INDEX/COUNT`.
impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.split_once('/').map(|(index, count)| (index.parse(), count.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if count > 0 => Self::new(index, count),
            _ => Err(Problem::Request(format!(
                "`{text}` is not a shard; write INDEX/COUNT, counted from 1, such as 3/8"
            ))
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_read_from_text() {
        let shard: Shard = "3/8".parse().unwrap();
        assert_eq!((shard.index(), shard.count(), shard.to_string().as_str()), (3, 8, "3/8"));
        assert_eq!("1/1".parse::<Shard>().unwrap(), Shard::ALL);
        for text in ["", "3", "/", "3/", "/8", "0/8", "9/8", "1/0", "0/0", "-1/8", "1/8/2", "1/18446744073709551616"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
        }
        let error = Shard::new(9, 8).unwrap_err();
        assert!(
            error.to_string().contains("no shard 9/8; shards are counted from 1, so those of 8 are 1/8"),
            "{error}"
        );
    }

    proptest! {
        /// Against the definition, position by position.
        #[test]
        fn a_shard_is_every_count_th_sample(
            (index, count) in (1usize..9).prop_flat_map(|count| (1..=count, Just(count))),
            start in 0usize..40,
            len in 0usize..40,
        ) {
            let shard = Shard::new(index, count).unwrap();
            let is_mine = |position: &usize| position % count == index - 1;
            prop_assert_eq!(shard.owns(start), is_mine(&start));
            prop_assert_eq!(Some(shard.lead(start)), (start..).position(|position| is_mine(&position)));
            prop_assert_eq!(shard.owned(start..start + len), (start..start + len).filter(is_mine).count());
        }
    }

    #[test]
    fn no_position_is_too_large() {
        let last = Shard::new(usize::MAX, usize::MAX).unwrap();
        assert_eq!((last.lead(usize::MAX), last.lead(0)), (usize::MAX - 1, usize::MAX - 1));
        assert_eq!((last.owned(0..usize::MAX), last.owned(0..5)), (1, 0));
        assert_eq!(Shard::ALL.owned(0..usize::MAX), usize::MAX);
    }
}

//! A number for the height and one for the width.

use std::fmt;

use serde::de::{Error, Expected, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Height and width, in a configuration one number for both or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Along the height.
    pub height: usize,
    /// Along the width.
    pub width: usize,
}

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self { height: both, width: both }
    }
}

impl From<[usize; 2]> for Pair {
    fn from([height, width]: [usize; 2]) -> Self {
        Self { height, width }
    }
}

impl Pair {
    pub(super) fn one() -> Self {
        Self::from(1)
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.height == self.width {
            true => self.height.serialize(serializer),
            false => [self.height, self.width].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairVisitor)
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or two as in [3, 5] for height and width")
    }

    fn visit_u64<E: Error>(self, both: u64) -> Result<Pair, E> {
        number(both).map(Pair::from)
    }

    fn visit_i64<E: Error>(self, both: i64) -> Result<Pair, E> {
        number(both).map(Pair::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Pair, A::Error> {
        numbers(sequence, &self).map(|numbers: [usize; 2]| numbers.into())
    }
}

/// A number that counts pixels.
pub(super) fn number<E: Error>(value: impl TryInto<usize> + Copy + Into<i128>) -> Result<usize, E> {
    value.try_into().map_err(|_| {
        let value: i128 = value.into();
        E::custom(format!("{value} is not a number of pixels"))
    })
}

/// Exactly `N` of them.
pub(super) fn numbers<'de, const N: usize, A: SeqAccess<'de>>(
    mut sequence: A,
    expected: &dyn Expected,
) -> Result<[usize; N], A::Error> {
    let mut numbers = [0; N];
    let mut count = 0;
    while let Some(number) = sequence.next_element::<usize>()? {
        if let Some(place) = numbers.get_mut(count) {
            *place = number;
        }
        count += 1;
    }
    if count == N { Ok(numbers) } else { Err(A::Error::invalid_length(count, expected)) }
}

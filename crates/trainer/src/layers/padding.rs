//! What lies around an image when a window slides over it.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pair::{number, numbers};

/// Rows and columns around an image that a window may cover. In a configuration `"valid"`, `"same"`, one number for all sides, or
/// `[top, left, bottom, right]` (the order of ONNX).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// None: the window stays inside.
    #[default]
    Valid,
    /// So many that the answer has `ceil(size / stride)` pixels; an odd one goes to the bottom and the right (ONNX `SAME_UPPER`).
    Same,
    /// So many.
    Explicit {
        /// Above the image.
        top: usize,
        /// To its left.
        left: usize,
        /// Below it.
        bottom: usize,
        /// To its right.
        right: usize,
    },
}

impl From<usize> for Padding {
    fn from(all: usize) -> Self {
        Self::from([all; 4])
    }
}

impl From<[usize; 4]> for Padding {
    fn from([top, left, bottom, right]: [usize; 4]) -> Self {
        Self::Explicit { top, left, bottom, right }
    }
}

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Valid => "valid".serialize(serializer),
            Self::Same => "same".serialize(serializer),
            Self::Explicit { top, left, bottom, right } => [top, left, bottom, right].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PaddingVisitor)
    }
}

struct PaddingVisitor;

impl<'de> Visitor<'de> for PaddingVisitor {
    type Value = Padding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"valid\", \"same\", a number, or four as in [0, 0, 1, 1] for top, left, bottom and right")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Padding, E> {
        match word {
            "valid" => Ok(Padding::Valid),
            "same" => Ok(Padding::Same),
            _ => Err(E::unknown_variant(word, &["valid", "same"])),
        }
    }

    fn visit_u64<E: Error>(self, all: u64) -> Result<Padding, E> {
        number(all).map(Padding::from)
    }

    fn visit_i64<E: Error>(self, all: i64) -> Result<Padding, E> {
        number(all).map(Padding::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Padding, A::Error> {
        numbers(sequence, &self).map(|numbers: [usize; 4]| numbers.into())
    }
}

//! Factors on the loss of a row by its class.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Targets;
use crate::error::{Error, Result};
use crate::ranges;

/// How much each class counts, for data that have more of some than of others.
///
/// The loss stays a mean over rows, not over weights, so that a row counts the same in every batch.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// `"balanced"`: `rows / (classes * rows of the class)` from the training part, so that every class counts the same and the
    /// mean weight is 1 (King & Zeng 2001); a class without rows has the weight 1.
    Balanced,
    /// One factor of at least 0 per class, as in `[1, 2.5]`.
    List(Vec<f64>),
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => serializer.serialize_str("balanced"),
            Self::List(weights) => weights.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;
        impl<'de> Visitor<'de> for WordOrList {
            type Value = ClassWeights;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"balanced\" or a list of numbers, one per class")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<ClassWeights, E> {
                match word {
                    "balanced" => Ok(ClassWeights::Balanced),
                    _ => Err(E::unknown_variant(word, &["balanced"])),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ClassWeights, A::Error> {
                let mut weights = Vec::new();
                while let Some(weight) = list.next_element()? {
                    weights.push(weight);
                }
                Ok(ClassWeights::List(weights))
            }
        }
        deserializer.deserialize_any(WordOrList)
    }
}

impl ClassWeights {
    pub(super) fn check(&self, setting: &str) -> Result<()> {
        match self {
            Self::Balanced => Ok(()),
            Self::List(weights) => weights.iter().try_for_each(|&weight| ranges::not_negative(setting, weight)),
        }
    }

    /// The weights of `classes` classes.
    pub(super) fn of_classes(&self, layer: &str, classes: usize, training: Targets<'_>) -> Result<Vec<f64>> {
        self.with_counts(layer, classes, || {
            let mut counts = vec![0.0; classes];
            for row in 0..training.rows(1) {
                counts[training.class(row)] += 1.0;
            }
            counts
        })
    }

    /// The weights of targets near 0 and near 1 in an output of `width` columns.
    pub(super) fn of_yes_and_no(&self, layer: &str, width: usize, training: Targets<'_>) -> Result<Vec<f64>> {
        self.with_counts(layer, 2, || {
            let rows = training.rows(width);
            let yes: f64 =
                (0..rows).map(|row| (0..width).map(|column| training.value(row, column, width)).sum::<f64>()).sum();
            vec![(rows * width) as f64 - yes, yes]
        })
    }

    fn with_counts(&self, layer: &str, classes: usize, counts: impl Fn() -> Vec<f64>) -> Result<Vec<f64>> {
        match self {
            Self::List(weights) if weights.len() == classes => Ok(weights.clone()),
            Self::List(weights) => Err(Error::setting(
                "class_weights",
                format!("a list of {}", weights.len()),
                format!("\"balanced\" or one number for each of the {classes} classes of layer `{layer}`"),
            )),
            Self::Balanced => {
                let counts = counts();
                let seen = counts.iter().filter(|count| **count > 0.0).count() as f64;
                let each = counts.iter().sum::<f64>() / seen;
                Ok(counts.iter().map(|&count| if count > 0.0 { each / count } else { 1.0 }).collect())
            }
        }
    }
}

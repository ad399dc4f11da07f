//! Which shards of its samples a calibration has seen.

use std::collections::BTreeSet;

use dataset::Shard;
use serde::{Deserialize, Serialize};

/// The shards of a data set, out of `of`, that a calibration has seen; the whole is `None` in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredCoverage")]
pub struct Coverage {
    of: u64,
    seen: BTreeSet<u64>,
}

/// A [`Coverage`] as read, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCoverage {
    of: u64,
    seen: Vec<u64>,
}

impl TryFrom<StoredCoverage> for Coverage {
    type Error = String;

    fn try_from(StoredCoverage { of, seen }: StoredCoverage) -> Result<Self, String> {
        let in_order = seen.is_sorted_by(|a, b| a < b);
        let in_range = seen.iter().all(|shard| (1..=of).contains(shard));
        // Having seen all of them is written by leaving this out.
        if seen.is_empty() || !in_order || !in_range || seen.len() as u64 == of {
            return Err(format!("shards {seen:?} of {of} are no part of a whole"));
        }
        Ok(Self { of, seen: seen.into_iter().collect() })
    }
}

impl Coverage {
    /// What has seen one shard; `None` for 1 of 1, which is the whole.
    pub(crate) fn shard(shard: Shard) -> Option<Self> {
        let (index, of) = (shard.index() as u64, shard.count() as u64);
        (of > 1).then(|| Self { of, seen: BTreeSet::from([index]) })
    }

    /// Into how many shards the samples were divided.
    #[must_use]
    pub fn of(&self) -> u64 {
        self.of
    }

    /// The shards seen, counted from 1.
    pub fn seen(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.seen.iter().copied()
    }

    /// The shards of both; `None` when these are all.
    pub(crate) fn merge(&self, other: &Self) -> Result<Option<Self>, String> {
        if self.of != other.of {
            return Err(format!("one is of {} shards, the other of {}", self.of, other.of));
        }
        if let Some(shard) = self.seen.intersection(&other.seen).next() {
            return Err(format!("both have seen shard {shard} of {}", self.of));
        }
        let seen: BTreeSet<u64> = self.seen.union(&other.seen).copied().collect();
        Ok((seen.len() as u64 != self.of).then_some(Self { of: self.of, seen }))
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards: Vec<String> = self.seen().map(|shard| shard.to_string()).collect();
        let plural = if shards.len() == 1 { "" } else { "s" };
        write!(f, "shard{plural} {} of {}", shards.join(", "), self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(of: u64, seen: &[u64]) -> Coverage {
        Coverage { of, seen: seen.iter().copied().collect() }
    }

    #[test]
    fn all_shards_together_are_the_whole() {
        assert_eq!(shards(3, &[1]).merge(&shards(3, &[3])), Ok(Some(shards(3, &[1, 3]))));
        assert_eq!(shards(3, &[1, 3]).merge(&shards(3, &[2])), Ok(None));
        assert_eq!(Coverage::shard(Shard::ALL), None);
    }

    #[test]
    fn a_shard_is_never_counted_twice() {
        let message = shards(3, &[1, 2]).merge(&shards(3, &[2])).unwrap_err();
        assert!(message.contains("shard 2 of 3"), "{message}");
        let message = shards(3, &[1]).merge(&shards(4, &[2])).unwrap_err();
        assert!(message.contains("3") && message.contains("4"), "{message}");
    }

    #[test]
    fn stored_shards_are_checked() {
        let read = serde_json::from_str::<Coverage>;
        assert_eq!(read(r#"{"of":8,"seen":[2,3]}"#).unwrap(), shards(8, &[2, 3]));
        for text in [
            r#"{"of":8,"seen":[]}"#,
            r#"{"of":8,"seen":[3,2]}"#,
            r#"{"of":8,"seen":[2,2]}"#,
            r#"{"of":8,"seen":[0]}"#,
            r#"{"of":8,"seen":[9]}"#,
            r#"{"of":2,"seen":[1,2]}"#,
            r#"{"of":18446744073709551615,"seen":[18446744073709551616]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}

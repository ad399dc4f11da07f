//! Which samples a calibration saw, in bounded memory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// The smallest hashes of all samples seen (a bottom-k sketch, Cohen and Kaplan 2007).
///
/// A hash is as good as a random number, so the sketch is a random choice of the samples: it tells with certainty that a sample was seen,
/// and misses one with the share of samples that it does not hold. Equal sets of samples give equal sketches, whatever their order; a
/// sample that was seen twice is in it once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub struct Sketch(BTreeSet<u64>);

impl Sketch {
    /// Hashes that are kept.
    pub const SIZE: usize = 1024;

    /// Adds a sample by its [`sample_hash`].
    pub(crate) fn insert(&mut self, hash: u64) {
        if self.0.len() == Self::SIZE && self.0.last().is_some_and(|&last| hash >= last) {
            return;
        }
        self.0.insert(hash);
        if self.0.len() > Self::SIZE {
            self.0.pop_last();
        }
    }

    /// Adds the samples of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|&hash| self.insert(hash));
    }

    /// Whether this sample is among those kept.
    pub(crate) fn contains(&self, hash: u64) -> bool {
        self.0.contains(&hash)
    }

    /// Samples kept: all distinct ones, up to [`Self::SIZE`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no sample was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sketch of the `size` smallest hashes.
    #[must_use]
    pub(crate) fn smallest(&self, size: usize) -> Self {
        Self(self.0.iter().copied().take(size).collect())
    }
}

impl From<Sketch> for Vec<String> {
    fn from(sketch: Sketch) -> Self {
        sketch.0.into_iter().map(|hash| format!("{hash:016x}")).collect()
    }
}

impl TryFrom<Vec<String>> for Sketch {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        let count = texts.len();
        let hash = |text: String| match u64::from_str_radix(&text, 16) {
            Ok(hash) if format!("{hash:016x}") == text => Ok(hash),
            _ => Err(format!("\"{text}\" is not the hash of a sample")),
        };
        let hashes = texts.into_iter().map(hash).collect::<Result<Vec<u64>, _>>()?;
        if count > Self::SIZE || !hashes.is_sorted_by(|a, b| a < b) {
            return Err(format!("the {count} hashes of samples are too many or out of order"));
        }
        Ok(Self(hashes.into_iter().collect()))
    }
}

/// The XXH3 hash of a sample: of the values of all its inputs, one after the other, as little-endian f32.
pub(crate) fn sample_hash<'a>(inputs: impl Iterator<Item = &'a [f32]>) -> u64 {
    let mut bytes = Vec::new();
    for values in inputs {
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    XxHash3_64::oneshot(&bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(hashes: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        hashes.iter().for_each(|&hash| sketch.insert(hash));
        sketch
    }

    proptest! {
        #[test]
        fn it_holds_the_smallest_hashes_whatever_the_order(
            mut hashes in prop::collection::vec(0..5000_u64, 0..3000),
            cut in any::<prop::sample::Index>(),
        ) {
            let expected: BTreeSet<u64> = hashes.iter().copied().collect::<BTreeSet<_>>().into_iter().take(Sketch::SIZE).collect();
            let whole = sketch(&hashes);
            prop_assert_eq!(&whole.0, &expected);
            let (a, b) = hashes.split_at(cut.index(hashes.len() + 1));
            let mut merged = sketch(b);
            merged.merge(&sketch(a));
            prop_assert_eq!(&merged, &whole);
            hashes.reverse();
            prop_assert_eq!(&sketch(&hashes), &whole);
            let text = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), whole);
        }
    }

    #[test]
    fn texts_that_are_no_sketch_are_refused() {
        for text in [
            r#"["1"]"#,
            r#"["0000000000000002","0000000000000001"]"#,
            r#"["000000000000000G"]"#,
            r#"["+000000000000001"]"#,
        ] {
            assert!(serde_json::from_str::<Sketch>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_that_of_all_values_in_order() {
        let values: Vec<f32> = (0..5000).map(|value| value as f32 / 7.0).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let expected = XxHash3_64::oneshot(&bytes);
        assert_eq!(sample_hash([values.as_slice()].into_iter()), expected);
        assert_eq!(sample_hash([&values[..3000], &values[3000..]].into_iter()), expected);
        assert_ne!(sample_hash([&values[1..]].into_iter()), expected);
        // Files hold these hashes, so they must never change: the value of the reference implementation for no input.
        assert_eq!(sample_hash(std::iter::empty()), 0x2d06_8005_38d3_94c2);
    }
}

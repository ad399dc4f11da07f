//! What a model's metadata say of its probe.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Metadata key of the hash of the outputs on a fixed input, with what it was computed over, as JSON.
pub const PROBE_KEY: &str = "quantize.probe";

/// Changes whenever the definition of the input or the hash does.
const VERSION: u32 = 1;

/// More than any probe has.
const MAX_SAMPLES: usize = 1 << 16;

/// The part of a model that is hashed and on how many samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) samples: usize,
    pub(super) cut: Vec<CutTensor>,
    pub(super) outputs: Vec<String>,
}

/// A tensor that is given instead of computed, with the shape of one sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutTensor {
    pub(super) tensor: String,
    pub(super) shape: Vec<usize>,
}

/// The entry as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: u32,
    blake3: String,
    samples: usize,
    outputs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cut: Vec<CutTensor>,
}

impl Record {
    pub(super) fn to_metadata(&self, hash: &str) -> String {
        let Self { samples, cut, outputs } = self.clone();
        let entry = Entry { version: VERSION, blake3: hash.to_owned(), samples, outputs, cut };
        // Strings and numbers always have a form in JSON.
        serde_json::to_string(&entry).unwrap_or_default()
    }

    /// The record and the hash of an entry.
    pub(super) fn parse(text: &str) -> Result<(Self, String), Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let invalid = |error: serde_json::Error| Error::Probe(format!("cannot be read: {error}"));
        let Version { version } = serde_json::from_str(text).map_err(invalid)?;
        if version != VERSION {
            return Err(Error::Probe(format!("has version {version}, this build reads version {VERSION}")));
        }
        let Entry { blake3, samples, outputs, cut, .. } = serde_json::from_str(text).map_err(invalid)?;
        if blake3::Hash::from_hex(&blake3).is_err() || blake3.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(Error::Probe(format!("holds \"{blake3}\", which is no BLAKE3 hash")));
        }
        if !(1..=MAX_SAMPLES).contains(&samples) || outputs.is_empty() {
            return Err(Error::Probe(format!("is over {samples} samples and {} outputs", outputs.len())));
        }
        Ok((Self { samples, cut, outputs }, blake3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let hash = blake3::hash(b"outputs").to_hex().to_string();
        let cut = vec![CutTensor { tensor: "c \"1\"".to_owned(), shape: vec![3, 4] }];
        for cut in [Vec::new(), cut] {
            let record = Record { samples: 163, cut, outputs: vec!["y".to_owned()] };
            assert_eq!(Record::parse(&record.to_metadata(&hash)).unwrap(), (record, hash.clone()));
        }
    }

    #[test]
    fn entries_that_are_none_are_refused() {
        let hash = "0".repeat(64);
        let entry = |version: u32, blake3: &str, samples: &str, outputs: &str, more: &str| {
            format!(r#"{{"version":{version},"blake3":"{blake3}","samples":{samples},"outputs":{outputs}{more}}}"#)
        };
        assert!(Record::parse(&entry(1, &hash, "3", r#"["y"]"#, "")).is_ok());
        for (text, expected) in [
            (String::new(), "cannot be read"),
            ("[]".to_owned(), "cannot be read"),
            (entry(2, &hash, "3", r#"["y"]"#, ""), "version 2"),
            (entry(1, "abc", "3", r#"["y"]"#, ""), "no BLAKE3"),
            (entry(1, &"A".repeat(64), "3", r#"["y"]"#, ""), "no BLAKE3"),
            (entry(1, &hash, "0", r#"["y"]"#, ""), "0 samples"),
            (entry(1, &hash, "18446744073709551615", r#"["y"]"#, ""), "samples"),
            (entry(1, &hash, "-1", r#"["y"]"#, ""), "cannot be read"),
            (entry(1, &hash, "3", "[]", ""), "0 outputs"),
            (entry(1, &hash, "3", r#"["y"]"#, r#","secret":1"#), "unknown field"),
            (entry(1, &hash, "3", r#"["y"]"#, r#","cut":[{"tensor":"c","shape":[-1]}]"#), "cannot be read"),
        ] {
            let error = Record::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(PROBE_KEY), "{text}: {error}");
        }
    }
}

//! What a training measures about itself, and the files it is written to.

mod csv_table;
mod json_lines;
mod log;
mod tensorboard;

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use json_lines::{MetricsFile, read_metrics};
pub use log::MetricsLog;

/// Keys of a record that are no scalars.
const EPOCH: &str = "epoch";
const STEP: &str = "step";
const SECONDS: &str = "seconds";

/// Named numbers at the end of an epoch.
///
/// As JSON it is one flat object: `{"epoch":1,"step":60,"seconds":0.5,"loss":0.31}`. A number that is not finite is `null` there,
/// and read back as NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The epoch, from 1.
    pub epoch: u64,
    /// How many batches have changed the parameters so far.
    pub step: u64,
    /// Seconds of training so far, those before an interruption included.
    pub seconds: f64,
    /// The numbers under names such as `loss`, `validation_accuracy` or `gradient_norm/fc1`, in the order they are shown.
    pub scalars: Vec<(String, f64)>,
}

impl Record {
    /// The number under a name.
    pub fn scalar(&self, name: &str) -> Option<f64> {
        self.scalars.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3 + self.scalars.len()))?;
        map.serialize_entry(EPOCH, &self.epoch)?;
        map.serialize_entry(STEP, &self.step)?;
        map.serialize_entry(SECONDS, &self.seconds)?;
        for (name, value) in &self.scalars {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

/// Reads the keys in any order and keeps that of the scalars.
struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers with `epoch`, `step` and `seconds`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let (mut epoch, mut step, mut seconds, mut scalars) = (None, None, None, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                EPOCH => epoch = Some(map.next_value()?),
                STEP => step = Some(map.next_value()?),
                SECONDS => seconds = Some(map.next_value()?),
                _ => scalars.push((key, map.next_value::<Option<f64>>()?.unwrap_or(f64::NAN))),
            }
        }
        Ok(Record {
            epoch: epoch.ok_or_else(|| A::Error::missing_field(EPOCH))?,
            step: step.ok_or_else(|| A::Error::missing_field(STEP))?,
            seconds: seconds.ok_or_else(|| A::Error::missing_field(SECONDS))?,
            scalars,
        })
    }
}

#[cfg(test)]
mod tests;

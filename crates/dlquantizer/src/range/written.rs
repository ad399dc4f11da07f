//! How a range method is written in a recipe: as its name, or as `{ percentile = 99.9 }`.

use super::{Percentile, RangeMethod};
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const MIN_MAX: &str = "minmax";
const PERCENTILE: &str = "percentile";
const ENTROPY: &str = "entropy";
const MSE: &str = "mse";
const POWER_OF_TWO_MIN_MAX: &str = "power-of-two-minmax";
const POWER_OF_TWO_HISTOGRAM: &str = "power-of-two-histogram";

impl Serialize for RangeMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::MinMax => MIN_MAX,
            Self::Percentile(percentile) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(PERCENTILE, &percentile.percent())?;
                return map.end();
            }
            Self::Entropy => ENTROPY,
            Self::Mse => MSE,
            Self::PowerOfTwoMinMax => POWER_OF_TWO_MIN_MAX,
            Self::PowerOfTwoHistogram => POWER_OF_TWO_HISTOGRAM,
        };
        serializer.serialize_str(name)
    }
}

impl<'de> Deserialize<'de> for RangeMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = RangeMethod;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a range method or { percentile = 99.99 }")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<RangeMethod, E> {
        Ok(match name {
            MIN_MAX => RangeMethod::MinMax,
            PERCENTILE => RangeMethod::Percentile(Percentile::default()),
            ENTROPY => RangeMethod::Entropy,
            MSE => RangeMethod::Mse,
            POWER_OF_TWO_MIN_MAX => RangeMethod::PowerOfTwoMinMax,
            POWER_OF_TWO_HISTOGRAM => RangeMethod::PowerOfTwoHistogram,
            _ => {
                const NAMES: &[&str] =
                    &[MIN_MAX, PERCENTILE, ENTROPY, MSE, POWER_OF_TWO_MIN_MAX, POWER_OF_TWO_HISTOGRAM];
                return Err(E::unknown_variant(name, NAMES));
            }
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RangeMethod, A::Error> {
        let mut method = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != PERCENTILE {
                return Err(A::Error::unknown_field(&key, &[PERCENTILE]));
            }
            let percent: f64 = map.next_value()?;
            let percentile = Percentile::new(percent).ok_or_else(|| {
                A::Error::invalid_value(Unexpected::Float(percent), &"a percentile above 50 and at most 100")
            })?;
            if method.replace(RangeMethod::Percentile(percentile)).is_some() {
                return Err(A::Error::duplicate_field(PERCENTILE));
            }
        }
        method.ok_or_else(|| A::Error::missing_field(PERCENTILE))
    }
}

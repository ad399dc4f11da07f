//! The sparse form in which [`TensorStatistics`] are written to files, and what is checked on reading.

use super::{Bin, MAX_VALUES, TensorStatistics};
use serde::{Deserialize, Serialize};

/// The stored form of [`TensorStatistics`].
///
/// The extremes are f64 because every f32 is one exactly, and a decimal that is read back one unit off in the last
/// place of an f64 still rounds to the same f32.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredStatistics {
    count: u64,
    zeros: u64,
    nans: u64,
    positive_infs: u64,
    negative_infs: u64,
    min: Option<f64>,
    max: Option<f64>,
    /// `[upper 16 bits, count, sum of the lower 16 bits]` of each occupied bin, by ascending value.
    bins: Vec<(u16, u64, u64)>,
}

/// Why stored statistics cannot be the statistics of any values.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Inconsistent {
    #[error("histogram bin {0:#06x} is infinite or NaN")]
    NotFinite(u16),
    #[error("histogram bin {0:#06x} is repeated or out of order")]
    Order(u16),
    #[error("histogram bin {0:#06x} holds {1} values with a lower sum of {2}, which no values have")]
    Sum(u16, u64, u64),
    #[error("{count} values are claimed, but NaN, infinities and histogram hold {found}")]
    Count { count: u64, found: u128 },
    #[error("{0} values are more than 2^48")]
    TooMany(u64),
    #[error("{zeros} zeros are claimed, but the histogram has room for {room}")]
    Zeros { zeros: u64, room: u64 },
    #[error("min and max are not in the first and last bin of the histogram")]
    Extremes,
}

impl From<TensorStatistics> for StoredStatistics {
    fn from(statistics: TensorStatistics) -> Self {
        Self {
            count: statistics.count,
            zeros: statistics.zeros,
            nans: statistics.nans,
            positive_infs: statistics.positive_infs,
            negative_infs: statistics.negative_infs,
            min: statistics.min().map(f64::from),
            max: statistics.max().map(f64::from),
            bins: statistics.bins.iter().map(|bin| (bin.prefix, bin.count, bin.low_sum)).collect(),
        }
    }
}

impl TryFrom<StoredStatistics> for TensorStatistics {
    type Error = Inconsistent;

    fn try_from(stored: StoredStatistics) -> Result<Self, Inconsistent> {
        let bins: Vec<Bin> =
            stored.bins.iter().map(|&(prefix, count, low_sum)| Bin { prefix, count, low_sum }).collect();
        check_bins(&bins)?;
        check_counts(&stored, &bins)?;
        Ok(Self {
            count: stored.count,
            zeros: stored.zeros,
            nans: stored.nans,
            positive_infs: stored.positive_infs,
            negative_infs: stored.negative_infs,
            extremes: extremes(&stored, &bins)?,
            bins,
        })
    }
}

fn check_bins(bins: &[Bin]) -> Result<(), Inconsistent> {
    for bin in bins {
        if !bin.is_finite() {
            return Err(Inconsistent::NotFinite(bin.prefix));
        }
        if bin.count == 0 || u128::from(bin.low_sum) > u128::from(bin.count) * 0xffff {
            return Err(Inconsistent::Sum(bin.prefix, bin.count, bin.low_sum));
        }
    }
    for pair in bins.windows(2) {
        if let [before, after] = pair
            && before.rank() >= after.rank()
        {
            return Err(Inconsistent::Order(after.prefix));
        }
    }
    Ok(())
}

fn check_counts(stored: &StoredStatistics, bins: &[Bin]) -> Result<(), Inconsistent> {
    if stored.count > MAX_VALUES {
        return Err(Inconsistent::TooMany(stored.count));
    }
    let found = [stored.nans, stored.positive_infs, stored.negative_infs]
        .into_iter()
        .chain(bins.iter().map(|bin| bin.count))
        .map(u128::from)
        .sum();
    if u128::from(stored.count) != found {
        return Err(Inconsistent::Count { count: stored.count, found });
    }
    // Zeros are the values of the lowest positive bin that add nothing to its sum; the others add at least 1.
    for bin in bins.iter().filter(|bin| bin.base() == 0) {
        let zeros = if bin.is_negative() { 0 } else { stored.zeros };
        if bin.count.saturating_sub(zeros) > bin.low_sum {
            return Err(Inconsistent::Sum(bin.prefix, bin.count, bin.low_sum));
        }
    }
    let room = bins.iter().find(|bin| bin.prefix == 0).map_or(0, |bin| bin.count);
    if stored.zeros > room {
        return Err(Inconsistent::Zeros { zeros: stored.zeros, room });
    }
    Ok(())
}

fn extremes(stored: &StoredStatistics, bins: &[Bin]) -> Result<Option<(f32, f32)>, Inconsistent> {
    match (stored.min, stored.max, bins.first(), bins.last()) {
        (None, None, None, None) => Ok(None),
        (Some(min), Some(max), Some(first), Some(last)) => {
            // Adding 0.0 turns -0.0 into 0.0.
            let (min, max) = (min as f32 + 0.0, max as f32 + 0.0);
            if min <= max && first.contains(min) && last.contains(max) {
                Ok(Some((min, max)))
            } else {
                Err(Inconsistent::Extremes)
            }
        }
        _ => Err(Inconsistent::Extremes),
    }
}

impl Bin {
    fn contains(&self, value: f32) -> bool {
        value.to_bits() >> 16 == u32::from(self.prefix)
    }
}

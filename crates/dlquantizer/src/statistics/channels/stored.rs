//! The form in which [`ChannelStatistics`] are written to files, and what is checked on reading.

use super::{Channel, ChannelStatistics};
use crate::statistics::MAX_VALUES;
use crate::statistics::exact_sum::{Accumulator, ExactSum};
use serde::{Deserialize, Serialize};

/// The stored form of [`ChannelStatistics`]: an array per quantity, with an element per channel.
///
/// The extremes are f64 for the reason given at [`StoredStatistics`](super::super::StoredStatistics).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredChannels {
    counts: Vec<u64>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
    sums: Vec<ExactSum>,
}

/// Why stored statistics cannot be those of any channels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Inconsistent {
    #[error("counts, min, max and sums of channels have the lengths {0}, {1}, {2} and {3}")]
    Lengths(usize, usize, usize, usize),
    #[error("channel {channel} claims {count} values, more than 2^48")]
    TooMany { channel: usize, count: u64 },
    #[error("channel {channel}: no {count} values have these min and max")]
    Extremes { channel: usize, count: u64 },
    #[error("channel {channel}: no {count} values between min and max have the sum {sum}")]
    Sum { channel: usize, count: u64, sum: Box<ExactSum> },
}

impl From<ChannelStatistics> for StoredChannels {
    fn from(statistics: ChannelStatistics) -> Self {
        let channels = || statistics.channels.iter();
        Self {
            counts: channels().map(|channel| channel.count).collect(),
            min: channels().map(|channel| channel.extremes.map(|(min, _)| f64::from(min))).collect(),
            max: channels().map(|channel| channel.extremes.map(|(_, max)| f64::from(max))).collect(),
            sums: channels().map(|channel| channel.sum).collect(),
        }
    }
}

impl TryFrom<StoredChannels> for ChannelStatistics {
    type Error = Inconsistent;

    fn try_from(stored: StoredChannels) -> Result<Self, Inconsistent> {
        let StoredChannels { counts, min, max, sums } = stored;
        let lengths = [counts.len(), min.len(), max.len(), sums.len()];
        if lengths.iter().any(|&length| length != lengths[0]) {
            return Err(Inconsistent::Lengths(lengths[0], lengths[1], lengths[2], lengths[3]));
        }
        let parts = counts.into_iter().zip(min).zip(max).zip(sums).enumerate();
        let channels = parts.map(|(channel, (((count, min), max), sum))| checked(channel, count, min, max, sum));
        Ok(Self { channels: channels.collect::<Result<_, _>>()? })
    }
}

/// A channel, if some values have these statistics as far as bounds can tell.
fn checked(
    channel: usize,
    count: u64,
    min: Option<f64>,
    max: Option<f64>,
    sum: ExactSum,
) -> Result<Channel, Inconsistent> {
    if count > MAX_VALUES {
        return Err(Inconsistent::TooMany { channel, count });
    }
    // Adding 0.0 turns -0.0 into 0.0.
    let extremes = min.zip(max).map(|(min, max)| (min as f32 + 0.0, max as f32 + 0.0));
    let possible = match (count, min, max, extremes) {
        (0, None, None, _) => true,
        (1, _, _, Some((min, max))) => min == max && min.is_finite(),
        (2.., _, _, Some((min, max))) => min <= max && min.is_finite() && max.is_finite(),
        _ => false,
    };
    if !possible {
        return Err(Inconsistent::Extremes { channel, count });
    }
    if let Some((min, max)) = extremes {
        // One of the values is min; of several, another one is max; none lies beyond.
        let others = count - 1;
        let (least, largest) =
            (sum_of([(min, others.max(1)), (max, others.min(1))]), sum_of([(min, 1), (max, others)]));
        if sum < least || largest < sum {
            return Err(Inconsistent::Sum { channel, count, sum: Box::new(sum) });
        }
    } else if sum != ExactSum::default() {
        return Err(Inconsistent::Sum { channel, count, sum: Box::new(sum) });
    }
    Ok(Channel { count, extremes, sum })
}

fn sum_of(values: [(f32, u64); 2]) -> ExactSum {
    let mut sum = Accumulator::default();
    for (value, count) in values {
        sum.add_times(value, count);
    }
    sum.sum()
}

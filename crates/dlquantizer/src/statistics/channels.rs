//! What a calibration keeps of each channel of a tensor: count, minimum, maximum and exact sum.

mod lanes;
mod observer;
mod stored;
#[cfg(test)]
mod tests;

pub use observer::ChannelObserver;

use super::exact_sum::ExactSum;
use super::{MAX_VALUES, TooManyValues};
use serde::{Deserialize, Serialize};
use stored::StoredChannels;

/// The statistics of each channel of one tensor: count, minimum, maximum and sum of its finite values.
///
/// Everything is exact, the sums included, so equal sets of values give equal statistics, and equal bytes in a file,
/// whatever their order and however they were split over [`ChannelObserver`]s and merged. `-0.0` counts as `0.0`; NaN and
/// infinities are left out. Statistics without channels hold nothing and merge with any.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "StoredChannels", try_from = "StoredChannels")]
pub struct ChannelStatistics {
    channels: Vec<Channel>,
}

/// The finite values of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Channel {
    count: u64,
    /// Smallest and largest value, never `-0.0`.
    extremes: Option<(f32, f32)>,
    sum: ExactSum,
}

/// Why values or statistics cannot be added to those of a tensor's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The values are not a number of `[channels, inner]` blocks.
    #[error("{len} values cannot have the shape [_, {channels}, {inner}]")]
    Shape {
        /// Number of values.
        len: usize,
        /// Channels they were said to have.
        channels: usize,
        /// Values of a channel that follow each other.
        inner: usize,
    },
    /// A tensor has one number of channels.
    #[error("{found} channels where there were {expected} before")]
    Channels {
        /// Channels so far.
        expected: usize,
        /// Channels of what was to be added.
        found: usize,
    },
    /// A channel would hold more than [`MAX_VALUES`] values.
    #[error(transparent)]
    TooManyValues(#[from] TooManyValues),
}

impl ChannelStatistics {
    /// The statistics of `values` of the shape `[outer, channels, inner]`, row-major.
    ///
    /// # Errors
    ///
    /// When the number of values is not a multiple of `channels · inner`.
    pub fn of(values: &[f32], channels: usize, inner: usize) -> Result<Self, ChannelError> {
        let mut observer = ChannelObserver::new();
        observer.observe(values, channels, inner)?;
        Ok(observer.statistics())
    }

    /// Adds the values of `other`, channel by channel; the result does not depend on which of the two is merged into which.
    ///
    /// # Errors
    ///
    /// When the numbers of channels differ, or a channel comes to hold more than [`MAX_VALUES`] values; `self` is then
    /// unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), ChannelError> {
        if other.is_empty() {
            return Ok(());
        }
        if self.is_empty() {
            self.clone_from(other);
            return Ok(());
        }
        if self.len() != other.len() {
            return Err(ChannelError::Channels { expected: self.len(), found: other.len() });
        }
        let pairs = || self.channels.iter().zip(&other.channels);
        if pairs().any(|(ours, theirs)| ours.count.saturating_add(theirs.count) > MAX_VALUES) {
            return Err(TooManyValues.into());
        }
        self.channels = pairs().map(|(ours, theirs)| ours.plus(theirs)).collect();
        Ok(())
    }

    /// The number of channels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether there are no channels: nothing was observed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// The finite values of a channel; 0 for a channel there is not.
    #[must_use]
    pub fn count(&self, channel: usize) -> u64 {
        self.channel(channel).count
    }

    /// The smallest finite value of a channel, exactly; none without a finite value.
    #[must_use]
    pub fn min(&self, channel: usize) -> Option<f32> {
        self.channel(channel).extremes.map(|(min, _)| min)
    }

    /// The largest finite value of a channel, exactly; none without a finite value.
    #[must_use]
    pub fn max(&self, channel: usize) -> Option<f32> {
        self.channel(channel).extremes.map(|(_, max)| max)
    }

    /// The sum of the finite values of a channel: the f64 nearest to the exact sum; 0 without a finite value.
    #[must_use]
    pub fn sum(&self, channel: usize) -> f64 {
        self.channel(channel).sum.to_f64()
    }

    /// The mean of the finite values of a channel, [`Self::sum`] divided by [`Self::count`]; none without a finite value.
    ///
    /// Two roundings: it is off by at most `2^-52` of its size.
    #[must_use]
    pub fn mean(&self, channel: usize) -> Option<f64> {
        let count = self.count(channel);
        (count > 0).then(|| self.sum(channel) / count as f64)
    }

    fn channel(&self, channel: usize) -> Channel {
        self.channels.get(channel).copied().unwrap_or_default()
    }
}

impl Channel {
    fn plus(&self, other: &Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            extremes: match (self.extremes, other.extremes) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (one, None) | (None, one) => one,
            },
            sum: self.sum.plus(&other.sum),
        }
    }
}

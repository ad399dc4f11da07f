//! Values in, [`ChannelStatistics`] out.

use super::{Channel, ChannelError, ChannelStatistics};
use crate::statistics::exact_sum::Accumulator;

/// Collects the [`ChannelStatistics`] of one tensor from any number of slices, in fixed memory.
#[derive(Debug, Clone, Default)]
pub struct ChannelObserver {
    channels: Vec<Growing>,
}

/// A channel that is being observed.
#[derive(Debug, Clone)]
struct Growing {
    count: u64,
    /// Of the finite values; `min > max` when there are none. Either may be `-0.0`.
    min: f32,
    max: f32,
    sum: Accumulator,
}

impl ChannelObserver {
    /// Bytes an observer occupies for each channel, whatever it observes.
    pub const BYTES_PER_CHANNEL: usize = size_of::<Growing>();

    /// An observer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds values of the shape `[outer, channels, inner]`, row-major: `inner` is 1 for `[batch, features]`, and height
    /// times width for `[batch, channels, height, width]`.
    ///
    /// The first call fixes the number of channels.
    ///
    /// # Errors
    ///
    /// When the number of values is not a multiple of `channels · inner`, or `channels` is not that of the first call;
    /// nothing is then added.
    pub fn observe(&mut self, values: &[f32], channels: usize, inner: usize) -> Result<(), ChannelError> {
        let row = channels.checked_mul(inner).filter(|&row| values.len().is_multiple_of(row));
        let Some(row) = row else { return Err(ChannelError::Shape { len: values.len(), channels, inner }) };
        if self.channels.is_empty() {
            self.channels = vec![Growing::default(); channels];
        }
        if self.channels.len() != channels {
            return Err(ChannelError::Channels { expected: self.channels.len(), found: channels });
        }
        if row == 0 {
            return Ok(());
        }
        for block in values.chunks_exact(row) {
            for (channel, values) in self.channels.iter_mut().zip(block.chunks_exact(inner)) {
                channel.observe_each(values);
            }
        }
        Ok(())
    }

    /// The statistics of everything observed so far; without channels if that is nothing.
    #[must_use]
    pub fn statistics(&self) -> ChannelStatistics {
        ChannelStatistics { channels: self.channels.iter().map(Growing::channel).collect() }
    }
}

impl Default for Growing {
    fn default() -> Self {
        Self { count: 0, min: f32::INFINITY, max: f32::NEG_INFINITY, sum: Accumulator::default() }
    }
}

impl Growing {
    fn observe_each(&mut self, values: &[f32]) {
        for &value in values.iter().filter(|value| value.is_finite()) {
            self.count += 1;
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.sum.add(f64::from(value));
        }
    }

    fn channel(&self) -> Channel {
        Channel {
            count: self.count,
            // Adding 0.0 turns -0.0 into 0.0.
            extremes: (self.min <= self.max).then_some((self.min + 0.0, self.max + 0.0)),
            sum: self.sum.sum(),
        }
    }
}

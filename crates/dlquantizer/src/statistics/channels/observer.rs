//! Values in, [`ChannelStatistics`] out.

use super::lanes::{LANES, Lanes};
use super::{Channel, ChannelError, ChannelStatistics};
use crate::statistics::exact_sum::Accumulator;

/// Rows of `[batch, features]` that are taken together.
const ROWS: usize = 64;

/// Values of a plane that are taken together.
const TILE: usize = 2048;

/// Collects the [`ChannelStatistics`] of one tensor from any number of slices, in fixed memory.
#[derive(Debug, Clone, Default)]
pub struct ChannelObserver {
    channels: Vec<Growing>,
    pending: Pending,
}

/// What is not yet in the channels.
#[derive(Debug, Clone)]
enum Pending {
    /// From `inner = 1`: each lane is a channel. The last strip overlaps the one before, rather than reach beyond the
    /// last channel.
    Strips(Vec<Lanes>),
    /// From larger `inner`: each element is a channel, a lane every eighth value of a plane.
    Planes(Vec<Lanes>),
}

/// A channel that is being observed.
#[derive(Debug, Clone, Copy)]
struct Growing {
    count: u64,
    /// Of the finite values; `min > max` when there are none. Either may be `-0.0`.
    min: f32,
    max: f32,
    sum: Accumulator,
}

impl Default for Pending {
    fn default() -> Self {
        Self::Strips(Vec::new())
    }
}

impl Default for Growing {
    fn default() -> Self {
        Self { count: 0, min: f32::INFINITY, max: f32::NEG_INFINITY, sum: Accumulator::default() }
    }
}

impl ChannelObserver {
    /// The most bytes an observer occupies for each channel, whatever it observes.
    pub const BYTES_PER_CHANNEL: usize = size_of::<Growing>() + size_of::<Lanes>();

    /// An observer that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds values of the shape `[outer, channels, inner]`, row-major: `inner` is 1 for `[batch, features]`, and height
    /// times width for `[batch, channels, height, width]`.
    ///
    /// The first values fix the number of channels; `inner` may change.
    ///
    /// # Errors
    ///
    /// When the number of values is not a multiple of `channels · inner`, or `channels` is not that of the first values;
    /// nothing is then added.
    pub fn observe(&mut self, values: &[f32], channels: usize, inner: usize) -> Result<(), ChannelError> {
        let shape = ChannelError::Shape { len: values.len(), channels, inner };
        let row = channels.checked_mul(inner).ok_or(shape)?;
        if !values.len().is_multiple_of(row) {
            return Err(shape);
        }
        if values.is_empty() {
            return Ok(());
        }
        if self.channels.is_empty() {
            self.channels = vec![Growing::default(); channels];
        }
        if self.channels.len() != channels {
            return Err(ChannelError::Channels { expected: self.channels.len(), found: channels });
        }
        match (channels, inner) {
            (1, _) => self.observe_planes(values, values.len()),
            (_, 1) => self.observe_strips(values),
            _ => self.observe_planes(values, inner),
        }
        Ok(())
    }

    fn observe_strips(&mut self, values: &[f32]) {
        if !matches!(&self.pending, Pending::Strips(strips) if !strips.is_empty()) {
            self.settle();
            self.pending = Pending::Strips(vec![Lanes::NONE; self.channels.len().div_ceil(LANES)]);
        }
        let Pending::Strips(strips) = &mut self.pending else { return };
        let channels = self.channels.len();
        for tile in values.chunks(ROWS * channels) {
            let rows = tile.len() / channels;
            for (at, (strip, growing)) in strips.iter_mut().zip(self.channels.chunks_mut(LANES)).enumerate() {
                let overlap = overlap(at, channels);
                let values = |lanes: &mut Lanes| lanes.add_columns(tile, channels, at * LANES - overlap);
                if !strip.include(rows, values, |lanes| settle_strip(growing, lanes, overlap)) {
                    for (channel, growing) in growing.iter_mut().enumerate() {
                        growing.include_each(tile.iter().skip(at * LANES + channel).step_by(channels).copied());
                    }
                }
            }
        }
    }

    fn observe_planes(&mut self, values: &[f32], inner: usize) {
        if !matches!(self.pending, Pending::Planes(_)) {
            self.settle();
            self.pending = Pending::Planes(vec![Lanes::NONE; self.channels.len()]);
        }
        let Pending::Planes(planes) = &mut self.pending else { return };
        for block in values.chunks_exact(self.channels.len() * inner) {
            for ((lanes, growing), plane) in planes.iter_mut().zip(&mut self.channels).zip(block.chunks_exact(inner)) {
                for tile in plane.chunks(TILE) {
                    let values = |lanes: &mut Lanes| lanes.add_values(tile);
                    if !lanes.include(tile.len(), values, |lanes| settle_plane(growing, lanes)) {
                        growing.include_each(tile.iter().copied());
                    }
                }
            }
        }
    }

    /// Moves everything into the channels.
    fn settle(&mut self) {
        match std::mem::take(&mut self.pending) {
            Pending::Strips(strips) => {
                let channels = self.channels.len();
                for (at, (growing, strip)) in self.channels.chunks_mut(LANES).zip(&strips).enumerate() {
                    settle_strip(growing, strip, overlap(at, channels));
                }
            }
            Pending::Planes(planes) => {
                for (growing, lanes) in self.channels.iter_mut().zip(&planes) {
                    settle_plane(growing, lanes);
                }
            }
        }
    }

    /// The statistics of everything observed so far; without channels if that is nothing.
    #[must_use]
    pub fn statistics(&self) -> ChannelStatistics {
        let mut settled = self.clone();
        settled.settle();
        ChannelStatistics { channels: settled.channels.iter().map(Growing::channel).collect() }
    }
}

/// How many lanes of a strip are channels of the one before.
fn overlap(strip: usize, channels: usize) -> usize {
    let first = strip * LANES;
    first - first.min(channels.saturating_sub(LANES))
}

fn settle_strip(channels: &mut [Growing], strip: &Lanes, overlap: usize) {
    for (lane, growing) in (overlap..).zip(channels) {
        growing.include(strip.values, strip.min[lane], strip.max[lane], strip.sum[lane]);
    }
}

fn settle_plane(channel: &mut Growing, lanes: &Lanes) {
    let min = lanes.min.into_iter().fold(f32::INFINITY, f32::min);
    let max = lanes.max.into_iter().fold(f32::NEG_INFINITY, f32::max);
    channel.include(lanes.values, min, max, 0.0);
    // Each is exact; in f64, their sum need not be.
    for sum in lanes.sum {
        channel.sum.add(sum);
    }
}

impl Growing {
    /// Adds finite values of which these are known, the sum exactly.
    fn include(&mut self, count: u64, min: f32, max: f32, sum: f64) {
        self.count = self.count.saturating_add(count);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum.add(sum);
    }

    /// Adds the finite ones of some values, for sums that f64 would round.
    fn include_each(&mut self, values: impl Iterator<Item = f32> + Clone) {
        let finite = values.filter(|value| value.is_finite());
        let (mut count, mut min, mut max) = (0_u64, f32::INFINITY, f32::NEG_INFINITY);
        for value in finite.clone() {
            count += 1;
            min = min.min(value);
            max = max.max(value);
        }
        // The large ones still fit one f64; the rest goes into the sum one by one.
        let least = Lanes::least_exact(count, min, max);
        let mut sum = 0.0;
        for value in finite {
            if f64::from(value.abs()) >= least {
                sum += f64::from(value);
            } else {
                self.sum.add(f64::from(value));
            }
        }
        self.include(count, min, max, sum);
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

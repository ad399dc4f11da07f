//! Minimum, maximum and exact sum of some values at vector speed.
//!
//! Sums of f32 values in f64 are exact as long as the largest is not too far from the smallest: a value with
//! `|x| >= 2^e` is a multiple of `2^(e - 23)`, and an f64 holds every multiple of that up to `2^53` of them. With `n`
//! values no partial sum is above `n · max|x|`, in any order.

/// Values side by side: two SSE registers of f32, four of f64.
pub(super) const LANES: usize = 8;

/// `n · max|x|` may be so many times the power of two below the smallest `|x|`: `2^53 / 2^23`, and half of that for the
/// rounding of the test in f32.
const SPAN: f32 = (1 << 29) as f32;

/// What is known of values whose sum is exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    /// Values of a channel, NaN and infinities never among them.
    pub(super) values: u64,
    /// `min > max` in a lane without values. Either may be `-0.0`.
    pub(super) min: [f32; LANES],
    pub(super) max: [f32; LANES],
    pub(super) sum: [f64; LANES],
    /// The f32 before the smallest absolute value that is not zero.
    below: [f32; LANES],
}

impl Lanes {
    pub(super) const NONE: Self = Self {
        values: 0,
        min: [f32::INFINITY; LANES],
        max: [f32::NEG_INFINITY; LANES],
        sum: [0.0; LANES],
        below: [f32::INFINITY; LANES],
    };

    /// Adds `values` values of a channel by `add`, `settle` taking away what was there if both do not fit together.
    ///
    /// False, and nothing is added, if not even the new ones fit.
    pub(super) fn include(&mut self, values: usize, add: impl Fn(&mut Self), settle: impl FnOnce(&Self)) -> bool {
        let mut together = Self { values: self.values + values as u64, ..*self };
        add(&mut together);
        if together.is_exact() {
            *self = together;
            return true;
        }
        settle(self);
        *self = Self::NONE;
        let mut alone = Self { values: values as u64, ..Self::NONE };
        add(&mut alone);
        let is_exact = alone.is_exact();
        if is_exact {
            *self = alone;
        }
        is_exact
    }

    /// Adds to each lane a column of the `[rows, channels]` values, from column `first` on; zeros where there is none.
    pub(super) fn add_columns(&mut self, values: &[f32], channels: usize, first: usize) {
        // A copy, so that it stays in registers.
        let mut lanes = *self;
        let rows = values.chunks_exact(channels);
        if first + LANES <= channels {
            for row in rows.filter_map(|row| row[first..].first_chunk()) {
                lanes.add(row);
            }
        } else {
            for row in rows {
                let mut padded = [0.0; LANES];
                for (padded, value) in padded.iter_mut().zip(&row[first..]) {
                    *padded = *value;
                }
                lanes.add(&padded);
            }
        }
        *self = lanes;
    }

    /// Adds values to the lanes in turn.
    pub(super) fn add_values(&mut self, values: &[f32]) {
        let (rows, rest) = values.as_chunks();
        let mut lanes = *self;
        for row in rows {
            lanes.add(row);
        }
        *self = lanes;
        for (lane, &value) in rest.iter().enumerate() {
            self.add_to(lane, value);
        }
    }

    #[inline(always)]
    fn add(&mut self, row: &[f32; LANES]) {
        for (lane, &value) in row.iter().enumerate() {
            self.add_to(lane, value);
        }
    }

    /// Comparisons that are false for NaN, which become one vector instruction each.
    #[inline(always)]
    fn add_to(&mut self, lane: usize, value: f32) {
        // Zero becomes NaN.
        let below = f32::from_bits((value.to_bits() & 0x7fff_ffff).wrapping_sub(1));
        self.min[lane] = if value < self.min[lane] { value } else { self.min[lane] };
        self.max[lane] = if value > self.max[lane] { value } else { self.max[lane] };
        self.below[lane] = if below < self.below[lane] { below } else { self.below[lane] };
        self.sum[lane] += f64::from(value);
    }

    /// Whether all values are finite, and every sum of some of them exact in f64.
    fn is_exact(&self) -> bool {
        let per_value = self.values as f32 / SPAN;
        let mut is_exact = true;
        for lane in 0..LANES {
            let magnitude = if -self.min[lane] > self.max[lane] { -self.min[lane] } else { self.max[lane] };
            // Fewer bits than exponent and mantissa: the power of two at or below it, 0 for a subnormal number.
            let power = f32::from_bits(self.below[lane].to_bits() & 0x7f80_0000);
            // An infinity makes the first false, a NaN the second.
            is_exact &= magnitude * per_value <= power && !self.sum[lane].is_nan();
        }
        is_exact
    }

    /// What absolute value makes `values` values between `min` and `max` exact in f64.
    pub(super) fn least_exact(values: u64, min: f32, max: f32) -> f64 {
        // Twice, for the power of two below a value is more than half of it.
        2.0 * values as f64 * f64::from(max.max(-min)) / f64::from(SPAN)
    }
}

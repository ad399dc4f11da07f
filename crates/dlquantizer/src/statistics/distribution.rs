//! What the histogram says of the distribution of a tensor's values.

#[cfg(test)]
mod tests;

use super::TensorStatistics;

impl TensorStatistics {
    /// The standard deviation of the finite values, `sqrt(mean((x - mean(x))²))`; none without a finite value.
    ///
    /// Each value is taken for the mean of its histogram bin, which is known exactly. What varies within the bins is
    /// left out, so the result is never above the standard deviation, up to the rounding of f64, and below it by at
    /// most `2^-8 · sqrt(mean(x²)) + 2^-134`: a bin is at most `2^-7` of its values wide, or `2^-133` next to zero, and
    /// values in an interval have a standard deviation of at most half its width (Popoviciu's inequality).
    #[must_use]
    pub fn std_dev(&self) -> Option<f64> {
        let mean = self.mean()?;
        let squares: f64 = self.bins().map(|bin| bin.count as f64 * (bin.mean - mean).powi(2)).sum();
        Some((squares / self.finite_count() as f64).sqrt())
    }

    /// The value below or at which a share `q` of the finite values lies: of `n` values by size, the one at place
    /// `max(1, ceil(q · n))`. None without a finite value or with `q` outside `[0, 1]`.
    ///
    /// It is the mean of the histogram bin that the value at this place is in, within `2^-7` of it; the first and the
    /// last value are exact, and so is a value alone in its bin.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f32> {
        let (min, max) = self.extremes?;
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let place = (q * self.finite_count() as f64).ceil() as u64;
        if place <= 1 {
            return Some(min);
        }
        let mut passed = 0_u64;
        let bin = self.bins().find(|bin| {
            passed = passed.saturating_add(bin.count);
            passed >= place
        });
        // A rounded product may be one place beyond the last.
        let last = passed >= self.finite_count() && place >= self.finite_count();
        Some(bin.filter(|_| !last).map_or(max, |bin| (bin.mean as f32).clamp(min, max)))
    }
}

//! Sums over the rows of a batch.

/// Writes the sum over all rows of `values` `[rows, sums.len()]`, each column in the order of the rows.
pub(crate) fn sum_rows(values: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in values.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

/// The sum of `term(0)` to `term(count - 1)`: eight sums in turns, then those in order, so that they are added side by side and yet always
/// in one order.
#[inline(always)]
pub(crate) fn sum(count: usize, term: impl Fn(usize) -> f64) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let whole = count / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    sums.iter().sum::<f64>() + (whole..count).map(term).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_column_by_column() {
        let mut sums = [f32::NAN; 2];
        sum_rows(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], &mut sums);
        assert_eq!(sums, [6.0, 60.0]);
    }

    #[test]
    fn every_term_counts_once() {
        for count in 0..40 {
            assert_eq!(sum(count, |i| i as f64), (count * count.saturating_sub(1)) as f64 / 2.0);
        }
    }
}

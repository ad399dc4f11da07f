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

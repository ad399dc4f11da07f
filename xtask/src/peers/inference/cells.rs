//! Times of every side on one model and batch size, and what follows from all of them.

/// Times of one side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    pub(super) min: f64,
    pub(super) median: f64,
}

/// One model at one batch size.
pub(super) struct Cell {
    pub(super) model: String,
    pub(super) batch: usize,
    pub(super) ours: Times,
    /// In the order of the columns.
    pub(super) others: Vec<Times>,
}

/// Ratios to the fastest of the others; above 1 we are faster.
pub(super) struct Summary {
    pub(super) geometric_mean: f64,
    pub(super) worst: f64,
    pub(super) worst_cell: String,
    /// Cells in which we are slower.
    pub(super) slower: usize,
}

impl Times {
    /// Of the microseconds of all runs.
    pub(super) fn of(mut runs: Vec<f64>) -> Self {
        runs.sort_by(f64::total_cmp);
        let middle = |index: usize| runs.get(index).copied().unwrap_or(f64::NAN);
        let median = (middle(runs.len() / 2) + middle(runs.len().saturating_sub(1) / 2)) / 2.0;
        Self { min: middle(0), median }
    }

    pub(super) fn show(&self) -> String {
        format!("{} ({})", digits(self.min), digits(self.median))
    }
}

impl Cell {
    /// How many times the time of ours the fastest of the others takes.
    pub(super) fn ratio(&self, time: impl Fn(&Times) -> f64) -> f64 {
        self.others.iter().map(&time).fold(f64::INFINITY, f64::min) / time(&self.ours)
    }
}

impl Summary {
    /// By minimum or by median; `None` without cells.
    pub(super) fn of(cells: &[Cell], time: impl Fn(&Times) -> f64) -> Option<Self> {
        let ratios: Vec<f64> = cells.iter().map(|cell| cell.ratio(&time)).collect();
        let (worst, cell) = ratios.iter().copied().zip(cells).min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Self {
            geometric_mean: (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp(),
            worst,
            worst_cell: format!("{}, batch {}", cell.model, cell.batch),
            slower: ratios.iter().filter(|&&ratio| ratio < 1.0).count(),
        })
    }
}

/// Microseconds with three significant digits or all before the point.
fn digits(microseconds: f64) -> String {
    match microseconds {
        time if time < 10.0 => format!("{time:.2}"),
        time if time < 100.0 => format!("{time:.1}"),
        time => format!("{time:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(batch: usize, ours: f64, others: [f64; 2]) -> Cell {
        let times = |min: f64| Times { min, median: 2.0 * min };
        Cell { model: "dense".to_owned(), batch, ours: times(ours), others: others.map(times).to_vec() }
    }

    #[test]
    fn ratios_are_to_the_fastest_and_their_mean_is_geometric() {
        let cells = [cell(1, 1.0, [4.0, 9.0]), cell(8, 2.0, [5.0, 2.0]), cell(64, 4.0, [1.0, 3.0])];
        let summary = Summary::of(&cells, |times| times.min).unwrap();
        assert!((summary.geometric_mean - 1.0).abs() < 1e-12);
        assert_eq!((summary.worst, summary.worst_cell.as_str(), summary.slower), (0.25, "dense, batch 64", 1));
        assert!(Summary::of(&[], |times| times.min).is_none());
    }

    #[test]
    fn minimum_and_median() {
        assert_eq!(Times::of(vec![3.0, 1.0, 2.0]), Times { min: 1.0, median: 2.0 });
        assert_eq!(Times::of(vec![4.0, 1.0, 2.0, 3.0]), Times { min: 1.0, median: 2.5 });
        assert_eq!(Times { min: 4.567, median: 1234.5 }.show(), "4.57 (1234)");
    }
}

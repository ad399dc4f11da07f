//! After how many samples the ranges stopped growing.

use serde::{Deserialize, Serialize};

/// Samples before which nothing is said.
const FIRST: u64 = 256;

/// Looks fall on multiples of this, so that batches need no padding for them.
const STEP: u64 = 64;

/// The smallest and the largest value of a tensor; none without a finite one.
type Extremes = Option<(f32, f32)>;

/// The ranges at a growing number of samples.
///
/// When to look depends on the number of samples alone, never on how they came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Convergence(Vec<Look>);

/// The range of every activation after so many samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredLook", from = "StoredLook")]
struct Look {
    samples: u64,
    extremes: Vec<Extremes>,
}

/// The stored form of a [`Look`]. In f64, for a decimal that is read back one unit off in its last place still rounds to the same f32.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLook {
    samples: u64,
    extremes: Vec<Option<(f64, f64)>>,
}

impl From<Look> for StoredLook {
    fn from(Look { samples, extremes }: Look) -> Self {
        let exact = |(min, max)| (f64::from(min), f64::from(max));
        Self { samples, extremes: extremes.into_iter().map(|extremes| extremes.map(exact)).collect() }
    }
}

impl From<StoredLook> for Look {
    fn from(StoredLook { samples, extremes }: StoredLook) -> Self {
        let round = |(min, max)| (min as f32, max as f32);
        Self { samples, extremes: extremes.into_iter().map(|extremes| extremes.map(round)).collect() }
    }
}

impl Convergence {
    /// At how many samples the next look is due: each a quarter more than the one before.
    pub(super) fn next(&self) -> u64 {
        match self.0.last() {
            None => FIRST,
            Some(last) => {
                let more = last.samples.saturating_add(last.samples / 4);
                more.checked_next_multiple_of(STEP).unwrap_or(u64::MAX)
            }
        }
    }

    /// Notes the ranges after [`Convergence::next`] samples.
    pub(super) fn look(&mut self, extremes: Vec<Extremes>) {
        let samples = self.next();
        self.0.push(Look { samples, extremes });
    }

    /// Whether no range has grown by more than `tolerance`, as a part of its width, since half as many samples.
    pub(super) fn is_stable(&self, tolerance: f64) -> bool {
        let Some(last) = self.0.last() else { return false };
        let before = self.0.iter().rev().find(|look| look.samples <= last.samples / 2);
        before.is_some_and(|before| within(&before.extremes, &last.extremes, tolerance))
    }

    /// The fewest samples looked at after which every range was within `tolerance` of the `end`; none if only the end is.
    pub(super) fn converged_after(&self, end: &[Extremes], tolerance: f64) -> Option<u64> {
        let unfinished = self.0.iter().rposition(|look| !within(&look.extremes, end, tolerance));
        self.0.get(unfinished.map_or(0, |position| position + 1)).map(|look| look.samples)
    }

    /// Whether the looks are those that a calibration of so many activations and samples takes.
    pub(crate) fn is_consistent(&self, activations: usize, samples: u64) -> bool {
        // So many that no sum with what comes now can overflow are more than anybody has.
        if samples > u64::MAX / 4 {
            return false;
        }
        let mut replayed = Self::default();
        for look in &self.0 {
            if look.samples != replayed.next() || look.samples > samples || look.extremes.len() != activations {
                return false;
            }
            replayed.0.push(Look { samples: look.samples, extremes: Vec::new() });
        }
        replayed.next() > samples
    }
}

/// How much wider `after` is than `before`, as a part of its own width.
fn growth(before: Extremes, after: Extremes) -> f64 {
    let (Some((low, high)), Some((min, max))) = (before, after) else {
        return if before == after { 0.0 } else { f64::INFINITY };
    };
    let width = |low: f32, high: f32| f64::from(high.max(0.0)) - f64::from(low.min(0.0));
    match width(min, max) {
        0.0 => 0.0,
        whole => (whole - width(low, high)) / whole,
    }
}

fn within(before: &[Extremes], after: &[Extremes], tolerance: f64) -> bool {
    before.iter().zip(after).all(|(&before, &after)| growth(before, after) <= tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(ranges: &[f32]) -> Convergence {
        let mut convergence = Convergence::default();
        ranges.iter().for_each(|&max| convergence.look(vec![Some((0.0, max))]));
        convergence
    }

    #[test]
    fn looks_become_rarer_and_fall_on_whole_batches() {
        let mut convergence = Convergence::default();
        let mut due = Vec::new();
        for _ in 0..6 {
            due.push(convergence.next());
            convergence.look(Vec::new());
        }
        assert_eq!(due, [256, 320, 448, 576, 768, 960]);
    }

    #[test]
    fn ranges_are_stable_when_twice_the_samples_left_them_alone() {
        assert!(!looks(&[1.0, 1.0, 1.0]).is_stable(0.05), "448 are not twice 256");
        assert!(looks(&[1.0, 1.0, 1.0, 1.0]).is_stable(0.05));
        assert!(looks(&[0.96, 1.0, 1.0, 1.0]).is_stable(0.05));
        assert!(!looks(&[0.94, 1.0, 1.0, 1.0]).is_stable(0.05));
        assert!(!Convergence::default().is_stable(1.0));
    }

    #[test]
    fn they_converged_where_nothing_after_it_was_far_from_the_end() {
        let end = [Some((0.0, 1.0))];
        assert_eq!(looks(&[0.5, 0.97, 1.0]).converged_after(&end, 0.05), Some(320));
        assert_eq!(looks(&[0.99, 0.99, 1.0]).converged_after(&end, 0.05), Some(256));
        assert_eq!(looks(&[0.5, 0.6, 0.7]).converged_after(&end, 0.05), None);
        assert_eq!(looks(&[]).converged_after(&end, 0.05), None);
    }

    #[test]
    fn a_range_that_appears_has_not_converged() {
        assert_eq!(growth(None, Some((0.0, 1.0))), f64::INFINITY);
        assert_eq!(growth(None, None), 0.0);
        assert_eq!(growth(Some((0.0, 0.0)), Some((0.0, 0.0))), 0.0);
        assert_eq!(growth(Some((-1.0, 1.0)), Some((-3.0, 1.0))), 0.5);
        assert_eq!(growth(Some((3.0, 4.0)), Some((1.0, 4.0))), 0.0, "every range holds 0");
    }

    #[test]
    fn looks_that_nobody_took_are_noticed() {
        assert!(looks(&[1.0, 1.0]).is_consistent(1, 400));
        let mut forever = Convergence::default();
        while forever.next() < u64::MAX / 4 {
            forever.look(vec![None]);
        }
        assert!(forever.is_consistent(1, u64::MAX / 4));
        assert!(!forever.is_consistent(1, u64::MAX / 4 + 1));
        assert!(!looks(&[1.0, 1.0]).is_consistent(2, 400));
        assert!(!looks(&[1.0, 1.0]).is_consistent(1, 300), "a look behind the end");
        assert!(!looks(&[1.0]).is_consistent(1, 400), "a look left out");
    }
}

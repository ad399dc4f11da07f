//! How many samples each class has.

use dataset::Dataset;
use serde::Serialize;

use crate::format;

/// Classes are called skewed if one has so many times the samples of another.
const SKEWED: usize = 5;

/// A class of the training samples.
#[derive(Serialize)]
pub(crate) struct ClassCount {
    class: usize,
    /// Its name, where the data tells it.
    name: Option<String>,
    samples: usize,
}

/// The classes of the labels, in order; none without labels.
pub(super) fn classes(samples: &Dataset) -> Vec<ClassCount> {
    let Some(labels) = samples.labels() else { return Vec::new() };
    let mut counts = vec![0; samples.class_count().unwrap_or(0)];
    for &label in labels {
        if let Some(count) = counts.get_mut(label as usize) {
            *count += 1;
        }
    }
    let name = |class: usize| samples.class_names().and_then(|names| names.get(class)).cloned();
    counts.into_iter().enumerate().map(|(class, samples)| ClassCount { class, name: name(class), samples }).collect()
}

impl ClassCount {
    fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.class),
            None => self.class.to_string(),
        }
    }
}

/// The classes in a line.
pub(super) fn in_short(classes: &[ClassCount]) -> Option<String> {
    let (fewest, most) = extremes(classes)?;
    let range = match fewest.samples == most.samples {
        true => format::count(most.samples),
        false => format!("{} to {}", format::count(fewest.samples), format::count(most.samples)),
    };
    Some(format!("{} classes of {range} samples", format::count(classes.len())))
}

/// What to think of if some classes have far fewer samples than others.
pub(super) fn warning(classes: &[ClassCount]) -> Option<String> {
    let (fewest, most) = extremes(classes)?;
    if fewest.samples == 0 {
        return Some(format!("class {} has no sample to learn from", fewest.title()));
    }
    (most.samples >= SKEWED * fewest.samples).then(|| {
        format!(
            "class {} has {} samples, class {} only {}; to count them alike set \
             loss = {{ kind = \"cross-entropy\", class_weights = \"balanced\" }}",
            most.title(),
            format::count(most.samples),
            fewest.title(),
            format::count(fewest.samples),
        )
    })
}

fn extremes(classes: &[ClassCount]) -> Option<(&ClassCount, &ClassCount)> {
    let by_samples = |class: &&ClassCount| class.samples;
    Some((classes.iter().min_by_key(by_samples)?, classes.iter().rev().max_by_key(by_samples)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[usize]) -> Vec<ClassCount> {
        let class = |(class, &samples)| ClassCount { class, name: (class == 1).then(|| "boot".to_owned()), samples };
        counts.iter().enumerate().map(class).collect()
    }

    #[test]
    fn skewed_classes_are_warned_of() {
        assert_eq!(in_short(&of(&[1200, 1100, 1100])).unwrap(), "3 classes of 1,100 to 1,200 samples");
        assert_eq!(in_short(&of(&[7, 7])).unwrap(), "2 classes of 7 samples");
        assert_eq!(in_short(&[]), None);
        assert!(warning(&of(&[49, 10])).is_none());
        let text = warning(&of(&[50, 10, 50])).unwrap();
        assert!(text.starts_with("class 0 has 50 samples, class 1 (boot) only 10;"), "{text}");
        assert!(warning(&of(&[50, 0])).unwrap().contains("class 1 (boot) has no sample"));
    }
}

//! Arrays, and labels with them, that advance sample by sample in step.

use crate::array::ArrayReader;
use crate::label_reader::LabelReader;
use crate::labels::Classes;
use crate::numbers::check_memory;
use crate::stream::Source;
use crate::{Dataset, Error, Input, Problem};

/// The samples of one or more arrays.
pub(crate) struct Arrays {
    inputs: Vec<(Place, ArrayReader)>,
    labels: Option<(Place, LabelReader)>,
    len: usize,
    left: usize,
    values_per_sample: u64,
}

/// Where an array is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// Its name, which is that of the input.
    pub(crate) array: String,
    /// Whether there are others in the file, so that errors must name it.
    pub(crate) in_archive: bool,
}

impl Place {
    pub(crate) fn error(&self, problem: Problem) -> Error {
        let problem = if self.in_archive { problem.in_array(&self.array) } else { problem };
        problem.in_named(&self.file)
    }
}

impl Arrays {
    /// The samples in `inputs`, of the file named `file` in error texts.
    pub(crate) fn new(
        file: &str,
        inputs: Vec<(Place, ArrayReader)>,
        labels: Option<(Place, LabelReader)>,
    ) -> Result<Self, Error> {
        let shapes = inputs.iter().map(|(place, array)| (place.array.as_str(), array.shape()));
        let label_count = labels.as_ref().map(|(_, labels)| labels.len());
        let len = Dataset::check(shapes, label_count).map_err(|problem| problem.in_named(file))?;
        let values = inputs.iter().map(|(_, array)| {
            array.shape()[1..].iter().fold(1u64, |product, &size| product.saturating_mul(size as u64))
        });
        let values_per_sample = values.fold(0u64, u64::saturating_add);
        Ok(Self { inputs, labels, len, left: len, values_per_sample })
    }
}

impl Source for Arrays {
    fn next(&mut self, n: usize) -> Result<Option<Dataset>, Error> {
        let n = n.min(self.left);
        let Some((place, _)) = self.inputs.first().filter(|_| n > 0) else {
            return Ok(None);
        };
        let file = place.file.clone();
        let in_file = |problem: Problem| problem.in_named(&file);
        check_memory(n, self.values_per_sample).map_err(in_file)?;
        let mut inputs = Vec::new();
        for (place, array) in &mut self.inputs {
            let samples = array.next(n).map_err(|problem| place.error(problem))?;
            inputs.push(Input { name: place.array.clone(), samples });
        }
        let labels = self.labels.as_mut().map(|(place, labels)| labels.next(n).map_err(|problem| place.error(problem)));
        self.left -= n;
        Dataset::checked(inputs, labels.transpose()?).map(Some).map_err(in_file)
    }

    fn len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn classes(&self) -> Option<&Classes> {
        Some(self.labels.as_ref()?.1.classes())
    }
}

//! Arrays, and labels with them, that advance sample by sample in step.

use crate::array::ArrayReader;
use crate::label_reader::LabelReader;
use crate::labels::Classes;
use crate::numbers::{Rows, check_memory};
use crate::stream::Source;
use crate::{Dataset, Error, Input, Labels, Problem, Shard};

/// The samples of one or more arrays.
pub(crate) struct Arrays {
    file: String,
    inputs: Vec<(Place, ArrayReader)>,
    labels: Option<(Place, LabelReader)>,
    len: usize,
    passed: usize,
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
        Ok(Self { file: file.to_owned(), inputs, labels, len, passed: 0, values_per_sample })
    }
}

impl Arrays {
    /// Reads some of the next samples.
    fn read(&mut self, rows: Rows) -> Result<(Vec<Input>, Option<Labels>), Error> {
        check_memory(rows.count, self.values_per_sample).map_err(|problem| problem.in_named(&self.file))?;
        let mut inputs = Vec::new();
        for (place, array) in &mut self.inputs {
            let samples = array.next(rows).map_err(|problem| place.error(problem))?;
            inputs.push(Input { name: place.array.clone(), samples });
        }
        let labels = self.labels.as_mut();
        let labels = labels.map(|(place, labels)| labels.next(rows).map_err(|problem| place.error(problem)));
        self.passed += rows.span();
        Ok((inputs, labels.transpose()?))
    }
}

impl Source for Arrays {
    fn name(&self) -> &str {
        &self.file
    }

    fn next(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Error> {
        let rows = Rows::of(shard, self.passed..self.len, n);
        let (inputs, labels) = self.read(rows)?;
        if rows.count == 0 {
            return Ok(None);
        }
        Dataset::checked(inputs, labels).map(Some).map_err(|problem| problem.in_named(&self.file))
    }

    fn pass(&mut self, n: usize, _skipped: usize) -> Result<(), Error> {
        self.read(Rows::none(n.min(self.len - self.passed))).map(|_| ())
    }

    fn passed(&self) -> usize {
        self.passed
    }

    fn len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn classes(&self) -> Option<&Classes> {
        Some(self.labels.as_ref()?.1.classes())
    }
}

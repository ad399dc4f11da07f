//! Arrays read along their first dimension, a few samples at a time.

use std::io::{BufReader, Read, Seek, SeekFrom};

use ndarray::{ArrayD, Axis, IxDyn, ShapeBuilder, Slice};

use crate::Problem;
use crate::bytes::Bytes;
use crate::element::{Element, Extent};
use crate::numbers::{CHUNK, Numbers, Rows, check_extent, check_memory, read_problem, read_rows, reserve};

/// What the header of an array tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) element: Element,
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<u64>,
}

impl Header {
    /// The number of elements.
    pub(crate) fn count(&self) -> Result<u64, Problem> {
        let count = self.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        count.ok_or_else(|| {
            Problem::TooLarge(format!("an array of shape {:?} is larger than any file can be", self.shape))
        })
    }

    /// The shape, if this machine can address as much.
    fn sizes(&self) -> Result<Vec<usize>, Problem> {
        let sizes = self.shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>();
        let bytes =
            |sizes: &[usize]| sizes.iter().try_fold(self.element.size(), |bytes, &size| bytes.checked_mul(size));
        sizes.filter(|sizes| sizes.get(1..).is_none_or(|sample| bytes(sample).is_some())).ok_or_else(|| {
            Problem::TooLarge(format!("an array of shape {:?} exceeds this machine's memory", self.shape))
        })
    }

    /// Whether the elements of a sample lie apart.
    pub(crate) fn is_scattered(&self) -> bool {
        self.fortran_order && self.shape.iter().filter(|&&size| size != 1).count() > 1
    }
}

/// An array of samples, `[samples, ...]`, read from its beginning to its end.
pub(crate) struct ArrayReader {
    shape: Vec<usize>,
    elements: Elements,
}

enum Elements {
    /// Sample after sample.
    Rows(Numbers),
    /// Column after column, in a file that can be read anywhere.
    Columns(Columns),
    /// Column after column, in a stream that can only be read on and so has been read whole; how many samples are
    /// passed.
    Held(ArrayD<f32>, usize),
}

/// A column-major array in a file.
struct Columns {
    file: Box<dyn ReadSeek>,
    /// Where the first element is.
    start: u64,
    header: Header,
    passed: u64,
}

/// A file, or bytes like one.
pub(crate) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

impl ArrayReader {
    /// The array whose elements `reader` yields next.
    pub(crate) fn sequential(header: &Header, reader: Box<dyn Bytes>, extent: Extent) -> Result<Self, Problem> {
        let (shape, count) = (header.sizes()?, header.count()?);
        let mut numbers = Numbers::new(reader, extent, header.element, count)?;
        if !header.is_scattered() {
            return Ok(Self { shape, elements: Elements::Rows(numbers) });
        }
        check_memory(1, count).map_err(|_| {
            let text = "an array in column-major order has to be held in memory whole, and this one of shape";
            Problem::TooLarge(format!("{text} {shape:?} is too large; save it as numpy.ascontiguousarray(array)"))
        })?;
        let whole = column_major(&shape, numbers.next(Rows::all(count as usize), 1)?)?;
        Ok(Self { shape, elements: Elements::Held(whole, 0) })
    }

    /// The array whose elements begin at byte `start` of `file`, which ends `extent` after that.
    pub(crate) fn seekable(
        header: Header,
        file: Box<dyn ReadSeek>,
        start: u64,
        extent: Extent,
    ) -> Result<Self, Problem> {
        check_extent(extent, header.element, header.count()?)?;
        Ok(Self { shape: header.sizes()?, elements: Elements::Columns(Columns { file, start, header, passed: 0 }) })
    }

    /// The shape of the whole array.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Those of the next samples that are wanted, of which there must be so many left.
    pub(crate) fn next(&mut self, rows: Rows) -> Result<ArrayD<f32>, Problem> {
        let mut shape = self.shape.clone();
        if let Some(samples) = shape.first_mut() {
            *samples = rows.count;
        }
        match &mut self.elements {
            Elements::Rows(numbers) => {
                let numbers = numbers.next(rows, shape.iter().skip(1).product())?;
                ArrayD::from_shape_vec(IxDyn(&shape), numbers).map_err(|error| unholdable(&shape, &error))
            }
            Elements::Columns(columns) => column_major(&shape, columns.next(rows)?),
            Elements::Held(whole, passed) => {
                let first = *passed + rows.before;
                let wanted = Slice::from(first..first + rows.inner_span()).step_by(1 + rows.between as isize);
                *passed += rows.span();
                Ok(whole.slice_axis(Axis(0), wanted).to_owned())
            }
        }
    }
}

impl Columns {
    /// The elements of those of the next samples that are wanted, column after column.
    fn next(&mut self, rows: Rows) -> Result<Vec<f32>, Problem> {
        let Header { element, shape, .. } = &self.header;
        let within = Rows { before: 0, after: 0, ..rows };
        let buffer = within.inner_span().saturating_mul(element.size()).min(CHUNK);
        let (samples, count) = (shape[0], self.header.count()?);
        let columns = if rows.count > 0 { count / samples.max(1) } else { 0 };
        let mut numbers = Vec::new();
        reserve(&mut numbers, rows.count.saturating_mul(columns as usize))?;
        for column in 0..columns {
            let place = self.start + (column * samples + self.passed + rows.before as u64) * element.size() as u64;
            let mut file = BufReader::with_capacity(buffer, &mut self.file);
            file.seek(SeekFrom::Start(place))
                .and_then(|_| read_rows(&mut file, *element, within, 1, &mut numbers))
                .map_err(|error| read_problem(error, *element, count))?;
        }
        self.passed += rows.span() as u64;
        Ok(numbers)
    }
}

fn column_major(shape: &[usize], elements: Vec<f32>) -> Result<ArrayD<f32>, Problem> {
    ArrayD::from_shape_vec(IxDyn(shape).f(), elements).map_err(|error| unholdable(shape, &error))
}

fn unholdable(shape: &[usize], error: &ndarray::ShapeError) -> Problem {
    Problem::Unsupported(format!("shape {shape:?} cannot be held: {error}"))
}

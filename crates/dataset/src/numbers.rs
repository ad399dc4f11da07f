//! Numbers of one type read piece by piece, with memory reserved only for what a file can hold.

use std::io::{self, Read};
use std::ops::Range;

use crate::bytes::Bytes;
use crate::element::{Element, Extent, Number};
use crate::{Problem, Shard};

/// The most values all arrays of one [`crate::Dataset`] may hold together: 4 GiB as f32.
pub const MAX_ELEMENTS: u64 = 1 << 30;

/// Compares the size of samples with what a data set may hold.
pub(crate) fn check_memory(samples: usize, values_per_sample: u64) -> Result<(), Problem> {
    let total = (samples as u64).checked_mul(values_per_sample);
    if total.is_none_or(|total| total > MAX_ELEMENTS) {
        return Err(Problem::TooLarge(format!(
            "{samples} samples of {values_per_sample} values take the data set above {MAX_ELEMENTS} values, which is \
             what is held in memory at once; take fewer samples"
        )));
    }
    Ok(())
}

/// Numbers read piece by piece from a stream that must end with the last of them.
pub(crate) struct Numbers {
    reader: Box<dyn Bytes>,
    element: Element,
    promised: u64,
    left: u64,
}

impl Numbers {
    /// The `count` numbers in `reader`, of which `extent` is what follows.
    pub(crate) fn new(reader: Box<dyn Bytes>, extent: Extent, element: Element, count: u64) -> Result<Self, Problem> {
        check_extent(extent, element, count)?;
        Ok(Self { reader, element, promised: count, left: count })
    }

    /// Some of the next rows of `width` numbers each. With the last number of the stream, it is checked to be sound to
    /// its end.
    pub(crate) fn next<T: Number>(&mut self, rows: Rows, width: usize) -> Result<Vec<T>, Problem> {
        let mut numbers = Vec::new();
        let passed = (rows.span() as u64).saturating_mul(width as u64);
        self.left = self.left.checked_sub(passed).ok_or_else(|| truncated(self.element, self.promised))?;
        reserve(&mut numbers, rows.count * width)?;
        read_rows(self.reader.as_mut(), self.element, rows, width, &mut numbers)
            .map_err(|error| read_problem(error, self.element, self.promised))?;
        if self.left == 0 {
            self.check_end()?;
        }
        Ok(numbers)
    }

    /// Reading on to the end also makes the zip and gzip readers compare their checksums.
    fn check_end(&mut self) -> Result<(), Problem> {
        if io::copy(&mut self.reader.by_ref().take(1), &mut io::sink()).map_err(stream_problem)? == 0 {
            return Ok(());
        }
        Err(trailing(self.promised))
    }
}

/// Compares what a header promises with what can follow it.
pub(crate) fn check_extent(extent: Extent, element: Element, count: u64) -> Result<(), Problem> {
    let bytes = count.saturating_mul(element.size() as u64);
    match extent {
        _ if bytes > extent.max_bytes() => Err(truncated(element, count)),
        Extent::Plain(stored) if bytes < stored => Err(trailing(count)),
        _ => Ok(()),
    }
}

/// Which of the next rows of a file are read; the others are passed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// How many are passed over first.
    pub(crate) before: usize,
    /// How many are read.
    pub(crate) count: usize,
    /// How many are passed over between two that are read.
    pub(crate) between: usize,
    /// How many are passed over at last.
    pub(crate) after: usize,
}

impl Rows {
    /// At most `n` rows of `shard` among those at `positions`, which are all that are left. With the last row of the
    /// shard, the others after it are passed over, since the checksum behind them counts for all.
    pub(crate) fn of(shard: Shard, positions: Range<usize>, n: usize) -> Self {
        let left = positions.len();
        let before = shard.lead(positions.start);
        let owned = shard.owned(positions);
        if owned == 0 {
            return Self::none(left);
        }
        let count = n.min(owned);
        let between = if count > 1 { shard.count() - 1 } else { 0 };
        let rows = Self { before, count, between, after: 0 };
        if count < owned { rows } else { Self { after: left - rows.span(), ..rows } }
    }

    /// All of the next `count` rows.
    pub(crate) fn all(count: usize) -> Self {
        Self { before: 0, count, between: 0, after: 0 }
    }

    /// None of the next `count` rows.
    pub(crate) fn none(count: usize) -> Self {
        Self { before: count, count: 0, between: 0, after: 0 }
    }

    /// The number of all these rows.
    pub(crate) fn span(self) -> usize {
        self.before + self.inner_span() + self.after
    }

    /// The number of rows from the first to the last that is read.
    pub(crate) fn inner_span(self) -> usize {
        self.count + self.count.saturating_sub(1) * self.between
    }
}

/// Appends the numbers of those of the next `rows`, of `width` numbers each, that are wanted.
pub(crate) fn read_rows<T: Number>(
    reader: &mut dyn Bytes,
    element: Element,
    rows: Rows,
    width: usize,
    out: &mut Vec<T>,
) -> io::Result<()> {
    let bytes = |rows: usize| rows as u64 * (width * element.size()) as u64;
    reader.pass(bytes(rows.before))?;
    if rows.between == 0 {
        read_into(reader, element, rows.count * width, out)?;
    } else {
        for row in 0..rows.count {
            reader.pass(bytes(if row > 0 { rows.between } else { 0 }))?;
            read_into(reader, element, width, out)?;
        }
    }
    reader.pass(bytes(rows.after))
}

/// A multiple of every element size.
pub(crate) const CHUNK: usize = 1 << 16;

/// Appends the next `count` numbers in `reader` to `out`.
fn read_into<T: Number>(reader: &mut dyn Read, element: Element, count: usize, out: &mut Vec<T>) -> io::Result<()> {
    let mut left = count.saturating_mul(element.size());
    let mut buffer = vec![0; left.min(CHUNK)];
    while left > 0 {
        let chunk = &mut buffer[..left.min(CHUNK)];
        reader.read_exact(chunk)?;
        T::decode(element, chunk, out);
        left -= chunk.len();
    }
    Ok(())
}

/// Reserves memory for `count` numbers, which must have been compared with what their file can hold.
pub(crate) fn reserve<T>(numbers: &mut Vec<T>, count: usize) -> Result<(), Problem> {
    numbers
        .try_reserve_exact(count)
        .map_err(|error| Problem::TooLarge(format!("no memory for {count} numbers: {error}; take fewer samples")))
}

/// What an error while reading numbers of a file that promises `count` of them means.
pub(crate) fn read_problem(error: io::Error, element: Element, count: u64) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => truncated(element, count),
        _ => stream_problem(error),
    }
}

/// The file ends before the last of the `count` numbers it promises.
fn truncated(element: Element, count: u64) -> Problem {
    Problem::Malformed(format!(
        "truncated: the header promises {count} numbers of {} bytes, and the data end before; get the file again",
        element.size()
    ))
}

/// The file goes on after the `count` numbers it promises.
fn trailing(count: u64) -> Problem {
    Problem::Malformed(format!(
        "data go on after the {count} numbers that the header promises; the file is damaged or holds something else"
    ))
}

/// Decompressors report damage as an I/O error of these kinds; all others come from the file system.
pub(crate) fn stream_problem(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Problem::Malformed(format!("damaged: {error}; get the file again"))
        }
        _ => Problem::Io(error),
    }
}

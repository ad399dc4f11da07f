//! The rows of a CSV file, one at a time and of bounded length, and their line numbers for error texts.

use std::io::{self, BufRead, BufReader, Read, Seek};

use csv::{Position, ReaderBuilder, StringRecord, Trim};

use crate::Problem;
use crate::numbers::stream_problem;

/// The most bytes of a row. Without an end of line, the whole file would otherwise be read as one.
const MAX_ROW: u64 = 1 << 24;

/// Reads a CSV file row by row.
pub(crate) struct Rows<R> {
    reader: csv::Reader<Bounded<R>>,
    header: StringRecord,
    row: StringRecord,
}

impl<R: Read + Seek> Rows<R> {
    /// Reads the header row of the file.
    pub(crate) fn new(file: R) -> Result<Self, Problem> {
        let bounded = Bounded { file, left: MAX_ROW };
        let mut reader = ReaderBuilder::new().trim(Trim::Headers).buffer_capacity(1 << 16).from_reader(bounded);
        match reader.headers().cloned() {
            Ok(header) => Ok(Self { reader, header, row: StringRecord::new() }),
            Err(error) => Err(problem(&mut reader, error)),
        }
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &StringRecord {
        &self.header
    }

    /// The next row, as wide as the header, its cells with the blanks around them; `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<&StringRecord>, Problem> {
        self.reader.get_mut().left = MAX_ROW;
        match self.reader.read_record(&mut self.row) {
            Ok(true) => Ok(Some(&self.row)),
            Ok(false) => Ok(None),
            Err(error) => Err(problem(&mut self.reader, error)),
        }
    }

    /// The byte at which the row read last begins, for [`Rows::at`].
    pub(crate) fn start(&self) -> u64 {
        self.row.position().map_or(0, Position::byte)
    }

    /// The problem with column `column` of the row that begins at byte `start`. No row can be read after this.
    pub(crate) fn at(&mut self, start: u64, column: usize, problem: Problem) -> Problem {
        let line = line(self.reader.get_mut(), start);
        let column = self.header.get(column).unwrap_or_default();
        problem.at(&format!("line {line}, column `{column}`"))
    }

    /// Starts again with the first row.
    pub(crate) fn rewind(self) -> Result<Self, Problem> {
        let mut file = self.reader.into_inner().file;
        file.rewind().map_err(Problem::Io)?;
        Self::new(file)
    }
}

/// A file of which only so many bytes may be read until it is allowed more.
struct Bounded<R> {
    file: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let text = format!("a row is longer than {MAX_ROW} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let read = self.file.by_ref().take(self.left).read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}

fn problem<R: Read + Seek>(reader: &mut csv::Reader<Bounded<R>>, error: csv::Error) -> Problem {
    let start = error.position().map_or(0, Position::byte);
    let mut line = || line(reader.get_mut(), start);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => stream_problem(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Problem::Malformed(format!(
            "line {}: {len} columns, but the header row has {expected_len}; every line needs a value for each column",
            line()
        )),
        csv::ErrorKind::Utf8 { err, .. } => {
            Problem::Malformed(format!("line {}: {err}; save the table as UTF-8", line()))
        }
        _ => Problem::Malformed("not a table in CSV; save it again as comma-separated values".into()),
    }
}

/// The line, counted from 1, of the row that is read from byte `start` of the file on; 0 if the file cannot be read.
///
/// The reader's own count differs: a row begins for it before the rest of the last line's end and before empty lines.
fn line<R: Read + Seek>(bounded: &mut Bounded<R>, start: u64) -> u64 {
    let file = &mut bounded.file;
    let lines = file.rewind().and_then(|()| count_lines(BufReader::new(file), start));
    lines.unwrap_or(0)
}

fn count_lines(text: impl BufRead, start: u64) -> io::Result<u64> {
    let (mut lines, mut last) = (1, 0);
    for (i, byte) in (0..).zip(text.bytes()) {
        let byte = byte?;
        // A carriage return ends a line unless a line feed follows and does.
        if last == b'\r' && byte != b'\n' {
            lines += 1;
        }
        if i >= start && !matches!(byte, b'\r' | b'\n') {
            return Ok(lines);
        }
        if byte == b'\n' {
            lines += 1;
        }
        last = byte;
    }
    Ok(lines + u64::from(last == b'\r'))
}

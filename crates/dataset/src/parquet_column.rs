//! One column of a Parquet file, read a few rows at a time.

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescriptor;

use crate::Problem;

/// What the schema tells of a column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Its place among the columns of the file.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) is_list: bool,
    /// How deep a value that is not missing is.
    depth: i16,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Numbers,
    UnsignedNumbers,
    Texts,
    Other,
}

impl Column {
    pub(crate) fn new(index: usize, descriptor: &ColumnDescriptor) -> Self {
        let path = descriptor.path().parts();
        let is_list = descriptor.max_rep_level() == 1;
        // The list's items have names of their own, such as `image.list.element`.
        let name = if is_list { path.first().cloned().unwrap_or_default() } else { path.join(".") };
        let content = match (descriptor.logical_type_ref(), descriptor.converted_type(), descriptor.physical_type()) {
            _ if descriptor.max_rep_level() > 1 => Content::Other,
            (Some(LogicalType::String), _, Type::BYTE_ARRAY) | (None, ConvertedType::UTF8, Type::BYTE_ARRAY) => {
                Content::Texts
            }
            (None | Some(LogicalType::Integer(_)), converted, physical) => match (converted, physical) {
                (
                    ConvertedType::NONE
                    | ConvertedType::INT_8
                    | ConvertedType::INT_16
                    | ConvertedType::INT_32
                    | ConvertedType::INT_64,
                    Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE,
                ) => Content::Numbers,
                (
                    ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
                    Type::INT32 | Type::INT64,
                ) => Content::UnsignedNumbers,
                _ => Content::Other,
            },
            _ => Content::Other,
        };
        Self { index, name, content, is_list, depth: descriptor.max_def_level() }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self.content, Content::Numbers | Content::UnsignedNumbers)
    }

    /// Reads the next `rows` values of the column, or lists of values if it is one, all of them of the length returned.
    pub(crate) fn numbers<T: Cast>(&self, reader: &mut ColumnReader, rows: usize) -> Result<(Vec<T>, usize), Problem> {
        let unsigned = self.content == Content::UnsignedNumbers;
        let (mut depths, mut starts) = (Vec::new(), Vec::new());
        macro_rules! read {
            ($reader:expr, $convert:expr) => {{
                let mut values = Vec::new();
                let (read, _, _) =
                    $reader.read_records(rows, Some(&mut depths), Some(&mut starts), &mut values).map_err(problem)?;
                (read, values.into_iter().map($convert).collect::<Vec<T>>())
            }};
        }
        let (read, values) = match reader {
            ColumnReader::BoolColumnReader(reader) => read!(reader, |value| T::from_i64(value.into())),
            ColumnReader::Int32ColumnReader(reader) if unsigned => {
                read!(reader, |value| T::from_i64((value as u32).into()))
            }
            ColumnReader::Int32ColumnReader(reader) => read!(reader, |value| T::from_i64(value.into())),
            ColumnReader::Int64ColumnReader(reader) if unsigned => read!(reader, |value| T::from_u64(value as u64)),
            ColumnReader::Int64ColumnReader(reader) => read!(reader, T::from_i64),
            ColumnReader::FloatColumnReader(reader) => read!(reader, |value| T::from_f64(value.into())),
            ColumnReader::DoubleColumnReader(reader) => read!(reader, T::from_f64),
            _ => return Err(self.not_numeric()),
        };
        self.check(read, rows, &depths)?;
        if !self.is_list {
            return if values.len() == rows { Ok((values, 1)) } else { Err(self.too_short()) };
        }
        let length = values.len() / rows.max(1);
        let even = starts.len() == values.len()
            && values.len() == length * rows
            && starts.iter().enumerate().all(|(i, &level)| (level == 0) == (i % length.max(1) == 0));
        if !even {
            return Err(self.uneven());
        }
        Ok((values, length))
    }

    /// Reads the next `rows` texts of the column.
    pub(crate) fn texts(&self, reader: &mut ColumnReader, rows: usize) -> Result<Vec<String>, Problem> {
        let (mut depths, mut values) = (Vec::new(), Vec::new());
        let ColumnReader::ByteArrayColumnReader(reader) = reader else {
            return Err(self.not_numeric());
        };
        let (read, _, _) = reader.read_records(rows, Some(&mut depths), None, &mut values).map_err(problem)?;
        self.check(read, rows, &depths)?;
        if values.len() != rows {
            return Err(self.too_short());
        }
        let text = |value: &ByteArray| value.as_utf8().map(str::to_owned).map_err(problem);
        values.iter().map(text).collect()
    }

    /// Passes over the next `rows` values of the column, or lists of values.
    pub(crate) fn pass(&self, reader: &mut ColumnReader, rows: usize) -> Result<(), Problem> {
        let passed = match reader {
            ColumnReader::BoolColumnReader(reader) => reader.skip_records(rows),
            ColumnReader::Int32ColumnReader(reader) => reader.skip_records(rows),
            ColumnReader::Int64ColumnReader(reader) => reader.skip_records(rows),
            ColumnReader::FloatColumnReader(reader) => reader.skip_records(rows),
            ColumnReader::DoubleColumnReader(reader) => reader.skip_records(rows),
            ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(rows),
            _ => return Err(self.not_numeric()),
        };
        if passed.map_err(problem)? != rows {
            return Err(self.too_short());
        }
        Ok(())
    }

    pub(crate) fn uneven(&self) -> Problem {
        Problem::Samples(format!(
            "column `{}` has lists of different lengths; an input needs samples of one shape",
            self.name
        ))
    }

    pub(crate) fn not_numeric(&self) -> Problem {
        Problem::Unsupported(format!(
            "column `{}` holds neither numbers nor lists of numbers; convert or remove it, or name it as the labels",
            self.name
        ))
    }

    fn too_short(&self) -> Problem {
        damaged(&format!("column `{}` ends before the others", self.name))
    }

    fn check(&self, read: usize, rows: usize, depths: &[i16]) -> Result<(), Problem> {
        if read != rows {
            return Err(self.too_short());
        }
        if depths.iter().any(|&depth| depth < self.depth) {
            return Err(Problem::Samples(format!(
                "column `{}` lacks a value; fill it in or remove the row",
                self.name
            )));
        }
        Ok(())
    }
}

/// What numbers become: f32 for features, f64 for labels.
pub(crate) trait Cast {
    fn from_i64(value: i64) -> Self;
    fn from_u64(value: u64) -> Self;
    fn from_f64(value: f64) -> Self;
}

macro_rules! impl_cast {
    ($number:ty) => {
        impl Cast for $number {
            fn from_i64(value: i64) -> Self {
                value as $number
            }

            fn from_u64(value: u64) -> Self {
                value as $number
            }

            fn from_f64(value: f64) -> Self {
                value as $number
            }
        }
    };
}
impl_cast!(f32);
impl_cast!(f64);

pub(crate) fn problem(error: ParquetError) -> Problem {
    match error {
        ParquetError::NYI(what) => Problem::Unsupported(format!("{what}; write the file with simpler options")),
        error => damaged(&error.to_string()),
    }
}

pub(crate) fn damaged(what: &str) -> Problem {
    Problem::Malformed(format!("not an intact Parquet file: {what}; get it again or write it again"))
}

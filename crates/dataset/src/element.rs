//! Numbers as files store them, and their decoding into f32 samples or f64 labels.

use std::io::{self, Read};

use half::f16;

use crate::Problem;

/// The most values all arrays of one data set may hold together: 4 GiB once they are f32.
pub const MAX_ELEMENTS: u64 = 1 << 30;

/// A stored number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    F32,
    F64,
}

/// A stored number's type and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) kind: Kind,
    pub(crate) big_endian: bool,
}

impl Element {
    pub(crate) fn size(self) -> usize {
        match self.kind {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 | Kind::F16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
        }
    }
}

/// The type that numbers are decoded into: f32 for samples, f64 for labels (exact for every class number).
pub(crate) trait Number: Sized {
    /// Appends the numbers in `bytes`, a whole number of elements.
    fn decode(element: Element, bytes: &[u8], out: &mut Vec<Self>);
}

macro_rules! impl_number {
    ($number:ty) => {
        impl Number for $number {
            fn decode(element: Element, bytes: &[u8], out: &mut Vec<Self>) {
                macro_rules! words {
                    ($word:ty, $convert:expr) => {{
                        let (words, _) = bytes.as_chunks::<{ size_of::<$word>() }>();
                        if element.big_endian {
                            out.extend(words.iter().map(|w| $convert(<$word>::from_be_bytes(*w))));
                        } else {
                            out.extend(words.iter().map(|w| $convert(<$word>::from_le_bytes(*w))));
                        }
                    }};
                }
                match element.kind {
                    Kind::Bool => words!(u8, |v| <$number>::from(u8::from(v != 0))),
                    Kind::I8 => words!(i8, |v| v as $number),
                    Kind::U8 => words!(u8, |v| v as $number),
                    Kind::I16 => words!(i16, |v| v as $number),
                    Kind::U16 => words!(u16, |v| v as $number),
                    Kind::I32 => words!(i32, |v| v as $number),
                    Kind::U32 => words!(u32, |v| v as $number),
                    Kind::I64 => words!(i64, |v| v as $number),
                    Kind::U64 => words!(u64, |v| v as $number),
                    Kind::F16 => words!(f16, |v| <$number>::from(v)),
                    Kind::F32 => words!(f32, |v| v as $number),
                    Kind::F64 => words!(f64, |v| v as $number),
                }
            }
        }
    };
}
impl_number!(f32);
impl_number!(f64);

/// How many bytes a stream can yield at most, known before it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// Stored as they are in this many bytes.
    Plain(u64),
    /// Deflated to this many bytes.
    Deflated(u64),
}

impl Extent {
    /// Deflate's densest code: a match of 258 bytes in two bits, one each for its length and its distance.
    const MAX_DEFLATE_RATIO: u64 = 258 * 8 / 2;

    /// What is left once `bytes` were read from the stream.
    pub(crate) fn after(self, bytes: u64) -> Self {
        match self {
            Self::Plain(stored) => Self::Plain(stored.saturating_sub(bytes)),
            // A few header bytes do not matter beside the ratio's headroom.
            Self::Deflated(stored) => Self::Deflated(stored),
        }
    }

    fn max_bytes(self) -> u64 {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Deflated(bytes) => bytes.saturating_mul(Self::MAX_DEFLATE_RATIO),
        }
    }
}

/// The elements that may still be read before a data set exceeds [`MAX_ELEMENTS`].
#[derive(Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(MAX_ELEMENTS)
    }

    /// Takes an array's elements out of the budget; the number of elements of an array of this shape.
    pub(crate) fn take(&mut self, shape: &[u64]) -> Result<usize, Problem> {
        let count = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
        let left = count.and_then(|count| self.0.checked_sub(count));
        let (Some(count), Some(left)) = (count, left) else {
            return Err(Problem::TooLarge(format!(
                "an array of shape {shape:?} takes the data set above {MAX_ELEMENTS} values; save fewer samples"
            )));
        };
        self.0 = left;
        usize::try_from(count)
            .map_err(|_| Problem::TooLarge(format!("an array of shape {shape:?} exceeds this machine's memory")))
    }
}

/// Reads `count` numbers that must end the stream.
///
/// Memory is reserved only after comparing `count` with what a stream of this extent can hold.
pub(crate) fn read_to_end<T: Number>(
    reader: &mut dyn Read,
    extent: Extent,
    element: Element,
    count: usize,
) -> Result<Vec<T>, Problem> {
    let truncated = || {
        Problem::Malformed(format!(
            "truncated: the header promises {count} numbers of {} bytes, and the data end before; get the file again",
            element.size()
        ))
    };
    let bytes = (count as u64).saturating_mul(element.size() as u64);
    if bytes > extent.max_bytes() {
        return Err(truncated());
    }
    let mut numbers = Vec::new();
    numbers
        .try_reserve_exact(count)
        .map_err(|error| Problem::TooLarge(format!("no memory for {count} numbers: {error}")))?;
    let mut buffer = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let size = left.min(CHUNK as u64) as usize;
        let chunk = &mut buffer[..size];
        reader.read_exact(chunk).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => stream_problem(error),
        })?;
        T::decode(element, chunk, &mut numbers);
        left -= size as u64;
    }
    // Reading on to the end also makes the zip and gzip readers compare their checksums.
    if io::copy(&mut reader.take(1), &mut io::sink()).map_err(stream_problem)? != 0 {
        return Err(Problem::Malformed(format!(
            "data go on after the {count} numbers that the header promises; the file is damaged or holds something else"
        )));
    }
    Ok(numbers)
}

/// A multiple of every element size.
const CHUNK: usize = 1 << 16;

/// Decompressors report damage as an I/O error of these kinds; all others come from the file system.
pub(crate) fn stream_problem(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Problem::Malformed(format!("damaged: {error}; get the file again"))
        }
        _ => Problem::Io(error),
    }
}

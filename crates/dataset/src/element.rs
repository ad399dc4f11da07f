//! Numbers as files store them, and their decoding into f32 samples or f64 labels.

use half::f16;

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

    pub(crate) fn max_bytes(self) -> u64 {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Deflated(bytes) => bytes.saturating_mul(Self::MAX_DEFLATE_RATIO),
        }
    }
}

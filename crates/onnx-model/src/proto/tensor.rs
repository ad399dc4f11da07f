//! `TensorProto`: a constant tensor and where its elements are stored.

use alloc::string::String;
use alloc::vec::Vec;

use super::StringStringEntryProto;

/// A constant tensor, elements in row-major order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    /// The shape.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The element type, a [`DataType`].
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Which part of a larger tensor this is.
    #[prost(message, optional, tag = "3")]
    pub segment: Option<Segment>,
    /// Elements of FLOAT, and real and imaginary parts of COMPLEX64.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of INT32 and of all types of 16 bits or fewer.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements of STRING, UTF-8.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// Elements of INT64.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name of the tensor.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Elements of any type but STRING as little-endian bytes.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
    /// Elements of DOUBLE, and real and imaginary parts of COMPLEX128.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements of UINT64 and UINT32.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Documentation for people.
    #[prost(string, optional, tag = "12")]
    pub doc_string: Option<String>,
    /// File, offset and length of elements kept outside the model file.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// Whether the elements are in this message or in another file.
    #[prost(enumeration = "DataLocation", optional, tag = "14")]
    pub data_location: Option<i32>,
    /// Named metadata, keys distinct.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// The part of a larger tensor that a `TensorProto` holds.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Segment {
    /// First element.
    #[prost(int64, optional, tag = "1")]
    pub begin: Option<i64>,
    /// One past the last element.
    #[prost(int64, optional, tag = "2")]
    pub end: Option<i64>,
}

/// Where the elements of a `TensorProto` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DataLocation {
    /// In the message.
    Default = 0,
    /// In the file that `external_data` names.
    External = 1,
}

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DataType {
    /// Not set.
    Undefined = 0,
    /// IEEE 754 single precision.
    Float = 1,
    /// Unsigned, 8 bits.
    Uint8 = 2,
    /// Signed, 8 bits.
    Int8 = 3,
    /// Unsigned, 16 bits.
    Uint16 = 4,
    /// Signed, 16 bits.
    Int16 = 5,
    /// Signed, 32 bits.
    Int32 = 6,
    /// Signed, 64 bits.
    Int64 = 7,
    /// UTF-8 text.
    String = 8,
    /// Truth value, one byte.
    Bool = 9,
    /// IEEE 754 half precision.
    Float16 = 10,
    /// IEEE 754 double precision.
    Double = 11,
    /// Unsigned, 32 bits.
    Uint32 = 12,
    /// Unsigned, 64 bits.
    Uint64 = 13,
    /// Two single-precision parts.
    Complex64 = 14,
    /// Two double-precision parts.
    Complex128 = 15,
    /// The upper 16 bits of single precision.
    Bfloat16 = 16,
    /// 8 bits: 4 exponent, 3 mantissa, no infinities.
    Float8e4m3fn = 17,
    /// 8 bits: 4 exponent, 3 mantissa, no infinities, no negative zero.
    Float8e4m3fnuz = 18,
    /// 8 bits: 5 exponent, 2 mantissa.
    Float8e5m2 = 19,
    /// 8 bits: 5 exponent, 2 mantissa, no infinities, no negative zero.
    Float8e5m2fnuz = 20,
    /// Unsigned, 4 bits, two to a byte.
    Uint4 = 21,
    /// Signed, 4 bits, two to a byte.
    Int4 = 22,
    /// 4 bits: 2 exponent, 1 mantissa, two to a byte.
    Float4e2m1 = 23,
    /// 8 exponent bits: the scale of microscaling formats.
    Float8e8m0 = 24,
    /// Unsigned, 2 bits, four to a byte.
    Uint2 = 25,
    /// Signed, 2 bits, four to a byte.
    Int2 = 26,
    /// 6 bits: 2 exponent, 3 mantissa, four to three bytes.
    Float6e2m3 = 27,
    /// 6 bits: 3 exponent, 2 mantissa, four to three bytes.
    Float6e3m2 = 28,
}

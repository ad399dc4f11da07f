//! Records as a TensorBoard event file: protocol buffers in the framing of TFRecord.
//!
//! Sources: `tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto` and
//! `tensorflow/core/lib/io/record_writer.h`.

use prost::Message;

use super::Record;

/// The version of the format that is understood to purge what a resumed run overwrites.
const FILE_VERSION: &str = "brain.Event:2";

/// `tensorflow.Event`: something at a time. The fields `what` of the oneof exclude each other.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value` with the one kind of value used here.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// `tensorflow.SessionLog`; status 1 is START.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The first event of a file.
pub(super) fn file_version(wall_time: f64) -> Vec<u8> {
    framed(&Event { wall_time, step: 0, what: Some(What::FileVersion(FILE_VERSION.to_owned())) })
}

/// Tells that the training goes on with the batch `step`: what an earlier file of the run has from there on is void.
pub(super) fn resumption(wall_time: f64, step: u64) -> Vec<u8> {
    framed(&Event { wall_time, step: signed(step), what: Some(What::SessionLog(SessionLog { status: 1 })) })
}

/// The scalars of a record, each under its name as the tag.
pub(super) fn scalars(wall_time: f64, record: &Record) -> Vec<u8> {
    let value = |(name, value): &(String, f64)| Value { tag: name.clone(), simple_value: Some(*value as f32) };
    let summary = Summary { value: record.scalars.iter().map(value).collect() };
    framed(&Event { wall_time, step: signed(record.step), what: Some(What::Summary(summary)) })
}

fn signed(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

/// Length, checksum of the length, bytes, checksum of the bytes; all little-endian.
fn framed(event: &Event) -> Vec<u8> {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length).to_le_bytes(), &bytes, &masked_crc(&bytes).to_le_bytes()].concat()
}

/// CRC-32C, rotated and shifted by a constant, so that the checksum of bytes that hold checksums is none of them.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
pub(super) mod tests;

//! Small networks from preparation to validation, against definitions computed naively.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod adapt;
mod calibrate;
mod check;
mod common;
mod emit;
mod emit_edges;
mod emit_given;
mod invariance;
mod layers;
mod opset;
mod precisions;
mod prepare;
mod prepare_edges;
mod probe;
mod validate;

//! The program as its users see it: commands end to end, exit codes, JSON, errors.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a panic is how a test fails")]

mod bad_data;
mod bad_models;
mod bad_outputs;
mod bad_recipes;
mod calibration_files;
mod edge_models;
mod fixed_batch;
mod help;
mod inspect;
mod interruption;
mod invariance;
mod json;
mod precisions;
mod runs;
mod sample_check;
mod shards;
mod standard_streams;
mod support;
mod test_data;
mod train_from;
mod train_runs;
mod verify;
mod workflow;

//! Samples and labels from npy, npz, csv and IDX files, in batches and splits.
//!
//! ```
//! use dataset::{Dataset, OpenOptions, Part};
//!
//! let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/digits");
//! let options = OpenOptions::new(Part::Test).scale("1/16".parse()?);
//! let test = Dataset::open(digits, &options)?;
//! assert_eq!((test.len(), test.class_count()), (597, Some(10)));
//!
//! for batch in test.batches(32) {
//!     let x = batch.input("x")?; // [32, 64], the last one [21, 64]
//!     assert_eq!(Some(x.shape()[0]), batch.labels().map(<[u32]>::len));
//! }
//! # Ok::<(), dataset::Error>(())
//! ```
//!
//! # Formats
//!
//! Samples become f32 in row-major order, `[samples, ...]`; labels become class numbers, whole and not negative. Stored
//! numbers may be booleans, integers of 8 to 64 bits or floats of 16 to 64 bits in either byte order. NaN and
//! infinities pass through.
//!
//! | file | samples | labels |
//! |---|---|---|
//! | `.npz` | every array that is not the labels, an input of its name; other files in the archive are ignored | the array `y`, or the one named by [`OpenOptions::label_column`] |
//! | `.npy` | the array, an input `x` | `NAME.labels.npy` beside `NAME.npy`, if it exists |
//! | `.csv` | every column but the labels, in order, an input `x` of shape `[samples, columns]`; the first line names the columns | the last column, or the one named; numbers, or names that are numbered in sorted order |
//! | IDX, also `.gz` | the array, an input `x` of shape `[images, rows, columns]` | `...-labels-idx1-ubyte` beside `...-images-idx3-ubyte`, with or without `.gz`, if it exists |
//!
//! An input named `x` serves a model's only input whatever its name is ([`Batch::inputs_for`]). A model that takes rows
//! gets images as rows with [`Dataset::shape_samples`], and the other way round.
//!
//! A directory holds files named after the parts `train`, `calibration` and `test` (`train.npz`,
//! `test-images-idx3-ubyte.gz`; the `t10k` of MNIST is a `test`), or subdirectories of these names with one file of
//! samples each. The rest of it is ignored. Calibrating with a directory that has no `calibration` takes `train`; no
//! other part stands in for another. If class names occur in the CSV files of a directory, they are numbered over all
//! parts, so that every part agrees on the numbers.
//!
//! # Damaged and hostile files
//!
//! Every size that a file claims is compared with what the file can hold before memory is reserved, compressed files
//! included: deflate cannot expand more than 1,032-fold. Together the arrays of a data set hold at most
//! [`MAX_ELEMENTS`] values.

mod array;
mod arrays;
mod batch;
mod class_names;
mod csv_rows;
mod csv_table;
mod dataset;
mod directory;
mod element;
mod error;
mod format;
mod idx;
mod label_reader;
mod labels;
mod npy;
mod npy_header;
mod npz;
mod numbers;
mod open;
mod options;
mod scale;
mod stream;
#[cfg(test)]
mod testing;

pub use batch::Batch;
pub use dataset::{Dataset, Input};
pub use error::{Error, Problem};
pub use labels::Labels;
pub use npy::write_npy;
pub use numbers::MAX_ELEMENTS;
pub use options::{OpenOptions, Part};
pub use scale::{Normalization, Scale};
pub use stream::Stream;

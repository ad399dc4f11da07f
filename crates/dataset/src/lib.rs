//! Samples and labels from npy, npz, csv, IDX and Parquet files and directories of images, in batches and splits.
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
//! [`Dataset::open`] reads everything into memory. [`Stream::open`] reads the same samples piece by piece, in memory
//! that does not grow with their number:
//!
//! ```
//! use dataset::{OpenOptions, Part, Stream};
//!
//! let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/digits");
//! let mut stream = Stream::open(digits, &OpenOptions::new(Part::Calibration))?;
//! while let Some(piece) = stream.next(500)? {
//!     assert_eq!(piece.input("x")?.samples.shape()[1..], [64]); // a `Dataset` of 500, 500 and 200 samples
//! }
//! # Ok::<(), dataset::Error>(())
//! ```
//!
//! A [`Shard`] is a share of the samples, for several machines to work on. A stream tells its [`Position`], from which
//! another one goes on, as after a crash:
//!
//! ```
//! # use dataset::{OpenOptions, Part, Stream};
//! # let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../calibration-data/digits");
//! let options = OpenOptions::new(Part::Calibration).shard("2/3".parse()?);
//! let mut stream = Stream::open(digits, &options)?;
//! assert_eq!((stream.next(150)?.map(|piece| piece.len()), stream.len()), (Some(150), Some(400)));
//!
//! let mut resumed = Stream::open(digits, &options)?;
//! resumed.advance(stream.position())?;
//! assert_eq!(resumed.next(1000)?.map(|piece| piece.len()), Some(250));
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
//! | `.parquet`, with the cargo feature `parquet` | columns of numbers in an input `x` like those of `.csv`; each column of lists of one length in an input of its name, `[samples, length]` | the last column if it holds no lists, or the one named; as in `.csv` |
//! | directory of `.png`, `.jpg`, `.jpeg` | every image, sorted by directory and name, in an input `x` of shape `[samples, channels, height, width]` | a class per subdirectory, numbered in sorted order; none if the images lie in the directory itself |
//!
//! [`ImageOptions`] say how images are resized, cropped, normalized and laid out; as they are, values go from 0 to 255.
//! Transparency, colour profiles and orientations noted beside the pixels are ignored, 16 bits are rounded to 8.
//!
//! An input named `x` serves a model's only input whatever its name is ([`Batch::inputs_for`]). A model that takes rows
//! gets images as rows with [`Dataset::shape_samples`], and the other way round.
//!
//! A directory holds files named after the parts `train`, `calibration` and `test` (`train.npz`,
//! `test-images-idx3-ubyte.gz`; the `t10k` of MNIST is a `test`), or subdirectories of these names with one file of
//! samples or a directory of images each. The rest of it is ignored. Calibrating with a directory that has no
//! `calibration` takes `train`; no other part stands in for another. If class names occur in the tables of a
//! directory, or classes have subdirectories, they are numbered over all parts, so that every part agrees on the
//! numbers.
//!
//! Subdirectories with images are parts only if all subdirectories have names of parts: beside a directory `bus`, one
//! called `train` is a class. Images and subdirectories whose names begin with a dot are ignored.
//!
//! # Memory
//!
//! Every size that a file claims is compared with what the file can hold before memory is reserved, compressed files
//! included: deflate cannot expand more than 1,032-fold. A [`Dataset`] holds at most [`MAX_ELEMENTS`] values.
//!
//! A stream needs memory for the piece that is asked for and some buffers: 64 KiB for an array, up to 16 MiB for a line
//! of CSV and as much for the names of classes, the image being decoded (256 MiB at most, or the file is refused) and
//! four that wait. Two things it cannot divide: the file names of one directory of images, and an array in column-major
//! order inside an archive. In a `.npy` file it reads such an array by columns; saved as `numpy.ascontiguousarray`
//! gives it, it is read faster.
//!
//! # Damaged and hostile files
//!
//! A checksum stands at the end of what it covers, so a stream may give samples before it finds out that the file is
//! damaged; [`Dataset::open`] never does. A JPEG image has none: single damaged bytes may pass for other pixels, but an
//! image that is cut off does not. Parquet files are read by the library `parquet`, which reserves what they claim.

mod array;
mod arrays;
mod batch;
mod bytes;
mod class_names;
mod csv_rows;
mod csv_table;
mod dataset;
mod directory;
mod element;
mod error;
mod format;
mod idx;
mod image_decode;
mod image_folder;
mod image_options;
mod images;
mod label_reader;
mod labels;
mod npy;
mod npy_header;
mod npz;
mod numbers;
mod open;
mod options;
#[cfg(feature = "parquet")]
mod parquet_column;
#[cfg(feature = "parquet")]
mod parquet_table;
mod scale;
mod shard;
mod stream;
#[cfg(test)]
mod testing;

pub use batch::Batch;
pub use dataset::{Dataset, Input};
pub use error::{Error, Problem};
pub use image_options::{Color, ImageOptions, Layout, Resize, Size};
pub use labels::Labels;
pub use npy::write_npy;
pub use numbers::MAX_ELEMENTS;
pub use options::{OpenOptions, Part};
pub use scale::{Normalization, Scale};
pub use shard::Shard;
pub use stream::{Position, Stream};

//! Samples and labels from npy, npz, csv and IDX files, in batches and splits.

mod batch;
mod csv_table;
mod dataset;
mod directory;
mod element;
mod error;
mod format;
mod idx;
mod labels;
mod npy;
mod npy_header;
mod npz;
mod open;
mod scale;

pub use batch::Batch;
pub use dataset::{Dataset, Input};
pub use element::MAX_ELEMENTS;
pub use error::{Error, Problem};
pub use labels::Labels;
pub use npy::write_npy;
pub use open::{OpenOptions, Part};
pub use scale::{Normalization, Scale};

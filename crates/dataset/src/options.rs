use std::fmt;
use std::str::FromStr;

use crate::{Error, ImageOptions, Problem, Scale, Shard};

/// What samples are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Fitting the weights of a model.
    Train,
    /// Collecting the dynamic ranges of a model's tensors.
    Calibration,
    /// Measuring a model on samples that neither training nor calibration saw.
    Test,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Calibration, Self::Test];

    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibration => "calibration",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = Self::ALL.into_iter().find(|part| part.name() == text);
        part.ok_or_else(|| {
            let text = format!("`{text}` is not a part of a data set; use train, calibration or test");
            Problem::Request(text).into()
        })
    }
}

/// Where the labels of a data set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelSource {
    /// Where the format usually has them.
    Usual,
    /// In the column or array of this name.
    Named(String),
    /// Nowhere, or not wanted.
    None,
}

/// How to open a data set.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(crate) part: Part,
    pub(crate) label_source: LabelSource,
    pub(crate) scale: Option<Scale>,
    pub(crate) images: Option<ImageOptions>,
    pub(crate) shard: Shard,
}

impl OpenOptions {
    /// Opens the given part of a directory, with labels if there are any, and values as they are stored.
    pub fn new(part: Part) -> Self {
        Self { part, label_source: LabelSource::Usual, scale: None, images: None, shard: Shard::ALL }
    }

    /// Takes the labels from the CSV column or .npz array `name` instead of the last column or `y`.
    #[must_use]
    pub fn label_column(mut self, name: impl Into<String>) -> Self {
        self.label_source = LabelSource::Named(name.into());
        self
    }

    /// Reads no labels: every column of a CSV file is a feature, and label arrays and files are left alone.
    #[must_use]
    pub fn unlabelled(mut self) -> Self {
        self.label_source = LabelSource::None;
        self
    }

    /// Multiplies every value by `scale`.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Turns images into samples in this way. Data of other formats are refused with such options.
    #[must_use]
    pub fn images(mut self, images: ImageOptions) -> Self {
        self.images = Some(images);
        self
    }

    /// Reads the samples of this shard only; images of others are not decoded. Classes are those of all samples, and
    /// unreadable images count for their shard alone.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = shard;
        self
    }
}

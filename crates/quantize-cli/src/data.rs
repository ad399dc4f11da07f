//! The flags of every command that reads samples.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dataset::{Dataset, OpenOptions, Part, Position, Problem, Scale, Shard, Stream};
use onnx_model::Model;

use crate::console::warn;
use crate::fingerprint::fingerprint;
use crate::image_args::ImageArgs;

/// Which samples to read, and how.
#[derive(clap::Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// Samples: a .npz, .npy, .csv or IDX (.gz) file, a directory of images, or a directory with the parts train, calibration and test.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Samples read piece by piece, as many as asked for.
pub(crate) struct Pieces {
    stream: Stream,
    /// The most that are taken, and how many of them are left.
    limit: usize,
    left: usize,
}

impl Pieces {
    /// All samples of a stream, or the first `samples` of them.
    pub(crate) fn new(stream: Stream, samples: Option<NonZeroUsize>) -> Self {
        let limit = samples.map_or(usize::MAX, NonZeroUsize::get);
        Self { stream, limit, left: limit }
    }

    /// How far the samples taken reach in the file.
    pub(crate) fn position(&self) -> Position {
        self.stream.position()
    }

    /// Goes on where another run, which had taken `samples` samples, was.
    pub(crate) fn advance(&mut self, to: Position, samples: u64) -> Result<()> {
        self.left = self.left.saturating_sub(usize::try_from(samples).unwrap_or(usize::MAX));
        Ok(self.stream.advance(to)?)
    }

    /// All of the samples, those taken already included, where the file tells their number.
    pub(crate) fn len(&self) -> Option<usize> {
        self.stream.len().map(|samples| samples.min(self.limit))
    }

    /// The next `n` samples, fewer at the end; `None` behind it.
    pub(crate) fn next(&mut self, n: usize) -> Result<Option<Dataset>> {
        let wanted = n.min(self.left);
        if wanted == 0 {
            return Ok(None);
        }
        let known = self.stream.skipped().len();
        let piece = self.stream.next(wanted)?;
        for bad in &self.stream.skipped()[known..] {
            warn(&format!("left out: {bad}"));
        }
        self.left -= piece.as_ref().map_or(0, Dataset::len);
        Ok(piece)
    }
}

/// How samples are read.
#[derive(clap::Args)]
pub(crate) struct ReadingArgs {
    /// CSV column or npz array with the labels [default: the last column, `y`].
    #[arg(long, value_name = "NAME", conflicts_with = "no_labels")]
    label_column: Option<String>,
    /// Reads no labels: every CSV column is a feature.
    #[arg(long)]
    no_labels: bool,
    /// Multiplies every value, by a number or a quotient such as 1/255.
    #[arg(long, value_name = "FACTOR")]
    scale: Option<Scale>,
    /// Takes the first N samples only.
    #[arg(long, value_name = "N")]
    samples: Option<NonZeroUsize>,
    /// Part of a data directory: train, calibration or test [default: train to train; calibration, or else train, to calibrate; test
    /// otherwise].
    #[arg(long, value_name = "PART")]
    part: Option<Part>,
    #[command(flatten)]
    images: ImageArgs,
}

impl DataArgs {
    /// Reads the samples, of `part` where the user names none.
    pub(crate) fn open(&self, part: Part) -> Result<Dataset> {
        self.reading.open(&self.data, part)
    }

    /// Refuses flags that say how samples are read, where the data are no samples.
    pub(crate) fn refuse_reading_flags(&self, data_are: &str) -> Result<()> {
        match self.reading.flags().chain(self.reading.images.skip_flag()).next() {
            Some(flag) => {
                let name = flag.split(' ').next().unwrap_or(&flag);
                bail!("{name} says how samples are read, but the data {data_are}")
            }
            None => Ok(()),
        }
    }

    /// Reads the samples in the form that `model`, of the file `model_path`, takes.
    pub(crate) fn open_for(&self, model: &Model, model_path: &Path, part: Part) -> Result<Dataset> {
        self.reading.open_for(&self.data, model, model_path, part)
    }

    /// Opens the samples of a shard to be read piece by piece.
    pub(crate) fn stream(&self, part: Part, shard: Shard) -> Result<Pieces> {
        let options = self.reading.options(self.reading.part.unwrap_or(part))?.shard(shard);
        Ok(Pieces::new(Stream::open(&self.data, &options)?, self.reading.samples))
    }

    /// Which samples these are, in words that are the same for the same samples.
    pub(crate) fn describe(&self) -> Result<String> {
        let path = self.data.canonicalize().unwrap_or_else(|_| self.data.clone());
        let unread = || format!("cannot read {}", self.data.display());
        let fingerprint = fingerprint(&self.data).with_context(unread)?;
        Ok(format!("--data {} (files {fingerprint}){}", path.display(), self.reading.describe()))
    }

    /// Reads all test samples of a directory that has such a part and is not read as that already.
    pub(crate) fn open_held_out(&self) -> Result<Option<Dataset>> {
        if self.reading.part == Some(Part::Test) || !self.data.is_dir() {
            return Ok(None);
        }
        match Dataset::open(&self.data, &self.reading.options(Part::Test)?) {
            Ok(data) => Ok(Some(data)),
            Err(error) if matches!(error.problem(), Problem::Part(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl ReadingArgs {
    /// Reads the samples at `path` in the form that `model`, of the file `model_path`, takes.
    pub(crate) fn open_for(&self, path: &Path, model: &Model, model_path: &Path, part: Part) -> Result<Dataset> {
        let data = self.open(path, part)?;
        dlquantizer::adapt(model, data).map_err(|error| {
            anyhow::Error::from(error).context(format!("{} does not fit {}", path.display(), model_path.display()))
        })
    }

    fn open(&self, path: &Path, part: Part) -> Result<Dataset> {
        let data = Dataset::open(path, &self.options(self.part.unwrap_or(part))?)?;
        match self.samples {
            Some(samples) => Ok(data.take(samples.get())?),
            None => Ok(data),
        }
    }

    /// The flags that decide which samples are read, and what they become.
    fn flags(&self) -> impl Iterator<Item = String> {
        let Self { label_column, no_labels, scale, samples, part, images } = self;
        let flags = [
            label_column.as_ref().map(|name| format!("--label-column {name}")),
            no_labels.then(|| "--no-labels".to_owned()),
            scale.map(|scale| format!("--scale {scale}")),
            samples.map(|samples| format!("--samples {samples}")),
            part.map(|part| format!("--part {part}")),
        ];
        flags.into_iter().flatten().chain(images.describe())
    }

    /// [`ReadingArgs::flags`] in one text, each behind a space.
    fn describe(&self) -> String {
        self.flags().map(|flag| format!(" {flag}")).collect()
    }

    fn options(&self, part: Part) -> Result<OpenOptions> {
        let mut options = OpenOptions::new(part);
        if let Some(name) = &self.label_column {
            options = options.label_column(name);
        }
        if self.no_labels {
            options = options.unlabelled();
        }
        if let Some(scale) = self.scale {
            options = options.scale(scale);
        }
        if let Some(images) = self.images.options()? {
            options = options.images(images);
        }
        Ok(options)
    }
}

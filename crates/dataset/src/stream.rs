use crate::labels::Classes;
use crate::{Dataset, Error, Problem, Scale, Shard};

/// Samples read from their file as they are asked for, so that memory does not grow with their number.
pub struct Stream {
    source: Box<dyn Source>,
    scale: Option<Scale>,
    shard: Shard,
    /// What was left out before this stream was opened, as [`Stream::advance`] was told.
    skipped_before: usize,
    failed: bool,
}

/// How far a stream has come in its file.
///
/// With this, another stream with the same options over the same data goes on where this one stands:
/// [`Stream::advance`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The samples of the file that were passed, those of other shards and unreadable ones included.
    pub samples: u64,
    /// The unreadable ones among them that were left out, which count towards [`crate::ImageOptions::skip_bad`].
    pub skipped: u64,
}

/// What samples are streamed from.
pub(crate) trait Source: Send {
    /// What the samples are called in error texts.
    fn name(&self) -> &str;

    /// The next samples of `shard` in order, at most `n`, which is not 0; `None` after the last one.
    fn next(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Error>;

    /// Passes over the next `n` samples of the file, of which `skipped` were left out when they were read. Stops
    /// where the samples end.
    fn pass(&mut self, n: usize, skipped: usize) -> Result<(), Error>;

    /// How many samples of the file were passed.
    fn passed(&self) -> usize;

    /// The number of all samples of the file, if it is known.
    fn len(&self) -> Option<usize>;

    /// The classes, if there are labels.
    fn classes(&self) -> Option<&Classes>;

    /// What was left out because it is damaged.
    fn skipped(&self) -> &[Error] {
        &[]
    }

    /// How many more samples may be left out.
    fn may_skip(&self) -> usize {
        0
    }
}

impl Stream {
    pub(crate) fn new(source: Box<dyn Source>, scale: Option<Scale>, shard: Shard) -> Self {
        Self { source, scale, shard, skipped_before: 0, failed: false }
    }

    /// The next samples in the order of the file, at most `n` of them (0 counts as 1); `None` after the last one.
    ///
    /// The samples of all pieces together are those that [`Dataset::open`] reads, whatever `n` is.
    ///
    /// # Errors
    ///
    /// When the file turns out to be damaged, or `n` samples are more than [`crate::MAX_ELEMENTS`] values. A compressed
    /// file is known to be sound only at its end, where its checksum is. A stream that failed cannot be read on.
    pub fn next(&mut self, n: usize) -> Result<Option<Dataset>, Error> {
        let shard = self.shard;
        let next = self.attempt(|source| source.next(n.max(1), shard))?;
        Ok(match (next, self.scale) {
            (Some(piece), Some(scale)) => Some(piece.rescale(scale)),
            (next, _) => next,
        })
    }

    /// The number of all samples, or of those in the [`Shard`] that was asked for, those already taken included;
    /// `None` for a CSV table without labels, whose lines are not counted before they are read.
    ///
    /// Images count until they turn out to be among the [`Stream::skipped`].
    #[expect(clippy::len_without_is_empty, reason = "only a shard can be empty, and whether it is may not be known")]
    pub fn len(&self) -> Option<usize> {
        let left_out = self.skipped_before + self.skipped().len();
        self.source.len().map(|samples| self.shard.owned(0..samples).saturating_sub(left_out))
    }

    /// How far the stream has come with the samples taken so far.
    pub fn position(&self) -> Position {
        Position { samples: self.source.passed() as u64, skipped: (self.skipped_before + self.skipped().len()) as u64 }
    }

    /// Goes on to a position that another stream with the same options over the same data had reached; what comes then
    /// is what was still to come there.
    ///
    /// The samples in between are passed over without being decoded, in memory that does not grow with their number.
    ///
    /// # Errors
    ///
    /// When the data end before `to`, or are found to be damaged before it; when it is no position of these data with
    /// these options, or one that the stream has gone past. The stream cannot be read on after that.
    pub fn advance(&mut self, to: Position) -> Result<(), Error> {
        let (here, shard) = (self.position(), self.shard);
        self.attempt(|source| {
            let in_source = |problem: Problem| problem.in_named(source.name());
            let (samples, skipped) = steps(source, here, to, shard).map_err(in_source)?;
            source.pass(samples, skipped)?;
            if (source.passed() as u64) < to.samples {
                return Err(too_few(source.passed(), to).in_named(source.name()));
            }
            Ok(())
        })?;
        self.skipped_before = to.skipped as usize - self.skipped().len();
        Ok(())
    }

    /// The number of classes of the whole file, when there are labels; see [`crate::Labels::class_count`].
    pub fn class_count(&self) -> Option<usize> {
        self.classes().map(Classes::count)
    }

    /// The names of the classes by number, when the file had names instead of numbers.
    pub fn class_names(&self) -> Option<&[String]> {
        self.classes().and_then(Classes::names)
    }

    pub(crate) fn classes(&self) -> Option<&Classes> {
        self.source.classes()
    }

    /// The unreadable images that this stream left out so far, and why; see [`crate::ImageOptions::skip_bad`].
    pub fn skipped(&self) -> &[Error] {
        self.source.skipped()
    }

    /// The samples that are left, all at once.
    pub(crate) fn read_all(mut self) -> Result<Dataset, Error> {
        self.next(usize::MAX)?.ok_or_else(|| {
            let text = format!(
                "there is no sample in shard {} of {} samples; divide them into fewer shards",
                self.shard,
                self.source.passed()
            );
            Problem::Samples(text).in_named(self.source.name())
        })
    }

    /// Does something to the source, unless something went wrong before.
    fn attempt<T>(&mut self, act: impl FnOnce(&mut dyn Source) -> Result<T, Error>) -> Result<T, Error> {
        if self.failed {
            return Err(Problem::Request("these samples could not be read before; open them again".into()).into());
        }
        let done = act(self.source.as_mut());
        self.failed = done.is_err();
        done
    }
}

/// How many samples lie between two positions, and how many of them were left out; an error if `to` cannot be reached.
fn steps(source: &dyn Source, here: Position, to: Position, shard: Shard) -> Result<(usize, usize), Problem> {
    if let Some(len) = source.len().filter(|&len| to.samples > len as u64) {
        return Err(too_few(len, to));
    }
    let between = |to: u64, here: u64| to.checked_sub(here).and_then(|steps| usize::try_from(steps).ok());
    let end = usize::try_from(to.samples).ok();
    let (Some(samples), Some(skipped), Some(end)) =
        (between(to.samples, here.samples), between(to.skipped, here.skipped), end)
    else {
        return Err(Problem::Request(format!(
            "sample {} lies before sample {}, where reading is",
            to.samples, here.samples
        )));
    };
    if skipped > source.may_skip() {
        return Err(Problem::Request(format!(
            "{} unreadable samples were left out before, more than may be left out now; allow as many",
            to.skipped
        )));
    }
    if skipped > shard.owned(source.passed()..end) {
        return Err(Problem::Request(format!(
            "of the first {} samples, {} cannot have been left out; the position is of other data or of another shard \
             than {shard}",
            to.samples, to.skipped
        )));
    }
    Ok((samples, skipped))
}

fn too_few(there: usize, to: Position) -> Problem {
    Problem::Samples(format!(
        "there are {there} samples, but {} were passed before; the data have changed, so start from the beginning",
        to.samples
    ))
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("len", &self.len()).field("class_count", &self.class_count()).finish()
    }
}

#[cfg(test)]
mod tests;

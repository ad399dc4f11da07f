use crate::labels::Classes;
use crate::{Dataset, Error, Problem, Scale};

/// Samples read from their file as they are asked for, so that memory does not grow with their number.
pub struct Stream {
    source: Box<dyn Source>,
    scale: Option<Scale>,
    failed: bool,
}

/// What samples are streamed from.
pub(crate) trait Source: Send {
    /// The next samples in order, at most `n`, which is not 0; `None` after the last one.
    fn next(&mut self, n: usize) -> Result<Option<Dataset>, Error>;

    /// The number of all samples, if it is known.
    fn len(&self) -> Option<usize>;

    /// The classes, if there are labels.
    fn classes(&self) -> Option<&Classes>;

    /// What was left out because it is damaged.
    fn skipped(&self) -> &[Error] {
        &[]
    }
}

impl Stream {
    pub(crate) fn new(source: Box<dyn Source>, scale: Option<Scale>) -> Self {
        Self { source, scale, failed: false }
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
        if self.failed {
            return Err(Problem::Request("these samples could not be read before; open them again".into()).into());
        }
        let next = self.source.next(n.max(1));
        self.failed = next.is_err();
        Ok(match (next?, self.scale) {
            (Some(piece), Some(scale)) => Some(piece.rescale(scale)),
            (next, _) => next,
        })
    }

    /// The number of all samples, those already taken included; `None` for a CSV table without labels, whose lines
    /// are not counted before they are read.
    ///
    /// Images count until they turn out to be among the [`Stream::skipped`].
    #[expect(clippy::len_without_is_empty, reason = "there is at least one sample, or opening or `next` fails")]
    pub fn len(&self) -> Option<usize> {
        self.source.len()
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

    /// The unreadable images that were left out so far, and why; see [`crate::ImageOptions::skip_bad`].
    pub fn skipped(&self) -> &[Error] {
        self.source.skipped()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("len", &self.len()).field("class_count", &self.class_count()).finish()
    }
}

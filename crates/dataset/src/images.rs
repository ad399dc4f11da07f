//! Images as samples, decoded in a thread of their own.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ndarray::{ArrayD, IxDyn};

use crate::image_decode::{self, Pixels};
use crate::image_folder::ImageFolder;
use crate::image_options::{ImageOptions, Layout, Size};
use crate::labels::Classes;
use crate::numbers::check_memory;
use crate::stream::Source;
use crate::{Dataset, Error, Input, Labels, Problem, Scale, Shard};

/// How many decoded images may wait to be taken.
const WAITING: usize = 4;

/// The images of a folder, in order.
pub(crate) struct Images {
    name: String,
    folder: ImageFolder,
    options: ImageOptions,
    /// What each byte becomes, by channel.
    values: Vec<[f32; 256]>,
    /// None before the first image is asked for, so that reading can begin anywhere.
    decoding: Option<Decoding>,
    /// The first image and its size, which is that of all others.
    first: Option<(PathBuf, Size)>,
    /// The number of images, good or bad.
    len: usize,
    passed: usize,
    skipped: Vec<Error>,
    may_skip: usize,
}

/// The thread that decodes, and the images that come from it.
struct Decoding {
    queue: Receiver<Message>,
    thread: JoinHandle<()>,
}

/// An image and where it is in the order of all.
struct Decoded {
    position: usize,
    file: PathBuf,
    class: Option<u32>,
    pixels: Pixels,
}

enum Message {
    Image(Decoded),
    /// The image at this position is to blame.
    Bad(usize, Error),
    /// There is no going on.
    Failed(Error),
}

impl Images {
    /// The images of `folder`, which `name` stands for in error texts.
    pub(crate) fn open(
        name: &str,
        folder: ImageFolder,
        options: ImageOptions,
        scale: Option<Scale>,
    ) -> Result<Self, Problem> {
        options.check()?;
        Ok(Self {
            name: name.to_owned(),
            values: options.values(scale),
            decoding: None,
            first: None,
            len: folder.count(),
            folder,
            passed: 0,
            skipped: Vec::new(),
            may_skip: options.skip_bad,
            options,
        })
    }

    /// The next image of `shard` that is not skipped; `None` after the last one.
    fn next_image(&mut self, shard: Shard) -> Result<Option<Decoded>, Error> {
        while shard.owned(self.passed..self.len) > 0 {
            let decoding = match self.decoding.take() {
                Some(decoding) => decoding,
                None => self.start(shard)?,
            };
            match decoding.queue.recv() {
                Ok(Message::Image(image)) => {
                    self.passed = image.position + 1;
                    self.decoding = Some(decoding);
                    return Ok(Some(image));
                }
                Ok(Message::Bad(position, error)) if self.may_skip > 0 => {
                    self.passed = position + 1;
                    self.may_skip -= 1;
                    self.skipped.push(error);
                    self.decoding = Some(decoding);
                }
                Ok(Message::Bad(_, error) | Message::Failed(error)) => return Err(error),
                Err(_) => return Err(self.ended_early(decoding)),
            }
        }
        let skipped = self.options.skip_bad - self.may_skip;
        if shard == Shard::ALL && skipped == self.len {
            return Err(Problem::Samples(format!("none of the {skipped} images could be read")).in_named(&self.name));
        }
        self.passed = self.len;
        Ok(None)
    }

    /// Starts decoding where reading is.
    fn start(&self, shard: Shard) -> Result<Decoding, Error> {
        let (sender, queue) = sync_channel(WAITING);
        let (folder, options, from) = (self.folder.clone(), self.options.clone(), self.passed);
        let thread = thread::Builder::new()
            .name("images".into())
            .spawn(move || decode_all(folder, from, shard, &options, &sender))
            .map_err(|error| Problem::Io(error).in_named(&self.name))?;
        Ok(Decoding { queue, thread })
    }

    fn ended_early(&self, decoding: Decoding) -> Error {
        let text = if decoding.thread.join().is_err() {
            format!("the decoder broke down after {} images; remove the next one", self.passed)
        } else {
            format!("there were {} images, and some are gone; start again", self.len)
        };
        Problem::Samples(text).in_named(&self.name)
    }

    /// Appends an image to `samples`, `[height, width, channels]` or `[channels, height, width]`.
    fn append(&mut self, file: PathBuf, pixels: &Pixels, samples: &mut Vec<f32>) -> Result<(), Error> {
        let (first, size) = self.first.get_or_insert_with(|| (file.clone(), pixels.size));
        if *size != pixels.size {
            return Err(Problem::Samples(format!(
                "the image is {} pixels (height x width), but {} is {size}; samples need one shape, so have images \
                 resized to one size, or resized and cropped",
                pixels.size,
                first.display()
            ))
            .in_file(&file));
        }
        let pixels = pixels.values.chunks_exact(self.values.len());
        match self.options.layout {
            Layout::Nhwc => {
                for pixel in pixels {
                    samples.extend(self.values.iter().zip(pixel).map(|(values, &byte)| values[usize::from(byte)]));
                }
            }
            Layout::Nchw => {
                for (channel, values) in self.values.iter().enumerate() {
                    samples.extend(pixels.clone().map(|pixel| values[usize::from(pixel[channel])]));
                }
            }
        }
        Ok(())
    }
}

impl Source for Images {
    fn name(&self) -> &str {
        &self.name
    }

    fn next(&mut self, n: usize, shard: Shard) -> Result<Option<Dataset>, Error> {
        let (mut samples, mut ids, mut count) = (Vec::new(), Vec::new(), 0);
        while count < n
            && let Some(Decoded { position, file, class, pixels }) = self.next_image(shard)?
        {
            if count == 0 {
                let most = n.min(shard.owned(position..self.len)).max(1);
                check_memory(most, pixels.values.len() as u64).map_err(|problem| problem.in_named(&self.name))?;
                samples.reserve_exact(most * pixels.values.len());
            }
            self.append(file, &pixels, &mut samples)?;
            ids.extend(class);
            count += 1;
        }
        let Some((_, Size { height, width })) = self.first.as_ref().filter(|_| count > 0) else {
            return Ok(None);
        };
        let (height, width, channels) = (*height as usize, *width as usize, self.values.len());
        let shape = match self.options.layout {
            Layout::Nchw => [count, channels, height, width],
            Layout::Nhwc => [count, height, width, channels],
        };
        let dataset = ArrayD::from_shape_vec(IxDyn(&shape), samples)
            .map_err(|error| Problem::Unsupported(format!("shape {shape:?} cannot be held: {error}")))
            .and_then(|samples| {
                let labels = self.folder.classes().map(|classes| Labels::in_classes(ids, classes)).transpose()?;
                Dataset::checked(vec![Input { name: "x".into(), samples }], labels)
            });
        dataset.map(Some).map_err(|problem| problem.in_named(&self.name))
    }

    fn pass(&mut self, n: usize, skipped: usize) -> Result<(), Error> {
        self.decoding = None;
        self.passed = self.len.min(self.passed + n);
        self.may_skip -= skipped;
        Ok(())
    }

    fn passed(&self) -> usize {
        self.passed
    }

    fn len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn classes(&self) -> Option<&Classes> {
        self.folder.classes()
    }

    fn skipped(&self) -> &[Error] {
        &self.skipped
    }

    fn may_skip(&self) -> usize {
        self.may_skip
    }
}

/// Sends the images of a folder that are in `shard`, from position `from` on and in order, until all are sent or nobody
/// takes them any more.
fn decode_all(folder: ImageFolder, from: usize, shard: Shard, options: &ImageOptions, queue: &SyncSender<Message>) {
    for (position, image) in folder.into_images().enumerate() {
        let message = match image {
            Err(error) => Message::Failed(error),
            Ok(_) if position < from || !shard.owns(position) => continue,
            Ok((file, class)) => match image_decode::read(&file, options) {
                Ok(pixels) => Message::Image(Decoded { position, file, class, pixels }),
                Err(problem @ Problem::Request(_)) => Message::Failed(problem.in_file(&file)),
                Err(problem) => Message::Bad(position, problem.in_file(&file)),
            },
        };
        if queue.send(message).is_err() {
            return;
        }
    }
}

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
use crate::{Dataset, Error, Input, Labels, Problem, Scale};

/// How many decoded images may wait to be taken.
const WAITING: usize = 4;

/// The images of a folder, in order.
pub(crate) struct Images {
    folder: String,
    classes: Option<Classes>,
    options: ImageOptions,
    /// What each byte becomes, by channel.
    values: Vec<[f32; 256]>,
    queue: Receiver<Message>,
    decoder: Option<JoinHandle<()>>,
    /// The first image and its size, which is that of all others.
    first: Option<(PathBuf, Size)>,
    /// The number of images, without those skipped.
    len: usize,
    taken: usize,
    skipped: Vec<Error>,
}

enum Message {
    Image {
        file: PathBuf,
        class: Option<u32>,
        pixels: Pixels,
    },
    /// One image is to blame.
    Bad(Error),
    /// There is no going on.
    Failed(Error),
}

impl Images {
    /// Starts decoding the images of `folder`, which `name` stands for in error texts.
    pub(crate) fn open(
        name: &str,
        folder: ImageFolder,
        options: ImageOptions,
        scale: Option<Scale>,
    ) -> Result<Self, Problem> {
        options.check()?;
        let (len, classes) = (folder.count(), folder.classes().cloned());
        let (sender, queue) = sync_channel(WAITING);
        let decoding = options.clone();
        let decoder = thread::Builder::new()
            .name("images".into())
            .spawn(move || decode_all(folder, &decoding, &sender))
            .map_err(Problem::Io)?;
        Ok(Self {
            folder: name.to_owned(),
            classes,
            values: options.values(scale),
            options,
            queue,
            decoder: Some(decoder),
            first: None,
            len,
            taken: 0,
            skipped: Vec::new(),
        })
    }

    /// The next image that is not skipped; `None` after the last one.
    fn next_image(&mut self) -> Result<Option<(PathBuf, Option<u32>, Pixels)>, Error> {
        loop {
            match self.queue.recv() {
                Ok(Message::Image { file, class, pixels }) => return Ok(Some((file, class, pixels))),
                Ok(Message::Bad(error)) if self.skipped.len() < self.options.skip_bad => {
                    self.len = self.len.saturating_sub(1);
                    self.skipped.push(error);
                }
                Ok(Message::Bad(error) | Message::Failed(error)) => return Err(error),
                Err(_) => return self.end(),
            }
        }
    }

    fn end<T>(&mut self) -> Result<Option<T>, Error> {
        self.len = self.taken;
        let panicked = self.decoder.take().is_some_and(|decoder| decoder.join().is_err());
        let text = if panicked {
            format!("the decoder broke down after {} images; remove the next one", self.taken + self.skipped.len())
        } else if self.taken == 0 {
            format!("none of the {} images could be read", self.skipped.len())
        } else {
            return Ok(None);
        };
        Err(Problem::Samples(text).in_named(&self.folder))
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
    fn next(&mut self, n: usize) -> Result<Option<Dataset>, Error> {
        let (mut samples, mut ids, mut count) = (Vec::new(), Vec::new(), 0);
        while count < n
            && let Some((file, class, pixels)) = self.next_image()?
        {
            if count == 0 {
                let most = n.min(self.len.saturating_sub(self.taken)).max(1);
                check_memory(most, pixels.values.len() as u64).map_err(|problem| problem.in_named(&self.folder))?;
                samples.reserve_exact(most * pixels.values.len());
            }
            self.append(file, &pixels, &mut samples)?;
            ids.extend(class);
            count += 1;
            self.taken += 1;
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
                let labels = self.classes.as_ref().map(|classes| Labels::in_classes(ids, classes)).transpose()?;
                Dataset::checked(vec![Input { name: "x".into(), samples }], labels)
            });
        dataset.map(Some).map_err(|problem| problem.in_named(&self.folder))
    }

    fn len(&self) -> Option<usize> {
        Some(self.len)
    }

    fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    fn skipped(&self) -> &[Error] {
        &self.skipped
    }
}

/// Sends the images of a folder in order, until all are sent or nobody takes them any more.
fn decode_all(folder: ImageFolder, options: &ImageOptions, queue: &SyncSender<Message>) {
    for image in folder.into_images() {
        let message = match image {
            Err(error) => Message::Failed(error),
            Ok((file, class)) => match image_decode::read(&file, options) {
                Ok(pixels) => Message::Image { file, class, pixels },
                Err(problem @ Problem::Request(_)) => Message::Failed(problem.in_file(&file)),
                Err(problem) => Message::Bad(problem.in_file(&file)),
            },
        };
        if queue.send(message).is_err() {
            return;
        }
    }
}

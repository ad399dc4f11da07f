use std::fmt;
use std::str::FromStr;

use crate::{Error, Normalization, Problem, Scale};

/// How images become samples.
///
/// First to grey, if asked for, then resized, then cropped: what torchvision does for the models it ships is
/// `ImageOptions::new().resize(Resize::Shorter(256)).crop(Size { height: 224, width: 224 })` with its mean and deviation
/// in [`ImageOptions::normalize`] and 1/255 in [`crate::OpenOptions::scale`].
#[derive(Debug, Clone, Default)]
pub struct ImageOptions {
    pub(crate) resize: Option<Resize>,
    pub(crate) crop: Option<Size>,
    pub(crate) layout: Layout,
    pub(crate) color: Color,
    pub(crate) normalization: Option<Normalization>,
    pub(crate) skip_bad: usize,
}

/// A height and a width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The number of rows.
    pub height: u32,
    /// The number of columns.
    pub width: u32,
}

/// How an image is brought to another size, by bilinear interpolation, over all pixels that shrink to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// To this size, whatever that does to its proportions.
    Exact(Size),
    /// So that the shorter side has this length, in the proportions of the image; the longer side is rounded down.
    Shorter(u32),
}

/// The order of the dimensions of image samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// `[samples, channels, height, width]`, as ONNX operators want it.
    #[default]
    Nchw,
    /// `[samples, height, width, channels]`, as TensorFlow's models want it.
    Nhwc,
}

/// The channels of image samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// One channel, the luma of ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue.
    Grey,
    /// Red, green and blue; grey images have them equal.
    #[default]
    Rgb,
}

impl ImageOptions {
    /// Images as they are, in red, green and blue from 0 to 255, `[samples, 3, height, width]`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Resizes every image.
    #[must_use]
    pub fn resize(mut self, resize: Resize) -> Self {
        self.resize = Some(resize);
        self
    }

    /// Cuts this size out of the middle of every image, after resizing. Half a pixel goes to the bottom and the right.
    #[must_use]
    pub fn crop(mut self, size: Size) -> Self {
        self.crop = Some(size);
        self
    }

    /// Orders the dimensions of the samples.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Gives the samples these channels.
    #[must_use]
    pub fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// Normalizes values after [`crate::OpenOptions::scale`], with one mean and deviation for all channels or one for
    /// each.
    #[must_use]
    pub fn normalize(mut self, normalization: Normalization) -> Self {
        self.normalization = Some(normalization);
        self
    }

    /// Leaves out up to `count` images that cannot be read; [`crate::Stream::skipped`] tells which. Without this, the
    /// first of them is an error. Streams that go on where another stopped count together: [`crate::Position`].
    #[must_use]
    pub fn skip_bad(mut self, count: usize) -> Self {
        self.skip_bad = count;
        self
    }

    /// Refuses options that fit no image.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let sides = match self.resize {
            Some(Resize::Exact(size)) => vec![size.height, size.width],
            Some(Resize::Shorter(side)) => vec![side],
            None => vec![],
        };
        if sides.into_iter().chain(self.crop.iter().flat_map(|size| [size.height, size.width])).any(|side| side == 0) {
            return Err(Problem::Request("images cannot be resized or cropped to 0 pixels".into()));
        }
        let channels = self.color.channels();
        match &self.normalization {
            Some(normalization) if ![1, channels].contains(&normalization.mean().len()) => {
                Err(Problem::Request(format!(
                    "{} means and deviations for images of {channels} channels; give one, or one for each channel",
                    normalization.mean().len()
                )))
            }
            _ => Ok(()),
        }
    }

    /// What each of the values 0 to 255 becomes, by channel.
    pub(crate) fn values(&self, scale: Option<Scale>) -> Vec<[f32; 256]> {
        let channel = |channel: usize| {
            let mut values: [f32; 256] = std::array::from_fn(|value| value as f32 * scale.map_or(1.0, Scale::factor));
            if let Some(normalization) = &self.normalization {
                let of = |numbers: &[f32]| numbers[channel % numbers.len()];
                let (mean, std) = (of(normalization.mean()), of(normalization.std()));
                values = values.map(|value| (value - mean) / std);
            }
            values
        };
        (0..self.color.channels()).map(channel).collect()
    }
}

impl Color {
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

/// Reads `HEIGHTxWIDTH`, or one number for both.
impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (height, width) = text.split_once('x').unwrap_or((text, text));
        match (height.parse(), width.parse()) {
            (Ok(height), Ok(width)) => Ok(Self { height, width }),
            _ => Err(Problem::Request(format!("`{text}` is not a size; write HEIGHTxWIDTH, such as 224x160")).into()),
        }
    }
}

/// Reads `HEIGHTxWIDTH` as [`Resize::Exact`] and a single number as [`Resize::Shorter`].
impl FromStr for Resize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let size: Size = text.parse()?;
        Ok(if text.contains('x') { Self::Exact(size) } else { Self::Shorter(size.height) })
    }
}

/// Reads `nchw` or `nhwc`.
impl FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "nchw" => Ok(Self::Nchw),
            "nhwc" => Ok(Self::Nhwc),
            _ => Err(Problem::Request(format!("`{text}` is not a layout; use nchw or nhwc")).into()),
        }
    }
}

/// Reads `grey` (or `gray`) or `rgb`.
impl FromStr for Color {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "grey" | "gray" => Ok(Self::Grey),
            "rgb" => Ok(Self::Rgb),
            _ => Err(Problem::Request(format!("`{text}` is no choice of channels; use grey or rgb")).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_text() {
        let size = Size { height: 224, width: 160 };
        assert_eq!("224x160".parse::<Size>().unwrap(), size);
        assert_eq!("224".parse::<Size>().unwrap(), Size { height: 224, width: 224 });
        assert_eq!("224x160".parse::<Resize>().unwrap(), Resize::Exact(size));
        assert_eq!("256".parse::<Resize>().unwrap(), Resize::Shorter(256));
        assert_eq!("nhwc".parse::<Layout>().unwrap(), Layout::Nhwc);
        assert_eq!("gray".parse::<Color>().unwrap(), Color::Grey);
        for text in ["", "x", "224x", "-1", "1x2x3", "4294967296"] {
            assert!(text.parse::<Size>().is_err() && text.parse::<Resize>().is_err(), "{text}");
        }
        assert!("NCHW".parse::<Layout>().is_err());
        assert!("bgr".parse::<Color>().is_err());
    }

    #[test]
    fn options_that_fit_no_image_are_refused() {
        let new = ImageOptions::new;
        let three = Normalization::new(vec![0.0; 3], vec![1.0; 3]).unwrap();
        assert!(new().normalize(three.clone()).check().is_ok());
        for options in [
            new().resize(Resize::Shorter(0)),
            new().resize(Resize::Exact(Size { height: 1, width: 0 })),
            new().crop(Size { height: 0, width: 1 }),
            new().color(Color::Grey).normalize(three),
        ] {
            assert!(matches!(options.check(), Err(Problem::Request(_))), "{options:?}");
        }
    }

    #[test]
    fn values_are_scaled_then_normalized() {
        let normalization = Normalization::new(vec![0.5, 0.25, 0.0], vec![0.5, 1.0, 2.0]).unwrap();
        let values = ImageOptions::new().normalize(normalization).values(Some(Scale::new(0.5).unwrap()));
        assert_eq!(values.iter().map(|channel| channel[3]).collect::<Vec<_>>(), [2.0, 1.25, 0.75]);
        let raw = ImageOptions::new().color(Color::Grey).values(None);
        assert_eq!((raw.len(), raw[0][255]), (1, 255.0));
    }
}

//! The flags for samples that are images.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use anyhow::Result;
use dataset::{Color, ImageOptions, Layout, Normalization, Resize, Size};

/// How the images of a directory become samples.
#[derive(clap::Args)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageArgs {
    /// Resizes to HEIGHTxWIDTH, or with one number so that the shorter side has it.
    #[arg(long, value_name = "SIZE")]
    resize: Option<Sides>,
    /// Cuts HEIGHTxWIDTH, or a square of one number, out of the middle.
    #[arg(long, value_name = "SIZE")]
    crop: Option<Sides>,
    /// Order of the dimensions [default: nchw].
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<LayoutName>,
    /// Channels of the samples [default: rgb].
    #[arg(long, value_name = "COLOR")]
    color: Option<ColorName>,
    /// Mean to subtract, one or one per channel, separated by commas.
    #[arg(long, value_name = "MEAN", value_delimiter = ',', requires = "std")]
    mean: Vec<f32>,
    /// Standard deviation to divide by, as many as means.
    #[arg(long, value_name = "STD", value_delimiter = ',', requires = "mean")]
    std: Vec<f32>,
    /// Leaves out up to N images that cannot be read, and names them.
    #[arg(long, value_name = "N")]
    skip_bad: Option<usize>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LayoutName {
    Nchw,
    Nhwc,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ColorName {
    Rgb,
    Grey,
}

/// `224x160`, or `224` alone.
#[derive(Clone, Copy)]
struct Sides {
    height: u32,
    width: Option<u32>,
}

impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Some(width) => write!(f, "{}x{width}", self.height),
            None => write!(f, "{}", self.height),
        }
    }
}

/// How a flag's value is written.
fn value_name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl FromStr for Sides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| {
            let side: Result<NonZeroU32, _> = text.parse();
            side.map(NonZeroU32::get).map_err(|_| format!("`{text}` is no number of pixels; write 224 or 224x160"))
        };
        Ok(match text.split_once('x') {
            Some((height, width)) => Self { height: side(height)?, width: Some(side(width)?) },
            None => Self { height: side(text)?, width: None },
        })
    }
}

impl ImageArgs {
    /// The flags that decide what an image becomes; how many may be left out does not.
    pub(crate) fn describe(&self) -> impl Iterator<Item = String> {
        let Self { resize, crop, layout, color, mean, std, skip_bad: _ } = self;
        let numbers = |flag: &str, numbers: &[f32]| {
            let texts: Vec<String> = numbers.iter().map(f32::to_string).collect();
            (!texts.is_empty()).then(|| format!("--{flag} {}", texts.join(",")))
        };
        let flags = [
            resize.map(|size| format!("--resize {size}")),
            crop.map(|size| format!("--crop {size}")),
            layout.map(|layout| format!("--layout {}", value_name(layout))),
            color.map(|color| format!("--color {}", value_name(color))),
            numbers("mean", mean),
            numbers("std", std),
        ];
        flags.into_iter().flatten()
    }

    /// The flag that says how many may be left out.
    pub(crate) fn skip_flag(&self) -> Option<String> {
        self.skip_bad.map(|most| format!("--skip-bad {most}"))
    }

    /// The options, if any flag is given: data that are no images are refused with them.
    pub(crate) fn options(&self) -> Result<Option<ImageOptions>> {
        let Self { resize, crop, layout, color, mean, std, skip_bad } = self;
        let given = resize.is_some() || crop.is_some() || layout.is_some() || color.is_some();
        if !given && mean.is_empty() && skip_bad.is_none() {
            return Ok(None);
        }
        let mut options = ImageOptions::new().skip_bad(skip_bad.unwrap_or(0));
        if let Some(Sides { height, width }) = *resize {
            options = options.resize(match width {
                Some(width) => Resize::Exact(Size { height, width }),
                None => Resize::Shorter(height),
            });
        }
        if let Some(Sides { height, width }) = *crop {
            options = options.crop(Size { height, width: width.unwrap_or(height) });
        }
        if let Some(layout) = layout {
            options = options.layout(match layout {
                LayoutName::Nchw => Layout::Nchw,
                LayoutName::Nhwc => Layout::Nhwc,
            });
        }
        if let Some(color) = color {
            options = options.color(match color {
                ColorName::Rgb => Color::Rgb,
                ColorName::Grey => Color::Grey,
            });
        }
        if !mean.is_empty() {
            options = options.normalize(Normalization::new(mean.clone(), std.clone())?);
        }
        Ok(Some(options))
    }
}
